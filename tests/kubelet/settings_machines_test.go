// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cleave.test/kubelet/harness"
)

// What is changed on machines for the settings, and what is on them.

const adapters = `schema = 1
name = "adapters"
default = false
[entries]
usb = { vendor = 0x0403, product = 0x6001 }
id  = "{name}"
[entries.nodes]
bus = { each = "*:1.0/ttyUSB*", path = "/dev/{item}" }
[container]
devices = ["{nodes.*}"]
[[resource]]
name = "example.com/adapter"
`

// One node may be read only, the other one also made anew.
const readers = `schema = 1
name = "readers"
default = false
[entries]
path = "/dev/[nz]*"
id   = "{name}"
[entries.nodes]
main = [
  { path = "{path}", permissions = "r", when = { name = "zero" } },
  { path = "{path}", permissions = "rwm" },
]
[container]
devices = ["{nodes.*}"]
[[resource]]
name = "example.com/stream"
[resource.container]
cdi = { kind = "example.com/stream", by = "spec" }
`

// A device is a control node and all streams of its number.
const soundCards = `schema = 1
name = "sound"
default = false
[entries]
path = "/dev/snd/controlC*"
id   = "{name}"
[entries.attributes]
number = { name = "controlC([0-9]+)" }
[entries.nodes]
control = "{path}"
streams = { each = "/dev/snd/pcmC{number}D*", path = "/dev/snd/{item}", optional = true }
[container]
devices = ["{nodes.*}"]
[[resource]]
name = "example.com/sound"
`

var flexNodes = map[string][]string{
	"0000:39:00.0": {"/dev/dri/card1", "/dev/dri/renderD128"}, "0000:4d:00.0": {"/dev/dri/card2", "/dev/dri/renderD129"},
	"0000:bb:00.1": {"/dev/dri/card4", "/dev/dri/renderD131"}, "0000:bb:00.2": {"/dev/dri/card5", "/dev/dri/renderD132"},
	"0000:bb:00.3": {"/dev/dri/card6", "/dev/dri/renderD133"}, "0000:cc:00.0": {"/dev/dri/card7", "/dev/dri/renderD134"},
}

// Every node of every GPU, the physical function with virtual ones too, and what tells of their telemetry.
var flexAll = []string{"/dev/dri/card1", "/dev/dri/card2", "/dev/dri/card3", "/dev/dri/card4", "/dev/dri/card5", "/dev/dri/card6",
	"/dev/dri/card7", "/dev/dri/renderD128", "/dev/dri/renderD129", "/dev/dri/renderD130", "/dev/dri/renderD131", "/dev/dri/renderD132",
	"/dev/dri/renderD133", "/dev/dri/renderD134", "/dev/mei0", "/dev/mei1", "/dev/mei2", "/dev/mei3"}

// hideKFD makes nodes of GPUs unreadable: a process without their render nodes gets EPERM there, here it is EISDIR.
func hideKFD(m *harness.Machine) {
	nodes, _ := filepath.Glob(filepath.Join(m.Root, "sys/devices/virtual/kfd/kfd/topology/nodes/*/properties"))
	for _, node := range nodes {
		text, err := os.ReadFile(node)
		if err == nil && !strings.Contains(string(text), "simd_count 0\n") {
			_ = os.Remove(node)
			_ = os.Mkdir(node, 0o755)
		}
	}
}

func furiosaCards(m *harness.Machine) {
	addFunction(m, "0000:00:1a.0", "0x1ed2", "0x0001")
	addFunction(m, "0000:00:1b.0", "0x1ed2", "0x0000")
	m.Write("sys/devices/pci0000:00/0000:00:1a.0/numa_node", "0\n")
	m.Write("sys/devices/pci0000:00/0000:00:1b.0/numa_node", "1\n")
	m.Write("sys/class/rngd_mgmt/rngd!npu1mgmt/busname", "0000:00:1a.0\n")
	m.Write("sys/class/npu_mgmt/npu0_mgmt/busname", "0000:00:1b.0\n")
	m.Write("sys/class/npu_mgmt/npu0_mgmt/alive", "1\n")
	for _, node := range []string{"rngd/npu1mgmt", "rngd/npu1pe0", "rngd/npu1pe0-1", "rngd/npu10pe0", "npu0_mgmt", "npu0pe0", "npu0pe0-1"} {
		m.Write("dev/"+node, "")
	}
}

