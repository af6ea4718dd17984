// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"fmt"
	"slices"
	"testing"

	v1 "k8s.io/api/core/v1"

	"cleave.test/kubelet/harness"
)

// kubelets are all ways to treat NUMA nodes.
func kubelets(numaNodes int) []harness.KubeletOptions {
	all := []harness.KubeletOptions{{NUMANodes: numaNodes, Policy: none}}
	for _, policy := range []string{bestEffort, restricted, singleNode} {
		for _, scope := range []string{perContainer, perPod} {
			all = append(all, harness.KubeletOptions{NUMANodes: numaNodes, Policy: policy, Scope: scope})
		}
	}
	return all
}

// numaNodes is the different NUMA nodes of some cards.
func numaNodes(cards []harness.Card) []int {
	var nodes []int
	for _, card := range cards {
		if !slices.Contains(nodes, card.NUMA) {
			nodes = append(nodes, card.NUMA)
		}
	}
	slices.Sort(nodes)
	return nodes
}

// mostOnOneNode is how many of these cards the fullest NUMA node has. Cards whose host does not say belong together:
// such a host has one node.
func mostOnOneNode(cards []harness.Card) int {
	count := map[int]int{}
	most := 0
	for _, card := range cards {
		count[card.NUMA]++
		most = max(most, count[card.NUMA])
	}
	return most
}

func cardsOf(m *harness.Machine, cardType string) []harness.Card {
	return slices.DeleteFunc(m.Cards(), func(card harness.Card) bool { return card.Type != cardType })
}

// Pods of every size under every policy. With k of n cards on an empty machine:
//   - none and best-effort admit everything; best-effort keeps to one node when it can.
//   - restricted admits everything here too: it asks for as few nodes as k cards of the whole machine need, and on an
//     empty machine they are free. (It rejects once they are not: TestRestrictedRejectsWhenOnlyWiderSetsAreFree.)
//   - single-numa-node rejects what is more than one node has. Three of the four n300 sit on two nodes whichever they
//     are, so no set of them fits, and the kubelet says TopologyAffinityError without asking the plugin.
func TestPodsOfEverySize(t *testing.T) {
	for _, host := range hosts {
		for resource, n := range host.resources {
			if n > 8 || resource == "tenstorrent.com/p300c" {
				continue // boards and Galaxy are in shapes_test.go
			}
			cardType := resource[len("tenstorrent.com/"):]
			for _, options := range kubelets(host.numaNodes) {
				t.Run(fmt.Sprintf("%s/%s/%v", host.name, cardType, options), func(t *testing.T) {
					m := harness.Unpack(t, host.name)
					cards := cardsOf(m, cardType)
					k, _ := start(t, options, harness.CleaveOptions{Machine: m}, host.resources)
					for size := range n {
						testPodOfSize(t, k, m, options, resource, cards, int(size+1))
					}
				})
			}
		}
	}
}

func testPodOfSize(t *testing.T, k *harness.Kubelet, m *harness.Machine, options harness.KubeletOptions, resource string, cards []harness.Card, size int) {
	t.Helper()
	fitsOneNode := size <= mostOnOneNode(cards)
	pod := one(resource, int64(size))
	result := k.Admit(pod)
	defer k.Delete(pod)
	if options.Policy == singleNode && !fitsOneNode {
		if result.Admit || result.Reason != "TopologyAffinityError" {
			t.Errorf("%d of %s: admitted %v, reason %q; want a TopologyAffinityError", size, resource, result.Admit, result.Reason)
		}
		return
	}
	if !result.Admit {
		t.Errorf("%d of %s was rejected: %s: %s", size, resource, result.Reason, result.Message)
		return
	}
	held := heldCards(k, pod, "c0", m)
	if len(held) != size {
		t.Errorf("%d of %s: the container has %v", size, resource, k.Held(pod, "c0"))
	}
	checkContainer(t, k, pod, "c0", m, held)
	// Policy none knows of no nodes, but cleave does: it too keeps to one when it can.
	if nodes := numaNodes(held); fitsOneNode && len(nodes) > 1 {
		t.Errorf("%d of %s fit on one NUMA node and are on %v", size, resource, nodes)
	}
}

