// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/container-orchestrated-devices/container-device-interface/schema"
	oci "github.com/opencontainers/runtime-spec/specs-go"
	"tags.cncf.io/container-device-interface/pkg/cdi"
	"tags.cncf.io/container-device-interface/pkg/parser"

	"cleave.test/kubelet/harness"
)

const (
	wholeBiren   = "birentech.com/gpu"
	quarterBiren = "birentech.com/1-4-gpu"
)

func birenCDI(by string) string { return fmt.Sprintf("[profile.biren]\ncdi = %q\n", by) }

// cdiNodes is what the CDI library itself reads of a directory: device nodes by fully qualified name. Files of ours must
// be what the JSON schema says of the version that they name, 0.5.0; the module is that of the last release of it.
func cdiNodes(t *testing.T, dir string) map[string][]string {
	t.Helper()
	cache, err := cdi.NewCache(cdi.WithSpecDirs(dir), cdi.WithAutoRefresh(false))
	if err != nil {
		t.Fatal(err)
	}
	for path, problems := range cache.GetErrors() {
		t.Errorf("CDI file %s: %v", path, problems)
	}
	ours, _ := filepath.Glob(filepath.Join(dir, "cleave-*.json"))
	for _, path := range ours {
		text, err := os.ReadFile(path)
		if err == nil {
			err = schema.BuiltinSchema().ValidateData(text)
		}
		if err != nil {
			t.Errorf("%s by the JSON schema: %v", path, err)
		}
	}
	nodes := map[string][]string{}
	for _, name := range cache.ListDevices() {
		for _, node := range cache.GetDevice(name).ContainerEdits.DeviceNodes {
			nodes[name] = append(nodes[name], node.Path+" "+node.Permissions)
		}
	}
	return nodes
}

// CDI in place of device nodes, by the field of the Allocate response and by annotation: the names that a container is
// given are those of the file, and the file has the nodes.
func TestCDI(t *testing.T) {
	facts := vendorFacts(t, "biren-runc-svi", "")
	for _, by := range []string{"field", "annotation", "spec"} {
		t.Run(by, func(t *testing.T) {
			m := harness.Unpack(t, "vendors/biren-runc-svi")
			dir := filepath.Join(t.TempDir(), "cdi")
			k, _ := start(t, harness.KubeletOptions{NUMANodes: 2},
				harness.CleaveOptions{Machine: m, Config: birenCDI(by), CDIDir: dir},
				map[string]int64{wholeBiren: 2, quarterBiren: 4, "birentech.com/1-2-gpu": 2})
			expected := map[string][]string{}
			for id, fact := range facts {
				expected["birentech.com/gpu="+id] = []string{fact.DeviceNodes[0] + " rw"}
			}
			want(t, "devices in the file", cdiNodes(t, dir), expected)
			pod := k.MustAdmit(one(quarterBiren, 2))
			held := k.Held(pod, "c0")
			names := "birentech.com/gpu=" + held[0] + ",birentech.com/gpu=" + held[1]
			lines := []string{"env BR_PHY_CARDS=" + strings.Join(held, ",")}
			switch by {
			case "field":
				for _, id := range held {
					lines = append(lines, "cdi birentech.com/gpu="+id)
				}
			case "annotation":
				lines = append(lines, "annotation cdi.k8s.io/birentech.com_1-4-gpu="+names)
			case "spec":
				for _, id := range held {
					lines = append(lines, fmt.Sprintf("node /dev/biren/%s /dev/biren/%s rw", id, id))
				}
			}
			slices.Sort(lines)
			want(t, "given", given(k, pod, "c0"), lines)
			if by == "annotation" {
				_, devices, err := cdi.ParseAnnotations(map[string]string{"cdi.k8s.io/birentech.com_1-4-gpu": names})
				want(t, "names in the annotation, as the library reads them", devices, strings.Split(names, ","))
				want(t, "error", err, error(nil))
			}
		})
	}
}

// A node's permissions are those that its profile gives.
func TestCDIPermissions(t *testing.T) {
	dir := t.TempDir()
	start(t, harness.KubeletOptions{NUMANodes: 2}, harness.CleaveOptions{Machine: harness.Unpack(t, "vendors/biren-runc-svi"), CDIDir: dir,
		Config: fmt.Sprintf("profile_dirs = [%q]\nprofiles = [\"readers\"]\n", profileDir(t, readers))}, map[string]int64{"example.com/stream": 2})
	want(t, "nodes in the file", cdiNodes(t, dir), map[string][]string{
		"example.com/stream=null": {"/dev/null rwm"}, "example.com/stream=zero": {"/dev/zero r"}})
}

