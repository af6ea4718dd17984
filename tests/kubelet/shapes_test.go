// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cleave.test/kubelet/harness"
)

// Both chips of a p300 board are PCI functions of their own and the board is one device.
func TestBoardsOfTwo(t *testing.T) {
	const p300 = "tenstorrent.com/p300c"
	for _, options := range kubelets(2) {
		t.Run(options.String(), func(t *testing.T) {
			m := harness.Unpack(t, "tt-p300-2numa")
			k, _ := start(t, options, harness.CleaveOptions{Machine: m}, map[string]int64{p300: 2})
			boards := map[string][]harness.Card{}
			for _, card := range m.Cards() {
				boards[card.Serial] = append(boards[card.Serial], card)
			}
			want(t, "ids", sortedKeys(k.Listed(p300)), sortedKeys(boards))
			for range 2 {
				pod := k.MustAdmit(one(p300, 1))
				board := boards[k.Held(pod, "c0")[0]]
				want(t, "endpoints of a board", len(board), 2)
				checkContainer(t, k, pod, "c0", m, board)
			}
			want(t, "a third is admitted", k.Admit(one(p300, 1)).Admit, false)
		})
	}
}

// Half a board is not given out as a whole one while the other half's serial is still to come.
func TestBoardIsOfferedWhenItsOtherHalfIsKnown(t *testing.T) {
	const p300 = "tenstorrent.com/p300c"
	m := harness.Unpack(t, "tt-p300-2numa")
	cards := m.Cards()
	late := cards[1]
	reveal := m.HideAttributes(late.PCI)
	k := harness.StartKubelet(t, harness.KubeletOptions{NUMANodes: 2})
	harness.StartCleave(t, harness.CleaveOptions{Machine: m})
	k.AwaitCounts(map[string]harness.Count{p300: {Capacity: 2, Allocatable: 1}}) // the other board is complete
	complete := k.MustAdmit(one(p300, 1))
	want(t, "half a board is admitted", k.Admit(one(p300, 1)).Admit, false)
	k.Delete(complete)
	reveal()
	k.Await(p300, harness.All(2))
	for range 2 {
		pod := k.MustAdmit(one(p300, 1))
		serial := k.Held(pod, "c0")[0]
		board := slices.DeleteFunc(slices.Clone(cards), func(card harness.Card) bool { return card.Serial != serial })
		want(t, "endpoints of a board", len(board), 2)
		checkContainer(t, k, pod, "c0", m, board)
	}
}

// A sick endpoint takes its board out of offer, and only that one.
func TestBoardWithASickEndpoint(t *testing.T) {
	const p300 = "tenstorrent.com/p300c"
	m := harness.Unpack(t, "tt-p300-2numa")
	k, _ := start(t, harness.KubeletOptions{NUMANodes: 2}, harness.CleaveOptions{Machine: m}, map[string]int64{p300: 2})
	sick := m.Cards()[1]
	comeBack := m.FallOffTheBus(sick.PCI)
	k.Await(p300, harness.Count{Capacity: 2, Allocatable: 1})
	want(t, "sick boards", k.Sick(p300), []string{sick.Serial})
	comeBack()
	k.Await(p300, harness.All(2))
}

// One device for each endpoint, when the operator says so.
func TestBoardsByEndpoint(t *testing.T) {
	const p300 = "tenstorrent.com/p300c"
	m := harness.Unpack(t, "tt-p300-2numa")
	options := harness.CleaveOptions{Machine: m, Config: setting("p300_unit", "endpoint")}
	k, _ := start(t, harness.KubeletOptions{NUMANodes: 2}, options, map[string]int64{p300: 4})
	for range 4 {
		pod := k.MustAdmit(one(p300, 1))
		held := heldCards(k, pod, "c0", m)
		want(t, "number of cards", len(held), 1)
		checkContainer(t, k, pod, "c0", m, held)
	}
	for _, pod := range k.GetActivePods() {
		k.Delete(pod)
	}
	// Two endpoints are best the two of one board, which a link joins.
	held := heldCards(k, k.MustAdmit(one(p300, 2)), "c0", m)
	want(t, "serial of the second endpoint", held[1].Serial, held[0].Serial)
}

// A Galaxy as 32 endpoints, as four trays of eight and as a whole.
func TestGalaxy(t *testing.T) {
	tray := func(card harness.Card) string { return card.PCI[5:6] } // the first digit of the bus is the tray
	for _, test := range []struct {
		unit, resource string
		devices, nodes int64
	}{
		{"endpoint", "tenstorrent.com/galaxy-wormhole", 32, 1},
		{"tray", "tenstorrent.com/galaxy-wormhole-tray", 4, 8},
		{"whole", "tenstorrent.com/galaxy-wormhole-host", 1, 32},
	} {
		for _, policy := range []string{none, bestEffort} {
			t.Run(test.unit+"/"+policy, func(t *testing.T) {
				m := harness.Unpack(t, "tt-galaxy-wh")
				options := harness.CleaveOptions{Machine: m, Config: setting("galaxy_unit", test.unit)}
				k, _ := start(t, harness.KubeletOptions{NUMANodes: 2, Policy: policy}, options, map[string]int64{test.resource: test.devices})
				byNode := map[string]harness.Card{}
				for _, card := range m.Cards() {
					byNode[card.Node()] = card
				}
				given := map[string]bool{}
				for range test.devices {
					pod := k.MustAdmit(one(test.resource, 1))
					var cards []harness.Card
					for _, node := range nodePaths(k, pod, "c0") {
						if given[node] {
							t.Errorf("%s was given twice", node)
						}
						given[node] = true
						cards = append(cards, byNode[node])
					}
					want(t, "number of nodes", int64(len(cards)), test.nodes)
					checkContainer(t, k, pod, "c0", m, cards)
					if test.unit == "tray" && slices.ContainsFunc(cards, func(c harness.Card) bool { return tray(c) != tray(cards[0]) }) {
						t.Errorf("one tray holds cards of several: %v", cards)
					}
				}
				want(t, "nodes given out", len(given), 32)
			})
		}
	}
}

// Eight endpoints at once are one tray.
func TestEightEndpointsAreATray(t *testing.T) {
	const galaxy = "tenstorrent.com/galaxy-wormhole"
	m := harness.Unpack(t, "tt-galaxy-wh")
	k, _ := start(t, harness.KubeletOptions{NUMANodes: 2}, harness.CleaveOptions{Machine: m}, map[string]int64{galaxy: 32})
	for range 4 {
		var trays []string
		held := k.Held(k.MustAdmit(one(galaxy, 8)), "c0")
		for _, id := range held {
			if digit := id[5:6]; !slices.Contains(trays, digit) {
				trays = append(trays, digit)
			}
		}
		if len(trays) != 1 {
			t.Errorf("eight endpoints come from trays %s: %s", strings.Join(trays, " "), fmt.Sprint(held))
		}
	}
}
