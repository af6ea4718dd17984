// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"fmt"
	"strings"
	"testing"

	"cleave.test/kubelet/harness"
)

// addXe puts a card of the xe driver on the machine: GTs below tiles, folders of virtual functions whether these are
// there or not, and as many nodes as it has of the DRM.
func addXe(m *harness.Machine, address string, tiles int, card, render string) {
	dir := "sys/devices/pci0000:00/" + address
	addFunction(m, address, "0x8086", "0xe211")
	m.Write(dir+"/class", "0x030000\n")
	m.Write(dir+"/numa_node", "0\n")
	m.Write(dir+"/config", "\x86\x80\x11\xe2")
	m.Write("sys/bus/pci/drivers/xe/module", "")
	m.Link(dir+"/driver", "../../../bus/pci/drivers/xe")
	m.Link("sys/bus/pci/drivers/xe/"+address, "../../../../devices/pci0000:00/"+address)
	for tile := range tiles {
		m.Write(fmt.Sprintf("%s/tile%d/gt%d/freq0/act_freq", dir, tile, 2*tile), "0\n")
		m.Write(fmt.Sprintf("%s/tile%d/gt%d/freq0/act_freq", dir, tile, 2*tile+1), "0\n")
	}
	for _, name := range []string{card, render} {
		m.Write(dir+"/drm/"+name+"/uevent", "DEVNAME=dri/"+name+"\n")
		m.Link(dir+"/drm/"+name+"/device", "../..")
		m.Link("sys/class/drm/"+name, "../../devices/pci0000:00/"+address+"/drm/"+name)
		m.Write("dev/dri/"+name, "")
	}
}

// Cards of the xe driver beside those of i915: a resource of their own, their virtual functions in place of the
// physical one, tiles for tests, and no card without a DRM node (survivability mode).
func TestXeBesideI915(t *testing.T) {
	m := harness.Unpack(t, flex)
	addXe(m, "0000:00:10.0", 1, "card8", "renderD135")
	m.Write("sys/devices/pci0000:00/0000:00:10.0/sriov_numvfs", "0\n")
	m.Write("sys/devices/pci0000:00/0000:00:10.0/sriov_admin/vf1/profile/exec_quantum_ms", "0\n")
	addXe(m, "0000:00:11.0", 2, "card9", "renderD136")
	addXe(m, "0000:00:12.0", 1, "card10", "renderD137")
	m.Write("sys/devices/pci0000:00/0000:00:12.0/sriov_numvfs", "1\n")
	addXe(m, "0000:00:12.1", 0, "card11", "renderD138")
	m.Link("sys/devices/pci0000:00/0000:00:12.1/physfn", "../0000:00:12.0")
	addFunction(m, "0000:00:13.0", "0x8086", "0xe211") // survivability mode: bound, and nothing else
	m.Link("sys/devices/pci0000:00/0000:00:13.0/driver", "../../../bus/pci/drivers/xe")

	config := "[profile.intel-gpu]\nmonitoring = \"split\"\n" +
		"[[resource]]\nname = \"gpu.intel.com/two-tiles\"\nwhere = { \"pci.driver\" = \"xe\", tiles = 2, gts = 4 }\n" +
		"[[resource]]\nname = \"gpu.intel.com/two-gts\"\nwhere = { \"pci.driver\" = \"i915\", tiles = \"!*\", gts = 2 }\n"
	const media = "0000:39:00.0" // a GT for graphics and one for media on one tile, which i915 does not name
	for _, gt := range []string{"gt0", "gt1"} {
		m.Write("sys/bus/pci/devices/"+media+"/drm/card1/gt/"+gt+"/id", "0\n")
	}
	counts := map[string]int64{"gpu.intel.com/i915": 5, "gpu.intel.com/two-gts": 1, "gpu.intel.com/xe": 2, "gpu.intel.com/two-tiles": 1,
		"gpu.intel.com/i915_monitoring": 1, "gpu.intel.com/xe_monitoring": 1}
	k, _ := start(t, harness.KubeletOptions{NUMANodes: 2}, harness.CleaveOptions{Machine: m, Config: config}, counts)
	want(t, "xe", sortedKeys(k.Listed("gpu.intel.com/xe")), []string{"0000:00:10.0", "0000:00:12.1"})
	want(t, "i915", len(k.Listed("gpu.intel.com/i915")), len(flexNodes)-1)
	want(t, "with two GTs", sortedKeys(k.Listed("gpu.intel.com/two-gts")), []string{media})
	want(t, "nodes of the two", nodePaths(k, k.MustAdmit(one("gpu.intel.com/xe", 2)), "c0"),
		[]string{"/dev/dri/card11", "/dev/dri/card8", "/dev/dri/renderD135", "/dev/dri/renderD138"})
	want(t, "nodes of the one with two tiles", nodePaths(k, k.MustAdmit(one("gpu.intel.com/two-tiles", 1)), "c0"),
		[]string{"/dev/dri/card9", "/dev/dri/renderD136"})
	want(t, "nodes that tell of xe", nodePaths(k, k.MustAdmit(one("gpu.intel.com/xe_monitoring", 1)), "c0"), []string{
		"/dev/dri/card10", "/dev/dri/card11", "/dev/dri/card8", "/dev/dri/card9",
		"/dev/dri/renderD135", "/dev/dri/renderD136", "/dev/dri/renderD137", "/dev/dri/renderD138"})
}

