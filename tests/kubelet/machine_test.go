// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"

	"cleave.test/kubelet/harness"
)

// A machine without cards is no error: cleave says so, once, and is ready. When the driver is loaded and the cards
// appear they are registered.
func TestCardsAppear(t *testing.T) {
	m := t3k(t)
	load := m.Strip()
	k := harness.StartKubelet(t, harness.KubeletOptions{NUMANodes: 2})
	c := harness.StartCleave(t, harness.CleaveOptions{Machine: m})
	c.AwaitReady(http.StatusOK)
	harness.Consistently(t, 6*time.Second, "resources over a rescan", func() error {
		if counts := k.Counts(); len(counts) > 0 {
			return fmt.Errorf("node has %v", counts)
		}
		return nil
	})
	said := 0
	for _, entry := range c.Entries() {
		if text := strings.ToLower(entry.Message()); contains(text, "no card", "no resource", "nothing to offer", "no accelerator") {
			said++
		}
	}
	want(t, "times it said that there are no cards", said, 1)
	load()
	harness.Measure(t, "cards appear to allocatable", k.Await(n300, harness.All(4)))
	c.AwaitReady(http.StatusOK)
	usable(t, k, n300, 4)
}

// Every card goes: the driver is unloaded. The ids stay, unhealthy, since a pod may have them, and come back.
func TestAllCardsVanish(t *testing.T) {
	for _, options := range kubelets(2) {
		t.Run(options.String(), func(t *testing.T) {
			m := t3k(t)
			k, c := start(t, options, harness.CleaveOptions{Machine: m}, map[string]int64{n300: 4})
			ids := sortedKeys(k.Listed(n300))
			pod := k.MustAdmit(one(n300, 2))
			load := m.Strip()
			k.Await(n300, harness.Count{Capacity: 4, Allocatable: 0})
			want(t, "ids", k.Sick(n300), ids)
			want(t, "a pod gets a card that is not there", k.Admit(one(n300, 1)).Admit, false)
			// This is where the device manager panics when an id in use was dropped.
			k.Readmit(pod)
			stable(t, k, n300, harness.Count{Capacity: 4, Allocatable: 0})
			load()
			k.Await(n300, harness.All(4))
			want(t, "ids", sortedKeys(k.Listed(n300)), ids)
			if result := k.Readmit(pod); !result.Admit {
				t.Errorf("rejected when the cards were back: %s: %s", result.Reason, result.Message)
			}
			c.AwaitReady(http.StatusOK)
		})
	}
}

// One card goes while a pod has it. The pod's status shows it, and nobody else gets it.
func TestCardInUseVanishes(t *testing.T) {
	m := t3k(t)
	k, _ := start(t, harness.KubeletOptions{NUMANodes: 2, Policy: restricted}, harness.CleaveOptions{Machine: m}, map[string]int64{n300: 4})
	pod := k.MustAdmit(one(n300, 1))
	id := k.Held(pod, "c0")[0]
	ordinal := m.Card(id).Ordinal
	want(t, "health in the pod's status", k.StatusHealth(pod), map[string]v1.ResourceHealthStatus{id: v1.ResourceHealthStatusHealthy})
	removed := m.Remove(id)
	k.Await(n300, harness.Count{Capacity: 4, Allocatable: 3})
	want(t, "sick cards", k.Sick(n300), []string{id})
	want(t, "health in the pod's status", k.StatusHealth(pod), map[string]v1.ResourceHealthStatus{id: v1.ResourceHealthStatusUnhealthy})
	k.Readmit(pod)
	// Over several rescans: an id may be in use for as long as the kubelet says so.
	harness.Consistently(t, 11*time.Second, "the id of the card in use", func() error {
		return k.Has(n300, harness.Count{Capacity: 4, Allocatable: 3})
	})
	m.Restore(removed, ordinal)
	k.Await(n300, harness.All(4))
	want(t, "health in the pod's status", k.StatusHealth(pod), map[string]v1.ResourceHealthStatus{id: v1.ResourceHealthStatusHealthy})
	if result := k.Readmit(pod); !result.Admit {
		t.Errorf("rejected when the card was back: %s: %s", result.Reason, result.Message)
	}
}

