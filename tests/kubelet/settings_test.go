// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cleave.test/kubelet/harness"
)

// settingCase is a profile with settings: what is offered, and what a pod gets that asks for some of it.
type settingCase struct {
	name     string
	machine  string
	config   string
	profile  string // of the operator's own
	change   func(m *harness.Machine)
	offered  map[string]int64
	resource string
	n        int64
	want     func(held []string) []string // all that the container is given
	numa     int                          // nodes of the machine; default 2
	listed   map[string][]int             // devices of the resource with their NUMA nodes; nil: not asked
}

const (
	hgx  = "vendors/nvidia-hgx8-mig"
	flex = "vendors/intel-flex4-sriov"
)

var migCounts = map[string]int64{"nvidia.com/mig-1g.10gb": 9, "nvidia.com/mig-2g.20gb": 1, "nvidia.com/mig-3g.40gb": 1}

func and(counts map[string]int64, resource string, n int64) map[string]int64 {
	all := map[string]int64{resource: n}
	for name, count := range counts {
		all[name] = count
	}
	return all
}

func rw(paths ...string) []string {
	var lines []string
	for _, path := range paths {
		lines = append(lines, "node "+path+" "+path+" rw")
	}
	return lines
}

func mounted(access string, paths ...string) []string {
	var lines []string
	for _, path := range paths {
		lines = append(lines, "mount "+path+" "+path+" "+access)
	}
	return lines
}

func variables(pairs ...string) []string {
	var lines []string
	for i := 0; i < len(pairs); i += 2 {
		lines = append(lines, "env "+pairs[i]+"="+pairs[i+1])
	}
	return lines
}

// gpuOf is minor and UUID of a whole GPU of the machine, by the facts.
func gpuOf(address string) (node, uuid string) {
	minor := map[string]string{"0000:18:00.0": "0", "0000:19:00.0": "1", "0000:3b:00.0": "3", "0000:90:00.0": "4",
		"0000:ba:00.0": "6", "0000:bb:00.0": "7"}[address]
	return "/dev/nvidia" + minor, fmt.Sprintf("GPU-5e0c1d0%s-8f4a-11ee-b9d1-0242ac12000%s", minor, minor)
}

func nvidiaNodes(address string) []string {
	node, _ := gpuOf(address)
	return rw(node, "/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools", "/dev/nvidia-modeset")
}

// ketiGiven is what a container gets with shares of one GPU.
func ketiGiven(held []string, library, percent, memory string) []string {
	node, uuid := gpuOf(cardOf(held[0]))
	return slices.Concat(
		rw(node, "/dev/nvidiactl", "/dev/nvidia-uvm"),
		mounted("ro", library),
		variables("KETI_SM_LIMIT", percent, "KETI_GPU_CORES_LIMIT", percent, "BLESS_LIMIT_PCT", percent,
			"KETI_MEM_LIMIT", memory, "KETI_GPU_MEMORY_LIMIT", memory, "KETI_GPU_DEVICE_IDS", strings.Join(held, ","),
			"NVIDIA_VISIBLE_DEVICES", uuid, "LD_PRELOAD", library))
}

const ketiLibraryPath = "/var/lib/keti/libvai_accelerator.so"

func ketiLibrary(m *harness.Machine) { m.Write(ketiLibraryPath, "") }

func mpsDirs(m *harness.Machine) {
	ketiLibrary(m)
	m.Write("tmp/nvidia-mps/control", "")
	m.Write("dev/shm/x", "")
}

// addFunction puts a PCI function on the root bus.
func addFunction(m *harness.Machine, address, vendor, device string) {
	dir := "sys/devices/pci0000:00/" + address
	m.Write(dir+"/vendor", vendor+"\n")
	m.Write(dir+"/device", device+"\n")
	m.Write(dir+"/class", "0x120000\n")
	m.Link("sys/bus/pci/devices/"+address, "../../../devices/pci0000:00/"+address)
}

var birenGuests = map[string]int64{}
var guestGroups = map[string]string{}

// What docs/vendors promises of settings, of the device manager.
func TestSettings(t *testing.T) {
	for _, fact := range vendorFacts(t, "biren-sriov-vfio", "") {
		birenGuests[fact.Resource]++
		guestGroups[fact.ID] = fact.DeviceNodes[0]
	}
	for _, test := range settingCases {
		t.Run(test.name, func(t *testing.T) {
			m := harness.Unpack(t, test.machine)
			if test.change != nil {
				test.change(m)
			}
			config := test.config
			if test.profile != "" {
				config = fmt.Sprintf("profile_dirs = [%q]\n", profileDir(t, test.profile)) + config
			}
			if test.numa == 0 {
				test.numa = 2
			}
			k, _ := start(t, harness.KubeletOptions{NUMANodes: test.numa}, harness.CleaveOptions{Machine: m, Config: config}, test.offered)
			if test.listed != nil {
				want(t, "devices and their NUMA nodes", listedNUMA(k, test.resource), test.listed)
			}
			pod := k.MustAdmit(one(test.resource, test.n))
			lines := test.want(k.Held(pod, "c0"))
			slices.Sort(lines)
			want(t, "given", given(k, pod, "c0"), lines)
		})
	}
}