// The schema that the files are checked by refuses what is none.
func TestCDISchemaRefuses(t *testing.T) {
	const good = `{"cdiVersion": "0.5.0", "kind": "a.com/x", "devices": [{"name": "0", "containerEdits": {"deviceNodes": [{"path": "/dev/null", "permissions": "rw"}]}}]}`
	want(t, "error of a good file", schema.BuiltinSchema().ValidateData([]byte(good)), error(nil))
	for _, change := range [][2]string{{`"path": `, `"paths": `}, {`"kind"`, `"kinds"`}, {`"0.5.0"`, `5`}, {`"rw"`, `7`}} {
		bad := strings.Replace(good, change[0], change[1], 1)
		if schema.BuiltinSchema().ValidateData([]byte(bad)) == nil {
			t.Errorf("a file with %s is accepted", change[1])
		}
	}
}

// Why instances have the kind of whole cards: names of resources that begin with a digit are no kinds, for the library or
// for cleave.
func TestCDIKinds(t *testing.T) {
	m := harness.Unpack(t, "vendors/biren-runc-svi")
	for kind, good := range map[string]bool{wholeBiren: true, quarterBiren: false, "birentech.com/1-2-gpu": false} {
		want(t, kind+" is a kind by the library", parser.IsQualifiedName(kind+"=card_0"), good)
		_, class := parser.ParseQualifier(kind)
		want(t, class+" is a class by the library", parser.ValidateClassName(class) == nil, good)
		config := fmt.Sprintf("[[resource]]\nname = \"example.com/gpu\"\nwhere = { name = \"card_0\" }\n[resource.container]\ncdi = { kind = %q }\n", kind)
		output, err := harness.RunCleave(t, "check", m, config)
		want(t, kind+" is a kind by cleave: "+output, err == nil, good)
	}
}

// The library puts real device nodes into a container's configuration.
func TestCDIInjection(t *testing.T) {
	m := harness.Unpack(t, "vendors/biren-runc-svi") // which has /dev/null and /dev/zero, as this machine does
	dir := t.TempDir()
	config := `profiles = ["generic"]
[profile.generic]
path = "/dev/*[lo]"
[[resource]]
name = "example.com/stream"
[resource.container]
cdi = { kind = "example.com/stream" }
`
	k, _ := start(t, harness.KubeletOptions{NUMANodes: 2}, harness.CleaveOptions{Machine: m, Config: config, CDIDir: dir},
		map[string]int64{"example.com/stream": 2})
	pod := k.MustAdmit(one("example.com/stream", 2))
	var names []string
	for _, device := range k.RunOptions(pod, "c0").CDIDevices {
		names = append(names, device.Name)
	}
	cache, err := cdi.NewCache(cdi.WithSpecDirs(dir), cdi.WithAutoRefresh(false))
	if err != nil {
		t.Fatal(err)
	}
	container := &oci.Spec{}
	if unresolved, err := cache.InjectDevices(container, names...); err != nil {
		t.Fatalf("%v, unresolved %v", err, unresolved)
	}
	got := map[string]string{}
	for _, device := range container.Linux.Devices {
		got[device.Path] = fmt.Sprintf("%s %d:%d", device.Type, device.Major, device.Minor)
	}
	want(t, "devices of the container", got, map[string]string{"/dev/null": "c 1:3", "/dev/zero": "c 1:5"})
}

