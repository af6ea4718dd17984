// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cleave.test/kubelet/harness"
)

// Profiles without a machine of their vendor's, and those that are in use only when they are named.
func TestProfilesByName(t *testing.T) {
	t.Run("b-com", func(t *testing.T) {
		const accelerator = "b-com.com/accelerator"
		m := harness.Unpack(t, "vendors/fpga-opae-2s")
		k, c := start(t, harness.KubeletOptions{NUMANodes: 2},
			harness.CleaveOptions{Machine: m, Config: `profiles = ["b-com"]`}, map[string]int64{accelerator: 2})
		want(t, "given", given(k, k.MustAdmit(one(accelerator, 2)), "c0"), []string{
			"env ACCELERATOR_DEVICES=0000:3b:00.0,0000:af:00.0", "env ACCELERATOR_UNITS=0000:3b:00.0,0000:af:00.0",
			"node /dev/intel-fpga-port.0 /dev/intel-fpga-port.0 rw", "node /dev/intel-fpga-port.1 /dev/intel-fpga-port.1 rw"})
		// More slots by a reload: the vendor's plugin makes its list once.
		c.WriteConfig("profiles = [\"b-com\"]\n[profile.b-com]\naws = \"always\"\nslots = \"3\"")
		c.Reload()
		k.Await(accelerator, harness.All(5))
		want(t, "given", given(k, k.MustAdmit(one(accelerator, 3)), "c0"), []string{"env ACCELERATOR_UNITS=0,1,2"})
	})
	// Slots appear with the FPGA function of an AWS instance, beside the ports, and go with it.
	t.Run("b-com-on-aws", func(t *testing.T) {
		const accelerator = "b-com.com/accelerator"
		m := harness.Unpack(t, "vendors/fpga-opae-2s")
		addAmazonFPGA(m)
		k, _ := start(t, harness.KubeletOptions{NUMANodes: 2},
			harness.CleaveOptions{Machine: m, Config: `profiles = ["b-com"]`}, map[string]int64{accelerator: 42})
		pod := k.MustAdmit(one(accelerator, 42))
		want(t, "slots and ports", strings.Count(env(k, pod, "c0")["ACCELERATOR_UNITS"], ","), 41)
		want(t, "ports", env(k, pod, "c0")["ACCELERATOR_DEVICES"], "0000:3b:00.0,0000:af:00.0")
		want(t, "nodes", nodePaths(k, pod, "c0"), []string{"/dev/intel-fpga-port.0", "/dev/intel-fpga-port.1"})
		if err := os.Remove(filepath.Join(m.Root, "sys/bus/pci/devices/0000:00:1d.0")); err != nil {
			t.Fatal(err)
		}
		k.Await(accelerator, harness.Count{Capacity: 42, Allocatable: 2})
	})
	t.Run("b-com-two-ports-of-one-card", func(t *testing.T) {
		const accelerator = "b-com.com/accelerator"
		m := harness.Unpack(t, "vendors/fpga-opae-2s")
		m.Write("sys/class/fpga/intel-fpga-dev.1/intel-fpga-port.7/id", "1\n")
		m.Write("dev/intel-fpga-port.7", "")
		k, _ := start(t, harness.KubeletOptions{NUMANodes: 2},
			harness.CleaveOptions{Machine: m, Config: `profiles = ["b-com"]`}, map[string]int64{accelerator: 3})
		want(t, "devices and their NUMA nodes", listedNUMA(k, accelerator),
			map[string][]int{"0000:3b:00.0/port0": {0}, "0000:af:00.0/port0": {1}, "0000:af:00.0/port1": {1}})
		want(t, "given", given(k, k.MustAdmit(one(accelerator, 3)), "c0"), []string{
			"env ACCELERATOR_DEVICES=0000:3b:00.0,0000:af:00.0", "env ACCELERATOR_UNITS=0000:3b:00.0,0000:af:00.0",
			"node /dev/intel-fpga-port.0 /dev/intel-fpga-port.0 rw", "node /dev/intel-fpga-port.1 /dev/intel-fpga-port.1 rw",
			"node /dev/intel-fpga-port.7 /dev/intel-fpga-port.7 rw"})
	})
	t.Run("keti-npu", func(t *testing.T) {
		m := harness.Unpack(t, "vendors/biren-runc-svi")
		m.Write("dev/npu2", "")
		m.Write("dev/npu5", "")
		k, _ := start(t, harness.KubeletOptions{NUMANodes: 2}, harness.CleaveOptions{Machine: m,
			Config: "profiles = [\"keti-npu\"]\n[profile.keti-npu]\nsimulated = \"1\""}, map[string]int64{"keti.io/npu": 3})
		want(t, "given", given(k, k.MustAdmit(one("keti.io/npu", 3)), "c0"), []string{
			"env KETI_NPU_DEVICE_IDS=npu-2,npu-5,npu-simulated-0", "env NPU_VISIBLE_DEVICES=2,5",
			"node /dev/npu2 /dev/npu2 rw", "node /dev/npu5 /dev/npu5 rw"})
	})
	t.Run("keti-npu-and-furiosa", func(t *testing.T) {
		m := harness.Unpack(t, "vendors/biren-runc-svi")
		furiosaCards(m)
		m.Write("dev/npu0", "")
		out, err := harness.RunCleave(t, "check", m, `profiles = ["furiosa", "keti-npu"]`)
		if err == nil || !strings.Contains(out, "profiles 'furiosa' and 'keti-npu' both claim 0000:00:1b.0") {
			t.Errorf("check of one card under two profiles: %v\n%s", err, out)
		}
	})
	t.Run("vfio", func(t *testing.T) {
		const function = "vfio.cleave.io/8086-4941"
		m := harness.Unpack(t, "vendors/qat-4xxx-2s")
		k, _ := start(t, harness.KubeletOptions{NUMANodes: 2},
			harness.CleaveOptions{Machine: m, Config: `profiles = ["vfio"]`}, map[string]int64{function: 32})
		facts := vendorFacts(t, "qat-4xxx-2s", "")
		for id, nodes := range listedNUMA(k, function) {
			want(t, "NUMA node of "+id, nodes, []int{*facts[id].NUMA})
		}
		pod := k.MustAdmit(one(function, 1))
		id := k.Held(pod, "c0")[0]
		group := facts[id].Nodes[0].Host
		want(t, "given", given(k, pod, "c0"), []string{"env PCI_RESOURCE_VFIO_CLEAVE_IO_8086_4941=" + id,
			"node " + group + " " + group + " rw", "node /dev/vfio/vfio /dev/vfio/vfio rw"})
	})
	t.Run("generic", func(t *testing.T) {
		m := harness.Unpack(t, "vendors/biren-runc-svi")
		k, _ := start(t, harness.KubeletOptions{NUMANodes: 2}, harness.CleaveOptions{Machine: m,
			Config: "profiles = [\"generic\"]\n[profile.generic]\npath = \"/dev/biren/card_[0-3]\"\nresource = \"card\""},
			map[string]int64{"devices.cleave.io/card": 4})
		pod := k.MustAdmit(one("devices.cleave.io/card", 1))
		node := "/dev/biren/" + k.Held(pod, "c0")[0]
		want(t, "given", given(k, pod, "c0"), []string{"node " + node + " " + node + " rw"})
	})
	t.Run("two-that-claim-one-node", func(t *testing.T) {
		m := harness.Unpack(t, "vendors/biren-runc-svi")
		c := harness.StartCleave(t, harness.CleaveOptions{Machine: m, Config: "profiles = [\"biren\"]"})
		c.Address() // by then it takes SIGHUP
		c.WriteConfig("profiles = [\"biren\", \"generic\"]\n[profile.generic]\npath = \"/dev/biren/card_0\"")
		c.Reload()
		c.AwaitEntry("both profiles", func(e harness.Entry) bool {
			text, _ := e["error"].(string)
			return contains(text, "profiles 'biren' and 'generic' both claim /dev/biren/card_0")
		})
	})
}