// A full machine: pods get each card once and no more, and what one pod gives back the next one gets.
func TestNoCardIsGivenTwice(t *testing.T) {
	for _, host := range hosts {
		for _, options := range kubelets(host.numaNodes) {
			if host.name == "tt-p300-2numa" || host.name == "tt-galaxy-wh" && options.Policy != none {
				continue
			}
			t.Run(fmt.Sprintf("%s/%v", host.name, options), func(t *testing.T) {
				m := harness.Unpack(t, host.name)
				k, _ := start(t, options, harness.CleaveOptions{Machine: m}, host.resources)
				for resource, n := range host.resources {
					seen := map[string]*v1.Pod{}
					for range n {
						pod := k.MustAdmit(one(resource, 1))
						for _, node := range nodePaths(k, pod, "c0") {
							if seen[node] != nil {
								t.Fatalf("%s has %s, and so has %s", pod.Name, node, seen[node].Name)
							}
							seen[node] = pod
						}
						checkContainer(t, k, pod, "c0", m, heldCards(k, pod, "c0", m))
					}
					want(t, "cards given out", int64(len(seen)), n)
					if result := k.Admit(one(resource, 1)); result.Admit {
						t.Errorf("a pod got one of no %s", resource)
					}
					for node, pod := range seen {
						k.Delete(pod)
						again := k.MustAdmit(one(resource, 1))
						want(t, "the node that was given back", nodePaths(k, again, "c0"), []string{node})
					}
				}
			})
		}
	}
}

// With one card of each node in use, two cards of one node are not to be had. Two nodes would be wider than needed,
// since the kubelet counts cards in use when it computes how wide is needed.
func TestRestrictedRejectsWhenOnlyWiderSetsAreFree(t *testing.T) {
	for _, test := range []struct {
		policy   string
		admitted bool
	}{{none, true}, {bestEffort, true}, {restricted, false}, {singleNode, false}} {
		t.Run(test.policy, func(t *testing.T) {
			m := t3k(t)
			k, _ := start(t, harness.KubeletOptions{NUMANodes: 2, Policy: test.policy}, harness.CleaveOptions{Machine: m}, map[string]int64{n300: 4})
			// Fill the machine, then give back one card of each node.
			given := map[int]bool{}
			var pods []*v1.Pod
			for range 4 {
				pods = append(pods, k.MustAdmit(one(n300, 1)))
			}
			for _, pod := range pods {
				if node := heldCards(k, pod, "c0", m)[0].NUMA; !given[node] {
					given[node] = true
					k.Delete(pod)
				}
			}
			result := k.Admit(one(n300, 2))
			want(t, "admitted", result.Admit, test.admitted)
			if !test.admitted {
				want(t, "reason", result.Reason, "TopologyAffinityError")
			}
		})
	}
}

// Containers of one pod share nothing. Each of two containers fits on a node, the two together do not: with
// single-numa-node that is well per container and an error per pod.
func TestContainersOfOnePodShareNoCard(t *testing.T) {
	for _, options := range kubelets(2) {
		t.Run(options.String(), func(t *testing.T) {
			m := t3k(t)
			k, _ := start(t, options, harness.CleaveOptions{Machine: m}, map[string]int64{n300: 4})
			pod := harness.Pod(harness.Wants{n300: 2}, harness.Wants{}, harness.Wants{n300: 2})
			result := k.Admit(pod)
			if options.Policy == singleNode && options.Scope == perPod {
				want(t, "reason", result.Reason, "TopologyAffinityError")
				return
			}
			if !result.Admit {
				t.Fatalf("rejected: %s: %s", result.Reason, result.Message)
			}
			first, last := heldCards(k, pod, "c0", m), heldCards(k, pod, "c2", m)
			checkContainer(t, k, pod, "c0", m, first)
			checkContainer(t, k, pod, "c1", m, nil)
			checkContainer(t, k, pod, "c2", m, last)
			all := append(nodePaths(k, pod, "c0"), nodePaths(k, pod, "c2")...)
			slices.Sort(all)
			want(t, "nodes of both containers", all, []string{"/dev/tenstorrent/0", "/dev/tenstorrent/1", "/dev/tenstorrent/2", "/dev/tenstorrent/3"})
			if options.Policy != none && options.Scope == perContainer {
				want(t, "NUMA nodes of the first container", len(numaNodes(first)), 1)
			}
		})
	}
}

