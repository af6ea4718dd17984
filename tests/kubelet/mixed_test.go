// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"

	"cleave.test/kubelet/harness"
)

// Eight GPUs on two NUMA nodes: four whole, two in shares, two in the MIG instances that the host has made.
const mixedLayout = `
[[resource]]
name  = "example.com/gpu"
where = { kind = "gpu", index = ["0-1", "6-7"] }

[[resource]]
name   = "example.com/gpu-half"
where  = { kind = "gpu", "pci.address" = "0000:3b:00.0" }
unit   = "share"
shares = 2

[[resource]]
name   = "example.com/gpu-slice"
where  = { kind = "gpu", numa = 1 }
except = { index = ["6-7"] }
unit   = "share"
shares = { "0000:90:00.0" = 4, default = 10 }
`

// Whole and fractional devices in one pod: each aligned to one NUMA node, no card promised twice, and a container gets
// the nodes of its cards and no others.
func TestWholeAndFractionalMixed(t *testing.T) {
	offered := map[string]int64{"example.com/gpu": 4, "example.com/gpu-half": 2, "example.com/gpu-slice": 4,
		"nvidia.com/mig-1g.10gb": 9, "nvidia.com/mig-2g.20gb": 1, "nvidia.com/mig-3g.40gb": 1}
	for _, scope := range []string{perContainer, perPod} {
		t.Run(scope, func(t *testing.T) {
			m := harness.Unpack(t, hgx)
			k, _ := start(t, harness.KubeletOptions{NUMANodes: 2, Policy: singleNode, Scope: scope},
				harness.CleaveOptions{Machine: m, Config: mixedLayout}, offered)
			// On node 0: a whole card, a half and an instance. On node 1: a whole card, two quarters and an instance.
			pods := []*v1.Pod{
				k.MustAdmit(harness.Pod(harness.Wants{"example.com/gpu": 1, "example.com/gpu-half": 1, "nvidia.com/mig-1g.10gb": 1})),
				k.MustAdmit(harness.Pod(harness.Wants{"example.com/gpu": 2, "example.com/gpu-slice": 2, "nvidia.com/mig-3g.40gb": 1})),
				k.MustAdmit(harness.Pod(harness.Wants{"example.com/gpu-half": 1, "nvidia.com/mig-1g.10gb": 6})),
				k.MustAdmit(harness.Pod(harness.Wants{"example.com/gpu": 1})),
				k.MustAdmit(harness.Pod(harness.Wants{"example.com/gpu-slice": 2, "nvidia.com/mig-2g.20gb": 1})),
			}
			whole := map[string]string{} // cards that somebody has whole
			for _, pod := range pods {
				nodes := map[string]bool{}
				cards := map[string]bool{}
				for _, id := range k.Held(pod, "c0") {
					card, _, _ := strings.Cut(id, "::")
					address, _, instance := strings.Cut(card, "/")
					cards[address] = true
					nodes[map[bool]string{true: "node 1", false: "node 0"}[address >= "0000:90"]] = true
					if id == address && !instance {
						if other, taken := whole[id]; taken {
							t.Errorf("%s is promised to %s and to %s", id, other, pod.Name)
						}
						whole[id] = pod.Name
					}
				}
				want(t, "NUMA nodes of "+pod.Name, len(nodes), 1)
				minors := []string{}
				for _, node := range nodePaths(k, pod, "c0") {
					if number, found := strings.CutPrefix(node, "/dev/nvidia"); found && number >= "0" && number <= "9" {
						minors = append(minors, number)
					}
				}
				var expected []string
				for address := range cards {
					expected = append(expected, fmt.Sprint(slices.Index([]string{"18", "19", "3a", "3b", "90", "91", "ba", "bb"}, address[5:7])))
				}
				slices.Sort(expected)
				want(t, "cards whose nodes "+pod.Name+" gets", minors, expected)
			}
			want(t, "cards given whole", len(whole), 4)
			for _, resource := range []string{"example.com/gpu", "example.com/gpu-half", "example.com/gpu-slice"} {
				want(t, "one more "+resource, k.Admit(one(resource, 1)).Admit, false)
			}
		})
	}
}

