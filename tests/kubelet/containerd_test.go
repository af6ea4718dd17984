// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"cleave.test/kubelet/harness"
)

// Where this machine has device nodes for the test: a tmpfs of the test's own mount namespace.
const streams = "/dev/cleave-streams"

func makeStreams(t *testing.T) {
	t.Helper()
	if err := os.Mkdir(streams, 0o755); err != nil && !os.IsExist(err) {
		t.Skipf("device nodes cannot be made here: %v", err)
	}
	t.Cleanup(func() { _ = os.Remove(streams) })
	if err := syscall.Mount("tmpfs", streams, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("device nodes cannot be made here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(streams, syscall.MNT_DETACH) })
	for i, minor := range []int{3, 5, 7} { // other names of /dev/null, /dev/zero, /dev/full
		if err := syscall.Mknod(fmt.Sprintf("%s/s%d", streams, i), syscall.S_IFCHR|0o666, 1<<8|minor); err != nil {
			t.Skipf("device nodes cannot be made here: %v", err)
		}
	}
}

// What the kubelet would pass on to a real containerd: the container has the nodes of its devices, can open them, and
// has no others, whether the names come in the field or in an annotation, or the nodes without CDI.
func TestContainerd(t *testing.T) {
	makeStreams(t)
	runtime := harness.StartContainerd(t)
	node := map[string]string{"s0": "1:3", "s1": "1:5", "s2": "1:7"}
	for _, by := range []string{"field", "annotation", "spec"} {
		t.Run(by, func(t *testing.T) {
			m := harness.Unpack(t, "vendors/biren-runc-svi")
			for name := range node {
				m.Write(streams+"/"+name, "")
			}
			config := fmt.Sprintf(`profiles = ["generic"]
[profile.generic]
path = "%s/*"
resource = "stream"
[[resource]]
name = "example.com/stream"
[resource.container]
cdi = { kind = "example.com/stream", by = %q }
env = { CLEAVE_STREAMS = "{id}" }
`, streams, by)
			k, _ := start(t, harness.KubeletOptions{NUMANodes: 2},
				harness.CleaveOptions{Machine: m, Config: config, CDIDir: runtime.CDIDir}, map[string]int64{"example.com/stream": 3})
			pod := k.MustAdmit(one("example.com/stream", 2))
			given := k.RunOptions(pod, "c0")
			container := &runtimeapi.ContainerConfig{Annotations: map[string]string{}, Command: []string{"/look", streams}}
			for _, device := range given.CDIDevices {
				container.CDIDevices = append(container.CDIDevices, &runtimeapi.CDIDevice{Name: device.Name})
			}
			for _, device := range given.Devices {
				container.Devices = append(container.Devices,
					&runtimeapi.Device{HostPath: device.PathOnHost, ContainerPath: device.PathInContainer, Permissions: device.Permissions})
			}
			for _, annotation := range given.Annotations {
				container.Annotations[annotation.Name] = annotation.Value
			}
			for _, variable := range given.Envs {
				container.Envs = append(container.Envs, &runtimeapi.KeyValue{Key: variable.Name, Value: []byte(variable.Value)})
			}
			want(t, "names by the field", len(given.CDIDevices), map[bool]int{true: 2}[by == "field"])
			want(t, "plain nodes", len(given.Devices), map[bool]int{true: 2}[by == "spec"])
			held := k.Held(pod, "c0")
			var lines []string
			for _, id := range held {
				lines = append(lines, fmt.Sprintf("%s/%s %s opens true", streams, id, node[id]))
			}
			slices.Sort(lines)
			lines = append(lines, "CLEAVE_STREAMS="+strings.Join(held, ","))
			want(t, "what the container sees", runtime.Run(t, container), lines)
		})
	}
	t.Run("unknown-name", func(t *testing.T) {
		_, err := runtime.Create(t, &runtimeapi.ContainerConfig{Command: []string{"/look", streams},
			CDIDevices: []*runtimeapi.CDIDevice{{Name: "example.com/stream=s9"}}})
		if err == nil || !strings.Contains(err.Error(), "s9") {
			t.Errorf("a container with a device that no file has: %v", err)
		}
	})
}

// Of every shipped profile with CDI the files are good for containerd's library, with the names that pods get.
func TestCDIOfEveryProfile(t *testing.T) {
	for machine, profile := range map[string]string{"vendors/nvidia-hgx8-mig": "nvidia", "vendors/amd-mi300x-cpx32": "amd",
		"vendors/intel-flex4-sriov": "intel-gpu", "vendors/biren-sriov-vfio": "biren"} {
		t.Run(profile, func(t *testing.T) {
			facts := vendorFacts(t, filepath.Base(machine), "")
			counts := map[string]int64{}
			expected := map[string]string{}
			for id, fact := range facts {
				counts[fact.Resource]++
				kind := map[bool]string{true: "birentech.com/gpu", false: "devices.cleave.io/" + profile}[profile == "biren"]
				nodes := []string{}
				for _, node := range fact.nodes() {
					nodes = append(nodes, node+" rw")
				}
				slices.Sort(nodes)
				expected[kind+"="+strings.ReplaceAll(id, "/", "_")] = strings.Join(nodes, " ")
			}
			dir := t.TempDir()
			k, _ := start(t, harness.KubeletOptions{NUMANodes: 2}, harness.CleaveOptions{Machine: harness.Unpack(t, machine),
				Config: fmt.Sprintf("[profile.%s]\ncdi = \"field\"", profile), CDIDir: dir}, counts)
			got := map[string]string{}
			for name, nodes := range cdiNodes(t, dir) {
				slices.Sort(nodes)
				got[name] = strings.Join(nodes, " ")
			}
			want(t, "devices in the file", got, expected)
			for resource := range counts {
				for _, device := range k.RunOptions(k.MustAdmit(one(resource, 1)), "c0").CDIDevices {
					if _, found := got[device.Name]; !found {
						t.Errorf("%s gets %s, which is in no file", resource, device.Name)
					}
				}
			}
		})
	}
}
