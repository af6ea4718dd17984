// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"testing"

	"cleave.test/kubelet/harness"
)

// A card that has had a fatal PCIe error is withdrawn, and since the kernel's counter never falls, offered again only
// when the operator says to ignore it: with a reload, and pods keep what they have.
func TestFatalErrorIsIgnoredWhenAsked(t *testing.T) {
	const gpu, sick = "nvidia.com/gpu", "0000:18:00.0"
	m := harness.Unpack(t, hgx)
	k, c := start(t, harness.KubeletOptions{NUMANodes: 2}, harness.CleaveOptions{Machine: m}, and(migCounts, gpu, 6))
	pod := k.MustAdmit(one(gpu, 6))
	m.Write("sys/bus/pci/devices/"+sick+"/aer_dev_fatal", "DLP 1\nTOTAL_ERR_FATAL 1\n")
	k.Await(gpu, harness.Count{Capacity: 6, Allocatable: 5})
	want(t, "sick", k.Sick(gpu), []string{sick})
	c.WriteConfig("[profile.nvidia]\naer = \"ignore\"\n")
	c.Reload()
	k.Await(gpu, harness.All(6))
	want(t, "cards that the pod holds", len(k.Held(pod, "c0")), 6)
}

// A Gaudi in reset cannot be opened: no pod is given it until it is in operation again.
func TestGaudiInReset(t *testing.T) {
	const gaudi, busy = "habana.ai/gaudi", "0000:33:00.0"
	m := harness.Unpack(t, "vendors/gaudi2-8")
	k, _ := start(t, harness.KubeletOptions{NUMANodes: 2}, harness.CleaveOptions{Machine: m}, map[string]int64{gaudi: 8})
	m.Write("sys/bus/pci/devices/"+busy+"/status", "In reset\n")
	k.Await(gaudi, harness.Count{Capacity: 8, Allocatable: 7})
	want(t, "in reset", k.Sick(gaudi), []string{busy})
	want(t, "a pod of eight is admitted", k.Admit(one(gaudi, 8)).Admit, false)
	m.Write("sys/bus/pci/devices/"+busy+"/status", "Operational\n")
	k.Await(gaudi, harness.All(8))
	k.MustAdmit(one(gaudi, 8))
}