// A container that wants several resources gets the nodes of all of them, and the hugepages once.
func TestOneContainerWithSeveralResources(t *testing.T) {
	host := hosts[3]
	for _, options := range kubelets(host.numaNodes) {
		t.Run(options.String(), func(t *testing.T) {
			m := harness.Unpack(t, host.name)
			k, _ := start(t, options, harness.CleaveOptions{Machine: m}, host.resources)
			pod := harness.Pod(harness.Wants{"tenstorrent.com/n150": 1, n300: 1, "tenstorrent.com/p150a": 1})
			if result := k.Admit(pod); !result.Admit {
				// Only right when no node has a card of each type.
				types := map[int]map[string]bool{}
				for _, card := range m.Cards() {
					if types[card.NUMA] == nil {
						types[card.NUMA] = map[string]bool{}
					}
					types[card.NUMA][card.Type] = true
				}
				for node, there := range types {
					if len(there) == 3 {
						t.Errorf("rejected with %s, but NUMA node %d has one of each", result.Reason, node)
					}
				}
				if options.Policy == none || options.Policy == bestEffort {
					t.Errorf("rejected: %s: %s", result.Reason, result.Message)
				}
				return
			}
			held := heldCards(k, pod, "c0", m)
			want(t, "number of cards", len(held), 3)
			checkContainer(t, k, pod, "c0", m, held)
		})
	}
}

// A container runs after the init containers are done, so the kubelet gives it their devices first: they arrive in
// GetPreferredAllocation as ids that must be included.
func TestContainerInheritsTheCardsOfItsInitContainer(t *testing.T) {
	for _, options := range kubelets(2) {
		for _, size := range []struct{ init, app int64 }{{1, 1}, {1, 2}, {1, 4}, {2, 2}, {2, 4}, {2, 1}} {
			if options.Policy == singleNode && size.app > 2 {
				continue
			}
			t.Run(fmt.Sprintf("%v/%d-then-%d", options, size.init, size.app), func(t *testing.T) {
				m := t3k(t)
				k, _ := start(t, options, harness.CleaveOptions{Machine: m}, map[string]int64{n300: 4})
				pod := k.MustAdmit(harness.WithInit(one(n300, size.app), "prepare", harness.Wants{n300: size.init}))
				before, after := k.Held(pod, "prepare"), k.Held(pod, "c0")
				want(t, "number of cards while preparing", int64(len(before)), size.init)
				want(t, "number of cards", int64(len(after)), size.app)
				smaller, larger := before, after
				if size.init > size.app {
					smaller, larger = after, before // the kubelet takes some of them, at random, and asks nobody
				}
				for _, id := range smaller {
					if !slices.Contains(larger, id) {
						t.Errorf("init container had %v, container has %v", before, after)
					}
				}
				checkContainer(t, k, pod, "prepare", m, heldCards(k, pod, "prepare", m))
				checkContainer(t, k, pod, "c0", m, heldCards(k, pod, "c0", m))
				// What the pod does not use any more is free.
				rest := 4 - max(size.init, size.app)
				for range rest {
					k.MustAdmit(one(n300, 1))
				}
				want(t, "one more is admitted", k.Admit(one(n300, 1)).Admit, false)
			})
		}
	}
}

// A sidecar runs beside the container, so its card is its own.
func TestSidecarKeepsItsCard(t *testing.T) {
	for _, options := range kubelets(2) {
		t.Run(options.String(), func(t *testing.T) {
			m := t3k(t)
			k, _ := start(t, options, harness.CleaveOptions{Machine: m}, map[string]int64{n300: 4})
			pod := k.MustAdmit(harness.WithSidecar(one(n300, 1), "beside", harness.Wants{n300: 1}))
			both := append(k.Held(pod, "beside"), k.Held(pod, "c0")...)
			if len(both) != 2 || both[0] == both[1] {
				t.Errorf("sidecar has %v, container has %v", k.Held(pod, "beside"), k.Held(pod, "c0"))
			}
		})
	}
}