func profileDir(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "own.toml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A container never starts without the library that holds it to its limits.
func TestLibraryIsMissing(t *testing.T) {
	m := harness.Unpack(t, hgx)
	k, _ := start(t, harness.KubeletOptions{NUMANodes: 2}, harness.CleaveOptions{Machine: m, Config: `profiles = ["keti-gpu"]`},
		map[string]int64{"keti.com/gpu": 60})
	refused := k.Admit(one("keti.com/gpu", 1))
	if refused.Admit || !strings.Contains(refused.Message, ketiLibraryPath) {
		t.Errorf("admitted %v: %s", refused.Admit, refused.Message)
	}
	ketiLibrary(m)
	k.MustAdmit(one("keti.com/gpu", 1))
}

// Limits grow with the shares of each card: one GPU whole and three tenths of the next.
func TestSharesOfTwoCards(t *testing.T) {
	m := harness.Unpack(t, hgx)
	ketiLibrary(m)
	config := `profiles = ["keti-gpu"]
[[resource]]
name = "keti.com/gpu"
unit = "share"
shares = 10
same_card = "allow"
[resource.container.env]
LIMIT_OF = "{uuid}={share.percent}"
LIMITS = { value = "{share.percent}", per = "card" }
MODELS = { value = "{model}", per = "device" }
TOTAL_MB = "{sum.share.memory}"
TOTAL_PERCENT = "{sum.share.percent}"
`
	k, _ := start(t, harness.KubeletOptions{NUMANodes: 2}, harness.CleaveOptions{Machine: m, Config: config}, map[string]int64{"keti.com/gpu": 60})
	facts := vendorFacts(t, "nvidia-hgx8-mig", "")
	for id, nodes := range listedNUMA(k, "keti.com/gpu") {
		want(t, "NUMA node of "+id, nodes, []int{*facts[cardOf(id)].NUMA})
	}
	pod := k.MustAdmit(one("keti.com/gpu", 20))
	held := k.Held(pod, "c0")
	_, first := gpuOf(cardOf(held[0]))
	_, second := gpuOf(cardOf(held[19]))
	got := env(k, pod, "c0")
	want(t, "map by card", got["LIMIT_OF"], first+"=100,"+second+"=100")
	want(t, "one for each card", got["LIMITS"], "100,100")
	want(t, "one for each device", strings.Count(got["MODELS"], ","), 19)
	want(t, "sum of memory", got["TOTAL_MB"], "163840")
	want(t, "sum of percents", got["TOTAL_PERCENT"], "200")
	want(t, "one value", got["KETI_SM_LIMIT"], "100")
}

// Virtual functions of one device are packed or balanced.
func TestQATPolicy(t *testing.T) {
	const generic = "qat.intel.com/generic"
	parents := func(t *testing.T, policy string) map[string]int {
		m := harness.Unpack(t, "vendors/qat-c6xx-2s")
		k, _ := start(t, harness.KubeletOptions{NUMANodes: 2},
			harness.CleaveOptions{Machine: m, Config: "[profile.intel-qat]\npolicy = \"" + policy + "\""}, map[string]int64{generic: 48})
		facts := vendorFacts(t, "qat-c6xx-2s", "")
		by := map[string]int{}
		for range 2 {
			for _, id := range k.Held(k.MustAdmit(one(generic, 3)), "c0") {
				by[facts[id].Parent]++
			}
		}
		return by
	}
	t.Run("packed", func(t *testing.T) { want(t, "devices of physical functions", len(parents(t, "packed")), 1) })
	t.Run("balanced", func(t *testing.T) {
		by := parents(t, "balanced")
		want(t, "physical functions", len(by), 3)
		for parent, n := range by {
			want(t, "of "+parent, n, 2)
		}
	})
}

// The whole group of several functions is one device, refused while a driver of the host has one of them.
func TestVFIOWholeGroup(t *testing.T) {
	const function = "vfio.cleave.io/8086-4941"
	m := harness.Unpack(t, "vendors/qat-4xxx-2s")
	for _, other := range []string{"0000:6b:00.2", "0000:6b:00.3"} {
		m.Link("sys/kernel/iommu_groups/400/devices/"+other, "../../../../bus/pci/devices/"+other)
		m.Link("sys/bus/pci/devices/"+other+"/iommu_group", "../../../../kernel/iommu_groups/400")
	}
	k, c := start(t, harness.KubeletOptions{NUMANodes: 2},
		harness.CleaveOptions{Machine: m, Config: "profiles = [\"vfio\"]\n[profile.vfio]\ngroups = \"whole\""}, map[string]int64{function: 30})
	held := map[string]bool{}
	for range 30 {
		pod := k.MustAdmit(one(function, 1))
		id := k.Held(pod, "c0")[0]
		if id == "0000:6b:00.1" {
			want(t, "given", given(k, pod, "c0"), []string{
				"env PCI_RESOURCE_VFIO_CLEAVE_IO_8086_4941=0000:6b:00.1,0000:6b:00.2,0000:6b:00.3",
				"node /dev/vfio/400 /dev/vfio/400 rw", "node /dev/vfio/vfio /dev/vfio/vfio rw"})
		}
		held[id] = true
	}
	want(t, "the group is one device", held["0000:6b:00.1"] && !held["0000:6b:00.2"], true)
	// By default a group of several is not offered at all.
	c.WriteConfig(`profiles = ["vfio"]`)
	c.Reload()
	k.Await(function, harness.Count{Capacity: 30, Allocatable: 29})
	want(t, "sick", k.Sick(function), []string{"0000:6b:00.1"})
}
