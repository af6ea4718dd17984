// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"

	"cleave.test/kubelet/harness"
)

// vendorDevice is what the facts of a machine say of one device.
type vendorDevice struct {
	ID          string
	Resource    string
	NUMA        *int
	DeviceNodes []string `json:"device_nodes"`
	SharedNodes []string `json:"shared_nodes"`
	Nodes       []struct{ Host string }
	Card        string
	Parent      string
	PeerID      string `json:"peer_id"`
	Module      int
	Accel       int
}

func (d vendorDevice) nodes() []string {
	nodes := slices.Concat(d.DeviceNodes, d.SharedNodes)
	for _, node := range d.Nodes {
		nodes = append(nodes, node.Host)
	}
	return nodes
}

// vendorFacts reads tests/machines/vendors/expected.
func vendorFacts(t *testing.T, machine, mode string) map[string]vendorDevice {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(harness.MachineDir(t), "vendors/expected", machine+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var facts struct {
		Devices []vendorDevice
		Modes   map[string][]vendorDevice
	}
	if err := json.Unmarshal(text, &facts); err != nil {
		t.Fatal(err)
	}
	devices := map[string]vendorDevice{}
	for _, device := range slices.Concat(facts.Devices, facts.Modes[mode]) {
		devices[device.ID] = device
	}
	if mode != "" {
		for _, device := range facts.Devices {
			delete(devices, device.ID)
		}
	}
	return devices
}

// given is everything that the container runtime would be told, as sorted lines.
func given(k *harness.Kubelet, pod *v1.Pod, container string) []string {
	lines := []string{}
	options := k.RunOptions(pod, container)
	for _, device := range options.Devices {
		lines = append(lines, fmt.Sprintf("node %s %s %s", device.PathOnHost, device.PathInContainer, device.Permissions))
	}
	for _, variable := range options.Envs {
		lines = append(lines, fmt.Sprintf("env %s=%s", variable.Name, variable.Value))
	}
	for _, mount := range options.Mounts {
		access := map[bool]string{true: "ro", false: "rw"}[mount.ReadOnly]
		lines = append(lines, fmt.Sprintf("mount %s %s %s", mount.HostPath, mount.ContainerPath, access))
	}
	for _, annotation := range options.Annotations {
		lines = append(lines, fmt.Sprintf("annotation %s=%s", annotation.Name, annotation.Value))
	}
	for _, device := range options.CDIDevices {
		lines = append(lines, "cdi "+device.Name)
	}
	slices.Sort(lines)
	return lines
}

// joined is an environment variable that joins a value of each device.
func joined(name string, value func(vendorDevice) string) func([]vendorDevice) []string {
	return func(devices []vendorDevice) []string {
		var values []string
		for _, device := range devices {
			values = append(values, value(device))
		}
		return []string{"env " + name + "=" + strings.Join(values, ",")}
	}
}

type vendorCase struct {
	name    string
	machine string
	mode    string
	config  string
	also    func(devices []vendorDevice) []string // beside the nodes; devices are in the order of PCI addresses
	// The vendor's plugin has ids that name no card, and gives the same with all of them. Then these are ours, with the
	// NUMA nodes of the PCI functions that they are or hang on.
	ids  map[string]int
	numa int // nodes of the machine; default 2
}

var vendorCases = []vendorCase{
	{name: "biren-instances", machine: "biren-runc-svi",
		also: joined("BR_PHY_CARDS", func(d vendorDevice) string { return d.ID })},
	{name: "biren-guests", machine: "biren-sriov-vfio",
		also: joined("BR_PHY_CARDS", func(d vendorDevice) string { return d.DeviceNodes[0] })},
	{name: "nvidia", machine: "nvidia-hgx8-mig",
		also: func(devices []vendorDevice) []string {
			if strings.Contains(devices[0].Resource, "mig") {
				return []string{"env NVIDIA_VISIBLE_DEVICES=void"}
			}
			return joined("NVIDIA_VISIBLE_DEVICES", func(d vendorDevice) string { return d.PeerID })(devices)
		}},
	{name: "amd", machine: "amd-mi300x-cpx32"},
	{name: "intel-qat-gen4", machine: "qat-4xxx-2s", also: numbered("QAT")},
	{name: "intel-qat-c62x", machine: "qat-c6xx-2s", also: numbered("QAT")},
	{name: "intel-gpu", machine: "intel-flex4-sriov",
		also: func(devices []vendorDevice) []string {
			var lines []string
			for _, device := range devices {
				for _, kind := range []string{"card", "render"} {
					path := "/dev/dri/by-path/pci-" + device.ID + "-" + kind
					lines = append(lines, "mount "+path+" "+path+" ro")
				}
			}
			return lines
		}},
	{name: "intel-npu", machine: "npu-laptop", config: `profiles = ["intel-npu"]`, numa: 1,
		ids: map[string]int{"0000:00:0b.0": 0}}, // numa_node is -1, and all CPUs of the one node are local
	{name: "intel-vpu", machine: "hddl-usb-2s", ids: hddlChips,
		also: func([]vendorDevice) []string {
			var lines []string
			for _, file := range []string{"hddl_service.sock", "hddl_service_ready.mutex", "hddl_service_alive.mutex"} {
				lines = append(lines, fmt.Sprintf("mount /var/tmp/%s /var/tmp/%s rw", file, file))
			}
			return lines
		}},
	{name: "intel-fpga-opae", machine: "fpga-opae-2s"},
	{name: "intel-fpga-dfl", machine: "fpga-dfl-2s"},
	{name: "intel-fpga-opae-regions", machine: "fpga-opae-2s", mode: "region", config: "[profile.intel-fpga]\nmode = 'region'", also: regionMode},
	{name: "intel-fpga-dfl-regions", machine: "fpga-dfl-2s", mode: "region", config: "[profile.intel-fpga]\nmode = 'region'", also: regionMode},
	{name: "intel-fpga-opae-regions-for-developers", machine: "fpga-opae-2s", mode: "regiondevel",
		config: "[profile.intel-fpga]\nmode = 'regiondevel'"},
	{name: "intel-fpga-dfl-regions-for-developers", machine: "fpga-dfl-2s", mode: "regiondevel",
		config: "[profile.intel-fpga]\nmode = 'regiondevel'"},
	{name: "gaudi", machine: "gaudi2-8",
		also: func(devices []vendorDevice) []string {
			return slices.Concat(
				joined("HABANA_VISIBLE_DEVICES", func(d vendorDevice) string { return fmt.Sprint(d.Accel) })(devices),
				joined("HABANA_VISIBLE_MODULES", func(d vendorDevice) string { return fmt.Sprint(d.Module) })(devices),
				joined("HL_VISIBLE_DEVICES", func(d vendorDevice) string { return d.DeviceNodes[0] })(devices))
		}},
}

// Two chips at each of eight controllers, whose PCI buses are 1a to 1d on node 0 and da to dd on node 1.
var hddlChips = map[string]int{"2-1": 0, "2-2": 0, "4-1": 0, "4-2": 0, "6-1": 0, "6-2": 0, "8-1": 0, "8-2": 0,
	"10-1": 1, "10-2": 1, "12-1": 1, "12-2": 1, "14-1": 1, "14-2": 1, "16-1": 1, "16-2": 1}

func regionMode([]vendorDevice) []string {
	return []string{"annotation com.intel.fpga.mode=fpga.intel.com/region"}
}

// numbered is one variable for each device: NAME0, NAME1, ...
func numbered(name string) func([]vendorDevice) []string {
	return func(devices []vendorDevice) []string {
		var lines []string
		for i, device := range devices {
			lines = append(lines, fmt.Sprintf("env %s%d=%s", name, i, device.ID))
		}
		return lines
	}
}

// Every vendor's machine through the device manager: how many of what, with which NUMA nodes, and exactly what a
// container is given: first pods of two, then pods of one until nothing is left.
func TestVendors(t *testing.T) {
	for _, test := range vendorCases {
		t.Run(test.name, func(t *testing.T) {
			facts := vendorFacts(t, test.machine, test.mode)
			counts := map[string]int64{}
			for _, device := range facts {
				counts[device.Resource]++
			}
			m := harness.Unpack(t, "vendors/"+test.machine)
			numa := 2
			if test.numa > 0 {
				numa = test.numa
			}
			k, _ := start(t, harness.KubeletOptions{NUMANodes: numa}, harness.CleaveOptions{Machine: m, Config: test.config}, counts)
			for _, resource := range sortedKeys(counts) {
				if test.ids != nil {
					facts = withIDs(resource, facts, test.ids)
				}
				checkListed(t, k, resource, facts)
				for left := counts[resource]; left > 0; {
					n := int64(1)
					if left == counts[resource] && left > 1 {
						n = 2
					}
					checkGiven(t, k, k.MustAdmit(one(resource, n)), n, facts, test.also)
					left -= n
				}
				want(t, "one more of "+resource+" is admitted", k.Admit(one(resource, 1)).Admit, false)
			}
		})
	}
}

// withIDs gives the facts, which are the same for every device of a resource, to other ids with their NUMA nodes.
func withIDs(resource string, facts map[string]vendorDevice, ids map[string]int) map[string]vendorDevice {
	byID := map[string]vendorDevice{}
	for _, fact := range facts {
		for id, node := range ids {
			if fact.Resource == resource {
				fact.NUMA = &node
				byID[id] = fact
			}
		}
	}
	return byID
}

// listedNUMA are the NUMA nodes of every device that is listed, by id.
func listedNUMA(k *harness.Kubelet, resource string) map[string][]int {
	nodes := map[string][]int{}
	for id, device := range k.Listed(resource) {
		nodes[id] = device.NUMA
	}
	return nodes
}

func checkListed(t *testing.T, k *harness.Kubelet, resource string, facts map[string]vendorDevice) {
	t.Helper()
	for id, device := range k.Listed(resource) {
		fact, known := facts[id]
		var numa []int
		if fact.NUMA != nil {
			numa = []int{*fact.NUMA}
		}
		want(t, "resource of "+id, resource, fact.Resource)
		want(t, id+" is known", known, true)
		want(t, "NUMA node of "+id, device.NUMA, numa)
	}
}

func checkGiven(t *testing.T, k *harness.Kubelet, pod *v1.Pod, n int64, facts map[string]vendorDevice, also func([]vendorDevice) []string) {
	t.Helper()
	held := k.Held(pod, "c0")
	want(t, "number of devices", int64(len(held)), n)
	var devices []vendorDevice
	for _, id := range held {
		devices = append(devices, facts[id])
	}
	slices.SortStableFunc(devices, func(a, b vendorDevice) int { return strings.Compare(a.Card+a.Parent+a.ID, b.Card+b.Parent+b.ID) })
	var lines []string
	for _, device := range devices {
		for _, node := range device.nodes() {
			lines = append(lines, fmt.Sprintf("node %s %s rw", node, node))
		}
	}
	if also != nil {
		lines = append(lines, also(devices)...)
	}
	slices.Sort(lines)
	want(t, fmt.Sprintf("given with %v", held), given(k, pod, "c0"), slices.Compact(lines))
}

// What docs/add-a-vendor.md ends with: the profile that the page has written is registered.
func TestAddAVendor(t *testing.T) {
	const ve = "example.com/ve-48gb"
	folder, err := filepath.Abs("../../docs/examples/add-a-vendor")
	if err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile(filepath.Join(folder, "cleave.toml"))
	if err != nil {
		t.Fatal(err)
	}
	m := harness.Unpack(t, "nec-ve8-skx")
	options := harness.CleaveOptions{Machine: m, Config: strings.Replace(string(config), `"profiles"`, fmt.Sprintf("%q", filepath.Join(folder, "profiles")), 1)}
	k, _ := start(t, harness.KubeletOptions{NUMANodes: 2}, options, map[string]int64{ve: 8})
	pod := k.MustAdmit(one(ve, 2))
	number := map[string]string{"0000:1b:00.0": "0", "0000:1c:00.0": "1", "0000:1d:00.0": "2", "0000:1e:00.0": "3",
		"0000:3d:00.0": "4", "0000:3f:00.0": "5", "0000:40:00.0": "6", "0000:41:00.0": "7"}
	held := k.Held(pod, "c0")
	first, second := number[held[0]], number[held[1]]
	want(t, "given", given(k, pod, "c0"), []string{"env VE_NODE_NUMBER=" + first + "," + second,
		"node /dev/ve" + first + " /dev/ve" + first + " rw", "node /dev/ve" + second + " /dev/ve" + second + " rw"})
}