// Whole cards and pieces of others, of AMD as partitions that the driver has made, of Intel as shares and as virtual
// functions, each card on one of two NUMA nodes.
var mixedVendors = []struct {
	name, machine, layout string
	offered               map[string]int64
	pods                  []harness.Wants
}{
	{"amd", "amd-mi300x-cpx32", `
[[resource]]
name  = "example.com/gpu"
where = { "pci.address" = ["0000:05:00.0", "0000:85:00.0"] }
unit  = "card"
`,
		map[string]int64{"example.com/gpu": 2, "amd.com/gpu": 16},
		[]harness.Wants{{"example.com/gpu": 1, "amd.com/gpu": 3}, {"example.com/gpu": 1, "amd.com/gpu": 8}, {"amd.com/gpu": 5}}},
	{"intel-gpu", "intel-flex4-sriov", `
[[resource]]
name  = "example.com/gpu"
where = { "pci.address" = ["0000:39:00.0", "0000:cc:00.0"] }

[[resource]]
name   = "example.com/gpu-quarter"
where  = { "pci.address" = "0000:4d:00.0" }
unit   = "share"
shares = 4
`,
		map[string]int64{"example.com/gpu": 2, "example.com/gpu-quarter": 4, "gpu.intel.com/i915": 3},
		[]harness.Wants{{"example.com/gpu": 1, "example.com/gpu-quarter": 1}, {"example.com/gpu": 1, "gpu.intel.com/i915": 2},
			{"example.com/gpu-quarter": 3}, {"gpu.intel.com/i915": 1}}},
}

// The same of other vendors, until nothing is left: each pod aligned to one NUMA node, no card or piece promised twice,
// and a container gets the nodes of what it holds, by the facts of the machine, and no others.
func TestWholeAndFractionalOfOtherVendors(t *testing.T) {
	for _, test := range mixedVendors {
		t.Run(test.name, func(t *testing.T) {
			facts := vendorFacts(t, test.machine, "")
			m := harness.Unpack(t, "vendors/"+test.machine)
			k, _ := start(t, harness.KubeletOptions{NUMANodes: 2, Policy: singleNode, Scope: perPod},
				harness.CleaveOptions{Machine: m, Config: test.layout}, test.offered)
			given := map[string]string{} // by piece: the device that it was given as, or the last share of it
			for _, wants := range test.pods {
				pod := k.MustAdmit(harness.Pod(wants))
				numa, nodes := map[int]bool{}, map[string]bool{}
				for _, id := range k.Held(pod, "c0") {
					for _, piece := range piecesOf(facts, id, k.Listed("example.com/gpu")) {
						numa[*facts[piece].NUMA] = true
						for _, node := range facts[piece].nodes() {
							nodes[node] = true
						}
						if other, taken := given[piece]; taken && !(strings.Contains(id, "::") && strings.Contains(other, "::")) {
							t.Errorf("%s is promised as %s and as %s", piece, other, id)
						}
						given[piece] = id
					}
				}
				want(t, "NUMA nodes of "+pod.Name, len(numa), 1)
				want(t, "nodes of "+pod.Name, nodePaths(k, pod, "c0"), sortedKeys(nodes))
			}
			want(t, "cards and pieces in use", len(given), len(facts))
			for _, resource := range sortedKeys(test.offered) {
				want(t, "one more "+resource, k.Admit(one(resource, 1)).Admit, false)
			}
		})
	}
}

// piecesOf are the devices of the facts that a device is: all pieces of a whole card, the card of a share, else itself.
func piecesOf(facts map[string]vendorDevice, id string, whole map[string]harness.Device) []string {
	if _, all := whole[id]; !all {
		card, _, _ := strings.Cut(id, "::")
		return []string{card}
	}
	var pieces []string
	for piece, fact := range facts {
		if fact.Card == id {
			pieces = append(pieces, piece)
		}
	}
	return pieces
}