// Files follow the machine and the settings; those of others stay.
func TestCDIFilesFollow(t *testing.T) {
	m := harness.Unpack(t, "vendors/biren-runc-svi")
	dir := t.TempDir()
	other, stale := filepath.Join(dir, "other.json"), filepath.Join(dir, "cleave-gone.com_card.json")
	for _, path := range []string{other, stale} {
		spec := `{"cdiVersion": "0.5.0", "kind": "gone.com/card", "devices": [{"name": "0", "containerEdits": {"env": ["A=b"]}}]}`
		if err := os.WriteFile(path, []byte(spec), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	k, c := start(t, harness.KubeletOptions{NUMANodes: 2}, harness.CleaveOptions{Machine: m, Config: birenCDI("field"), CDIDir: dir},
		map[string]int64{wholeBiren: 2, quarterBiren: 4, "birentech.com/1-2-gpu": 2})
	ours := filepath.Join(dir, "cleave-birentech.com_gpu.json")
	files := func() []string {
		entries, _ := filepath.Glob(dir + "/*")
		return entries
	}
	want(t, "files", files(), []string{ours, other})
	// Somebody removes the file: Allocate writes it again.
	if err := os.Remove(ours); err != nil {
		t.Fatal(err)
	}
	k.MustAdmit(one(wholeBiren, 1))
	want(t, "files after Allocate", files(), []string{ours, other})
	// A GPU more on the machine is a device more in the file.
	want(t, "devices in the file", len(cdiNodes(t, dir)), 8)
	m.Write("dev/biren/card_8", "")
	m.Write("sys/devices/pci0000:d0/biren/card_8/dev", "240:8\n")
	m.Write("sys/devices/pci0000:d0/physical_id", "8\n")
	m.Link("sys/devices/pci0000:d0/biren/card_8/device", "../..")
	m.Link("sys/class/biren/card_8", "../../devices/pci0000:d0/biren/card_8")
	k.Await(wholeBiren, harness.All(3))
	harness.Eventually(t, "the new card is in the file", func() error {
		if got := cdiNodes(t, dir); len(got) != 9 || !slices.Equal(got["birentech.com/gpu=card_8"], []string{"/dev/biren/card_8 rw"}) {
			return fmt.Errorf("there are %v", got)
		}
		return nil
	})
	c.WriteConfig(birenCDI("off"))
	c.Reload()
	harness.Eventually(t, "the file is removed", func() error {
		if got := files(); !slices.Equal(got, []string{other}) {
			return fmt.Errorf("there are %v", got)
		}
		return nil
	})
}

// A container never starts without its devices: what cannot be written is refused, and admitted when it can be.
func TestCDICannotBeWritten(t *testing.T) {
	m := harness.Unpack(t, "vendors/biren-runc-svi")
	parent := filepath.Join(t.TempDir(), "run")
	if err := os.Mkdir(parent, 0o755); err != nil {
		t.Fatal(err)
	}
	nowhere := filepath.Join(parent, "cdi")
	if err := os.Symlink(filepath.Join(parent, "missing", "cdi"), nowhere); err != nil {
		t.Fatal(err)
	}
	k, _ := start(t, harness.KubeletOptions{NUMANodes: 2},
		harness.CleaveOptions{Machine: m, Config: birenCDI("field"), CDIDir: nowhere},
		map[string]int64{wholeBiren: 2, quarterBiren: 4, "birentech.com/1-2-gpu": 2})
	result := k.Admit(one(wholeBiren, 1))
	want(t, "admitted", result.Admit, false)
	if !strings.Contains(result.Message, "CDI file") {
		t.Errorf("the reason is %q, which does not name the CDI file", result.Message)
	}
	if err := os.Remove(nowhere); err != nil {
		t.Fatal(err)
	}
	k.MustAdmit(one(wholeBiren, 1))
}

// A file that somebody has added to stays while it serves, and is replaced when it does not.
func TestCDIFileIsKept(t *testing.T) {
	m := harness.Unpack(t, "vendors/biren-runc-svi")
	dir := t.TempDir()
	ours := filepath.Join(dir, "cleave-birentech.com_gpu.json")
	config := birenCDI("field") + "cdi_existing = \"keep\"\n"
	counts := map[string]int64{wholeBiren: 2, quarterBiren: 4, "birentech.com/1-2-gpu": 2}
	k, c := start(t, harness.KubeletOptions{NUMANodes: 2}, harness.CleaveOptions{Machine: m, Config: config, CDIDir: dir}, counts)
	written, err := os.ReadFile(ours)
	if err != nil {
		t.Fatal(err)
	}
	more := strings.Replace(string(written), "{\n", "{\n  \"containerEdits\": {\"env\": [\"SITE=lab\"]},\n", 1)
	less := strings.Replace(string(written), "/dev/biren/card_7", "/dev/biren/card_9", 1)
	replace := func(text string) {
		t.Helper()
		if err := os.WriteFile(ours, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		k.MustAdmit(one(quarterBiren, 1))
	}
	is := func(what, text string) {
		t.Helper()
		got, _ := os.ReadFile(ours)
		want(t, what, string(got), text)
	}
	replace(more)
	is("a file with more in it", more)
	want(t, "it is a CDI file", len(cdiNodes(t, dir)), 8)
	replace(less)
	is("a file without a node of ours", string(written))
	replace(more)
	c.WriteConfig(birenCDI("field"))
	c.Reload()
	harness.Eventually(t, "the file is replaced", func() error {
		if got, _ := os.ReadFile(ours); string(got) != string(written) {
			return fmt.Errorf("it is %s", got)
		}
		return nil
	})
}
