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