// Models by PCI id, as -deny-ids and -allow-ids of Intel's plugin: virtual functions have that of their card.
func TestIntelGPUModels(t *testing.T) {
	for name, test := range map[string]struct {
		exclude string
		offered []string
	}{
		"denied":  {`"pci.device" = ["0x56c1", "0x46a6"]`, []string{"0000:39:00.0", "0000:bb:00.1", "0000:bb:00.2", "0000:bb:00.3"}},
		"allowed": {"profile = \"intel-gpu\"\n\"pci.device\" = [\"!0x56c1\", \"!0x46a6\"]", []string{"0000:4d:00.0", "0000:cc:00.0"}},
	} {
		t.Run(name, func(t *testing.T) {
			const gpu = "gpu.intel.com/i915"
			m := harness.Unpack(t, flex)
			k, _ := start(t, harness.KubeletOptions{NUMANodes: 2}, harness.CleaveOptions{Machine: m, Config: "[[exclude]]\n" + test.exclude + "\n"},
				map[string]int64{gpu: int64(len(test.offered))})
			want(t, "offered", strings.Join(sortedKeys(k.Listed(gpu)), " "), strings.Join(test.offered, " "))
		})
	}
}

// The kernel's own VFIO driver for live migration, and a group of VFIO's mode without an IOMMU.
func TestQATOfOtherVFIODrivers(t *testing.T) {
	const cy, migrates, bare = "qat.intel.com/cy", "0000:6b:00.1", "0000:6b:00.2"
	m := harness.Unpack(t, "vendors/qat-4xxx-2s")
	m.Write("sys/bus/pci/drivers/qat_vfio_pci/module", "")
	m.Link("sys/bus/pci/devices/"+migrates+"/driver", "../../../bus/pci/drivers/qat_vfio_pci")
	m.Write("sys/kernel/iommu_groups/401/name", "vfio-noiommu\n")
	m.Write("dev/vfio/noiommu-401", "")
	k, _ := start(t, harness.KubeletOptions{NUMANodes: 2}, harness.CleaveOptions{Machine: m,
		Config: fmt.Sprintf("[[exclude]]\naddress = [%q, %q]\n", "!"+migrates, "!"+bare)}, map[string]int64{cy: 2})
	want(t, "given", given(k, k.MustAdmit(one(cy, 2)), "c0"), []string{"env QAT0=" + migrates, "env QAT1=" + bare,
		"node /dev/vfio/400 /dev/vfio/400 rw", "node /dev/vfio/noiommu-401 /dev/vfio/noiommu-401 rw", "node /dev/vfio/vfio /dev/vfio/vfio rw"})
}

// The port of a virtual function goes by its physical function's FME, and is never one device with the ports that
// stayed with that.
func TestFPGAVirtualFunction(t *testing.T) {
	const physical, virtual = "0000:3b:00.0", "0000:00:1c.1"
	add := func(m *harness.Machine) {
		dir := "sys/devices/pci0000:00/" + virtual
		addFunction(m, virtual, "0x8086", "0x09c5")
		m.Link(dir+"/physfn", "../../../bus/pci/devices/"+physical)
		m.Link(dir+"/fpga/intel-fpga-dev.2/device", "../../../"+virtual)
		m.Link("sys/class/fpga/intel-fpga-dev.2", "../../devices/pci0000:00/"+virtual+"/fpga/intel-fpga-dev.2")
		m.Write(dir+"/fpga/intel-fpga-dev.2/intel-fpga-port.2/afu_id", "d8424dc4a4a3c413f89e433683f9040b\n")
		m.Write(dir+"/fpga/intel-fpga-dev.2/intel-fpga-port.2/id", "1\n")
		m.Write("dev/intel-fpga-port.2", "")
	}
	for mode, devices := range map[string]map[string][]string{ // nodes by id
		"af":     {"intel-fpga-port.0": {"/dev/intel-fpga-port.0"}, "intel-fpga-port.2": {"/dev/intel-fpga-port.2"}},
		"region": {"intel-fpga-fme.0": {"/dev/intel-fpga-port.0"}, "intel-fpga-port.2": {"/dev/intel-fpga-port.2"}},
		"regiondevel": {"intel-fpga-fme.0": {"/dev/intel-fpga-fme.0", "/dev/intel-fpga-port.0"},
			"intel-fpga-port.2": {"/dev/intel-fpga-port.2"}},
	} {
		t.Run(mode, func(t *testing.T) {
			m := harness.Unpack(t, "vendors/fpga-opae-2s")
			add(m)
			counts, resources := map[string]int64{}, map[string]bool{}
			for id, fact := range vendorFacts(t, "fpga-opae-2s", strings.TrimPrefix(mode, "af")) {
				counts[fact.Resource]++
				if _, here := devices[id]; here {
					counts[fact.Resource]++ // and the virtual one, which has the same function and interface
					resources[fact.Resource] = true
				}
			}
			want(t, "resources of the card", len(resources), 1)
			k, _ := start(t, harness.KubeletOptions{NUMANodes: 2},
				harness.CleaveOptions{Machine: m, Config: fmt.Sprintf("[profile.intel-fpga]\nmode = %q\n", mode)}, counts)
			resource := sortedKeys(resources)[0]
			seen := map[string][]string{}
			for range counts[resource] {
				pod := k.MustAdmit(one(resource, 1))
				if id := k.Held(pod, "c0")[0]; devices[id] != nil { // the other card has the same interface
					seen[id] = nodePaths(k, pod, "c0")
				}
			}
			want(t, "nodes by id", seen, devices)
		})
	}
}
