// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"slices"
	"testing"

	v1 "k8s.io/api/core/v1"

	"cleave.test/kubelet/harness"
)

// Where the four n300 sit. On the real host the linked pairs are also the pairs of one NUMA node; the two other
// placements take that help away, so that only the links can lead to the right answer.
var placements = map[string]map[string]int{
	"real":    {cardA: 0, cardB: 0, cardC: 1, cardD: 1},
	"flat":    {cardA: 0, cardB: 0, cardC: 0, cardD: 0},
	"crossed": {cardA: 0, cardC: 0, cardB: 1, cardD: 1},
}

func placed(t *testing.T, placement map[string]int) *harness.Machine {
	t.Helper()
	m := t3k(t)
	for card, node := range placement {
		m.SetNUMA(card, node)
	}
	return m
}

// partner is the card at the other end of four links.
var partner = map[string]string{cardA: cardB, cardB: cardA, cardC: cardD, cardD: cardC}

// With the descriptor of the host, whoever asks for two cards gets two that are joined by four links, also when one
// card is taken already, and whoever asks for all gets all.
func TestLinkedCardsAreChosen(t *testing.T) {
	for name, placement := range placements {
		t.Run(name, func(t *testing.T) {
			m := placed(t, placement)
			options := harness.CleaveOptions{Machine: m, Config: descriptor(t)}
			k, _ := start(t, harness.KubeletOptions{NUMANodes: 2}, options, map[string]int64{n300: 4})

			pods := []*v1.Pod{k.MustAdmit(one(n300, 2)), k.MustAdmit(one(n300, 2))}
			for _, pod := range pods {
				held := k.Held(pod, "c0")
				want(t, "second card of a pair", held[1], partner[held[0]])
				k.Delete(pod)
			}

			all := k.MustAdmit(one(n300, 4))
			want(t, "cards of the whole host", k.Held(all, "c0"), []string{cardA, cardB, cardC, cardD})
			k.Delete(all)

			three := k.MustAdmit(one(n300, 3))
			held := k.Held(three, "c0")
			if !slices.ContainsFunc(held, func(id string) bool { return slices.Contains(held, partner[id]) }) {
				t.Errorf("three cards are %v, no two of them joined by four links", held)
			}
			k.Delete(three)

			single := k.MustAdmit(one(n300, 1))
			pair := k.MustAdmit(one(n300, 2))
			taken, chosen := k.Held(single, "c0")[0], k.Held(pair, "c0")
			want(t, "second card of the pair that is left", chosen[1], partner[chosen[0]])
			if slices.Contains(chosen, taken) {
				t.Errorf("the pair %v has the card %s that was taken", chosen, taken)
			}
			// The last card is the partner of the one that was taken first.
			last := k.MustAdmit(one(n300, 1))
			want(t, "last card", k.Held(last, "c0"), []string{partner[taken]})
		})
	}
}

// A card that has to be in, here because the init container had it, brings its partner.
func TestLinkedCardJoinsTheOneOfTheInitContainer(t *testing.T) {
	for name, placement := range placements {
		t.Run(name, func(t *testing.T) {
			m := placed(t, placement)
			options := harness.CleaveOptions{Machine: m, Config: descriptor(t)}
			k, _ := start(t, harness.KubeletOptions{NUMANodes: 2}, options, map[string]int64{n300: 4})
			for range 4 {
				pod := k.MustAdmit(harness.WithInit(one(n300, 2), "prepare", harness.Wants{n300: 1}))
				first := k.Held(pod, "prepare")[0]
				both := []string{first, partner[first]}
				slices.Sort(both)
				want(t, "cards after "+first, k.Held(pod, "c0"), both)
				k.Delete(pod)
			}
		})
	}
}

// Without the descriptor nothing is known of links, and the NUMA nodes decide.
func TestWithoutLinksNearCardsAreChosen(t *testing.T) {
	m := placed(t, placements["crossed"])
	k, _ := start(t, harness.KubeletOptions{NUMANodes: 2}, harness.CleaveOptions{Machine: m}, map[string]int64{n300: 4})
	want(t, "first pair", k.Held(k.MustAdmit(one(n300, 2)), "c0"), []string{cardA, cardC})
	want(t, "second pair", k.Held(k.MustAdmit(one(n300, 2)), "c0"), []string{cardB, cardD})
}

// One card alone is taken where it does least harm, so that pairs of one node stay for those who need them.
func TestSingleCardsLeavePairsWhole(t *testing.T) {
	for _, policy := range []string{none, bestEffort} {
		t.Run(policy, func(t *testing.T) {
			m := t3k(t)
			k, _ := start(t, harness.KubeletOptions{NUMANodes: 2, Policy: policy}, harness.CleaveOptions{Machine: m}, map[string]int64{n300: 4})
			first := heldCards(k, k.MustAdmit(one(n300, 1)), "c0", m)[0]
			second := heldCards(k, k.MustAdmit(one(n300, 1)), "c0", m)[0]
			want(t, "NUMA node of the second card", second.NUMA, first.NUMA)
			want(t, "NUMA nodes of the pair", len(numaNodes(heldCards(k, k.MustAdmit(one(n300, 2)), "c0", m))), 1)
		})
	}
}