// cleave starts while a card that a pod uses is missing. The kubelet's pod-resources API knows of it, and it is
// listed, unhealthy.
func TestStartWhileACardInUseIsMissing(t *testing.T) {
	m := t3k(t)
	k, c := start(t, harness.KubeletOptions{NUMANodes: 2, Policy: restricted}, harness.CleaveOptions{Machine: m}, map[string]int64{n300: 4})
	pod := k.MustAdmit(one(n300, 1))
	id := k.Held(pod, "c0")[0]
	c.Stop()
	k.Await(n300, harness.Count{Capacity: 4, Allocatable: 0})
	m.Remove(id)
	harness.StartCleave(t, harness.CleaveOptions{Machine: m})
	k.Await(n300, harness.Count{Capacity: 4, Allocatable: 3})
	want(t, "sick cards", k.Sick(n300), []string{id})
	k.Readmit(pod)
}

// It starts while no card is there. What a pod holds under a name that cleave could offer may be another plugin's, so
// that nothing is registered for it, and the device manager does without.
func TestStartWhileAllCardsAreMissing(t *testing.T) {
	m := t3k(t)
	k, c := start(t, harness.KubeletOptions{NUMANodes: 2, Policy: restricted}, harness.CleaveOptions{Machine: m}, map[string]int64{n300: 4})
	pod := k.MustAdmit(one(n300, 1))
	held := k.Held(pod, "c0")
	c.Stop()
	k.Await(n300, harness.Count{Capacity: 4, Allocatable: 0})
	m.Strip()
	c = harness.StartCleave(t, harness.CleaveOptions{Machine: m})
	c.AwaitReady(http.StatusOK)
	want(t, "registered", k.Has(n300, harness.Count{Capacity: 4, Allocatable: 0}), nil)
	k.Readmit(pod)
	want(t, "cards that the pod holds", k.Held(pod, "c0"), held)
}

// A card that falls off the bus is not offered, and offered again when it is back; a pod that has it sees it.
func TestHealthGoesBothWays(t *testing.T) {
	k, c, m := startT3K(t)
	pod := k.MustAdmit(one(n300, 4))
	for _, id := range []string{cardA, cardD} {
		comeBack := m.FallOffTheBus(id)
		harness.Measure(t, "card off the bus to unhealthy", k.Await(n300, harness.Count{Capacity: 4, Allocatable: 3}))
		want(t, "sick cards", k.Sick(n300), []string{id})
		want(t, "health in the pod's status", k.StatusHealth(pod)[id], v1.ResourceHealthStatusUnhealthy)
		comeBack()
		harness.Measure(t, "card back to healthy", k.Await(n300, harness.All(4)))
		want(t, "health in the pod's status", k.StatusHealth(pod)[id], v1.ResourceHealthStatusHealthy)
	}
	c.AwaitReady(http.StatusOK)
}

// A driver that does not answer keeps whoever reads its files in the kernel, where not even SIGKILL ends it. That costs its
// own card, whether cleave runs already or starts then; pods get the others, and what happens to these is seen.
func TestDriverDoesNotAnswer(t *testing.T) {
	t.Run("while-it-runs", func(t *testing.T) {
		k, c, m := startT3K(t)
		release := m.HangAttribute(fmt.Sprintf("sys/class/tenstorrent/tenstorrent!%d/tt_card_type", m.Card(cardB).Ordinal))
		defer release()
		harness.Measure(t, "driver stops answering to unhealthy", k.Await(n300, harness.Count{Capacity: 4, Allocatable: 3}))
		want(t, "sick cards", k.Sick(n300), []string{cardB})
		c.AwaitEntry("why", func(e harness.Entry) bool {
			return e.Message() == "health of a card changed" && e["card"] == cardB && strings.Contains(fmt.Sprint(e["reason"]), "does not answer")
		})
		want(t, "cards", len(k.Held(k.MustAdmit(one(n300, 2)), "c0")), 2)
		comeBack := m.FallOffTheBus(cardA)
		k.Await(n300, harness.Count{Capacity: 4, Allocatable: 2})
		comeBack()
		k.Await(n300, harness.Count{Capacity: 4, Allocatable: 3})
		if status, page := c.Get("/healthz"); status != http.StatusOK {
			t.Errorf("healthz: %d %s", status, page)
		}
		release()
		harness.EventuallyWithin(t, time.Minute, "all cards", func() error { return k.Has(n300, harness.All(4)) })
	})
	t.Run("when-it-starts", func(t *testing.T) {
		m := t3k(t)
		release := m.HangAttribute(fmt.Sprintf("sys/class/tenstorrent/tenstorrent!%d/tt_card_type", m.Card(cardB).Ordinal))
		defer release()
		k := harness.StartKubelet(t, harness.KubeletOptions{NUMANodes: 2})
		c := harness.StartCleave(t, harness.CleaveOptions{Machine: m})
		k.AwaitCounts(map[string]harness.Count{n300: harness.All(3)})
		c.AwaitReady(http.StatusOK)
	})
}