// hddlUnite adds a Keem Bay function and a Thunder Bay card (of two functions), and what their daemon makes.
func hddlUnite(m *harness.Machine) {
	addFunction(m, "0000:00:1a.0", "0x8086", "0x6240")
	addFunction(m, "0000:00:1b.0", "0x8086", "0x4fc0")
	addFunction(m, "0000:00:1b.1", "0x8086", "0x4fc1")
	m.Write("dev/xlnk", "")
	for _, name := range hddlUniteFiles {
		m.Write(name, "")
	}
}

var (
	hddlUniteFiles = []string{"/var/tmp/hddlunite_service.sock", "/var/tmp/hddlunite_service_ready.mutex",
		"/var/tmp/hddlunite_service_alive.mutex", "/var/tmp/hddlunite_service_start_exit.mutex"}
	hddlUniteCounts = map[string]int64{"vpu.intel.com/hddl": 16, "vpu.intel.com/kmb": 1, "vpu.intel.com/tbh": 1}
)

func hddlUniteGiven([]string) []string {
	return append(rw("/dev/xlnk"), mounted("rw", hddlUniteFiles...)...)
}

// addBirenGuest adds a whole card that vfio-pci holds to a machine with instances for containers.
func addBirenGuest(m *harness.Machine) {
	const address = "0000:00:1a.0"
	addFunction(m, address, "0x1ee0", "0x0001")
	m.Write("sys/bus/pci/drivers/vfio-pci/module", "")
	m.Link("sys/bus/pci/devices/"+address+"/driver", "../../../bus/pci/drivers/vfio-pci")
	m.Link("sys/bus/pci/devices/"+address+"/iommu_group", "../../../kernel/iommu_groups/77")
	m.Link("sys/kernel/iommu_groups/77/devices/"+address, "../../../../bus/pci/devices/"+address)
	m.Write("dev/vfio/77", "")
	m.Write("dev/vfio/vfio", "")
	m.Write("usr/bin/brsmi", "")
}

func birenGuestGiven([]string) []string {
	return append(rw("/dev/vfio/77", "/dev/vfio/vfio"), variables("BR_PHY_CARDS", "/dev/vfio/77")...)
}

// migHalf is the nodes of the one instance that has half of a GPU.
func migHalf([]string) []string {
	return rw("/dev/nvidia5", "/dev/nvidia-caps/nvidia-cap696", "/dev/nvidia-caps/nvidia-cap697",
		"/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools", "/dev/nvidia-modeset")
}

// union is each line once.
func union(lists ...[]string) []string {
	lines := slices.Concat(lists...)
	slices.Sort(lines)
	return slices.Compact(lines)
}

// qatGroup is the group's node of a virtual function of the Gen4 machine: 400 to 415 below one root port, 416 to 431
// below the other, in the order of their addresses.
func qatGroup(address string) string {
	var device, function int
	_, _ = fmt.Sscanf(address[8:], "%x.%d", &device, &function)
	first := map[string]int{"0000:6b": 400, "0000:e8": 416}[address[:7]]
	return fmt.Sprintf("/dev/vfio/%d", first+8*device+function-1)
}

func addAmazonFPGA(m *harness.Machine) {
	addFunction(m, "0000:00:1d.0", "0x1d0f", "0x1042")
	m.Write("sys/devices/pci0000:00/0000:00:1d.0/modalias", "pci:v00001D0Fd00001042sv00000000sd00000000bc12sc00i00\n")
}