// A sick card is given to nobody, and what is chosen is chosen among the others.
func TestSickCardIsNotGiven(t *testing.T) {
	k, _, m := startT3K(t)
	m.FallOffTheBus(cardA)
	k.Await(n300, harness.Count{Capacity: 4, Allocatable: 3})
	pod := k.MustAdmit(one(n300, 2))
	want(t, "cards", k.Held(pod, "c0"), []string{cardC, cardD})
	want(t, "last card", k.Held(k.MustAdmit(one(n300, 1)), "c0"), []string{cardB})
	want(t, "one more is admitted", k.Admit(one(n300, 1)).Admit, false)
}

// The driver numbers cards in the order in which it finds them, so numbers change. Ids do not, and a container gets
// the node that its card has now.
func TestCardsAreRenumbered(t *testing.T) {
	t.Run("two-swapped", func(t *testing.T) {
		k, _, m := startT3K(t)
		first, second := m.Remove(cardA), m.Remove(cardB)
		m.Restore(second, 0)
		m.Restore(first, 1)
		checkNodes(t, k, m, map[string]string{
			cardA: "/dev/tenstorrent/1", cardB: "/dev/tenstorrent/0", cardC: "/dev/tenstorrent/2", cardD: "/dev/tenstorrent/3",
		})
	})
	t.Run("one-with-a-new-number", func(t *testing.T) {
		k, _, m := startT3K(t)
		removed := m.Remove(cardB)
		k.Await(n300, harness.Count{Capacity: 4, Allocatable: 3})
		want(t, "sick cards", k.Sick(n300), []string{cardB})
		m.Restore(removed, 4)
		checkNodes(t, k, m, map[string]string{
			cardA: "/dev/tenstorrent/0", cardB: "/dev/tenstorrent/4", cardC: "/dev/tenstorrent/2", cardD: "/dev/tenstorrent/3",
		})
	})
	t.Run("over-a-restart-of-cleave", func(t *testing.T) {
		k, c, m := startT3K(t)
		c.Stop()
		first, second := m.Remove(cardC), m.Remove(cardD)
		m.Restore(second, 2)
		m.Restore(first, 3)
		harness.StartCleave(t, harness.CleaveOptions{Machine: m})
		checkNodes(t, k, m, map[string]string{
			cardA: "/dev/tenstorrent/0", cardB: "/dev/tenstorrent/1", cardC: "/dev/tenstorrent/3", cardD: "/dev/tenstorrent/2",
		})
	})
}

// checkNodes waits for four healthy cards, hands out each and compares the node that comes with its id.
func checkNodes(t *testing.T, k *harness.Kubelet, m *harness.Machine, nodes map[string]string) {
	t.Helper()
	k.Await(n300, harness.All(4))
	got := map[string]string{}
	for range nodes {
		pod := k.MustAdmit(one(n300, 1))
		got[k.Held(pod, "c0")[0]] = nodePaths(k, pod, "c0")[0]
		checkContainer(t, k, pod, "c0", m, heldCards(k, pod, "c0", m))
	}
	want(t, "nodes by id", got, nodes)
}

// The attributes of a card that boots appear after its entry does; it is offered when it is known what it is.
func TestCardIsOfferedWhenItsTypeIsKnown(t *testing.T) {
	m := t3k(t)
	reveal := m.HideAttributes(cardC)
	k := harness.StartKubelet(t, harness.KubeletOptions{NUMANodes: 2})
	harness.StartCleave(t, harness.CleaveOptions{Machine: m})
	k.AwaitCounts(map[string]harness.Count{n300: harness.All(3)})
	reveal()
	harness.Measure(t, "type of a card known to allocatable", k.Await(n300, harness.All(4)))
}

// A firmware whose heartbeat stands still is not well.
func TestHeartbeatStops(t *testing.T) {
	k, _, m := startT3K(t)
	goOn := m.StopHeart(cardB)
	harness.Measure(t, "heartbeat stopped to unhealthy", harness.EventuallyWithin(t, time.Minute, "unhealthy", func() error {
		return k.Has(n300, harness.Count{Capacity: 4, Allocatable: 3})
	}))
	want(t, "sick cards", k.Sick(n300), []string{cardB})
	goOn()
	harness.Measure(t, "heartbeat back to healthy", harness.EventuallyWithin(t, time.Minute, "healthy", func() error {
		return k.Has(n300, harness.All(4))
	}))
}
