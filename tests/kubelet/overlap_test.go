// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"fmt"
	"math/rand"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"

	"cleave.test/kubelet/harness"
)

const (
	whole   = "example.com/whole"
	half    = "example.com/half"
	quarter = "example.com/quarter"
)

// shapes offers every card of the t3k host whole, in halves and in quarters, one of them at a time.
func shapes() string {
	config := "[[resource]]\nname = \"" + whole + "\"\noverlap = \"exclusive\"\n"
	for name, n := range map[string]int{half: 2, quarter: 4} {
		config += fmt.Sprintf("[[resource]]\nname = %q\nunit = \"share\"\nshares = %d\noverlap = \"exclusive\"\n", name, n)
	}
	return config
}

func startShapes(t *testing.T) (*harness.Kubelet, *harness.Cleave) {
	t.Helper()
	return start(t, harness.KubeletOptions{NUMANodes: 2}, harness.CleaveOptions{Machine: t3k(t), Config: shapes()},
		map[string]int64{whole: 4, half: 8, quarter: 16})
}

// One shape in use takes the others of its card out of offer, and only those; they come back after.
func TestOneShapeAtATime(t *testing.T) {
	k, c := startShapes(t)
	pod := k.MustAdmit(one(half, 1))
	card := cardOf(k.Held(pod, "c0")[0])
	k.Await(whole, harness.Count{Capacity: 4, Allocatable: 3})
	k.Await(quarter, harness.Count{Capacity: 16, Allocatable: 12})
	k.Await(half, harness.All(8))
	want(t, "withheld", k.Sick(whole), []string{card})
	c.AwaitEntry("the reason", func(e harness.Entry) bool {
		return e.Message() == "card is in use, its other shapes are withheld" && e["card"] == card && e["resource"] == half
	})
	for resource, n := range map[string]int{whole: 1, half: 0, quarter: 4} {
		c.AwaitMetric(fmt.Sprintf("cleave_units_withheld{resource=%q} %d", resource, n))
	}
	// The other half of the same card is preferred, three whole cards are left.
	second := k.MustAdmit(one(half, 1))
	want(t, "card of the second half", cardOf(k.Held(second, "c0")[0]), card)
	want(t, "three whole cards are admitted", k.Admit(one(whole, 3)).Admit, true)
	want(t, "a quarter is admitted", k.Admit(one(quarter, 1)).Admit, false)
	harness.Consistently(t, 300*time.Millisecond, "whole cards", func() error {
		return k.Has(whole, harness.Count{Capacity: 4, Allocatable: 3})
	})
	for _, pod := range k.GetActivePods() {
		k.Delete(pod)
	}
	k.AwaitCounts(healthy(map[string]int64{whole: 4, half: 8, quarter: 16}))
}

// What is in use is known after a restart of cleave.
func TestShapesAfterARestart(t *testing.T) {
	m := t3k(t)
	options := harness.CleaveOptions{Machine: m, Config: shapes()}
	k, c := start(t, harness.KubeletOptions{NUMANodes: 2}, options, map[string]int64{whole: 4, half: 8, quarter: 16})
	k.MustAdmit(one(quarter, 1))
	c.Kill()
	harness.StartCleave(t, options)
	k.Await(whole, harness.Count{Capacity: 4, Allocatable: 3})
	k.Await(quarter, harness.All(16))
	k.Await(half, harness.Count{Capacity: 8, Allocatable: 6})
}

// How long a freed shape takes to come back.
func TestAFreedShapeComesBack(t *testing.T) {
	k, _ := startShapes(t)
	for range 10 {
		pod := k.MustAdmit(one(whole, 1))
		harness.Measure(t, "a card in use to its other shapes withheld", k.Await(half, harness.Count{Capacity: 8, Allocatable: 6}))
		harness.Consistently(t, 300*time.Millisecond, "halves", func() error {
			return k.Has(half, harness.Count{Capacity: 8, Allocatable: 6})
		})
		k.Delete(pod)
		harness.Measure(t, "a card freed to its other shapes offered", k.Await(half, harness.All(8)))
	}
}

// Pods of all shapes come and go at random, one after the other without a pause. At no moment is a card in two shapes,
// and who loses a race is told why. CLEAVE_ADMISSIONS says how many.
func TestNoCardIsPromisedTwice(t *testing.T) {
	steps := 2000
	if text := os.Getenv("CLEAVE_ADMISSIONS"); text != "" {
		steps, _ = strconv.Atoi(text)
	}
	seed := int64(20261121)
	random := rand.New(rand.NewSource(seed))
	// Many shares make long lists, behind which the kubelet's view lags: so races happen.
	config := strings.Replace(shapes(), "shares = 4", "shares = 500", 1)
	k, c := start(t, harness.KubeletOptions{NUMANodes: 2}, harness.CleaveOptions{Machine: t3k(t), Config: config},
		map[string]int64{whole: 4, half: 8, quarter: 2000})
	resources := []string{whole, half, quarter}
	most := map[string]int{whole: 2, half: 3, quarter: 5}
	type running struct {
		pod      *v1.Pod
		resource string
	}
	var pods []running
	admitted, removed, races, full := 0, 0, 0, 0
	var slowest time.Duration
	for step := range steps {
		if len(pods) > 0 && random.Intn(9) < 4 {
			i := random.Intn(len(pods))
			k.Delete(pods[i].pod)
			pods = slices.Delete(pods, i, i+1)
			removed++
			continue
		}
		resource := resources[random.Intn(3)]
		pod := one(resource, int64(1+random.Intn(most[resource])))
		began := time.Now()
		result := k.Admit(pod)
		slowest = max(slowest, time.Since(began))
		if !result.Admit {
			switch {
			case strings.Contains(result.Message, "is withheld: card"):
				if !strings.Contains(result.Message, " is in use as ") || !strings.Contains(result.Message, "device ") {
					t.Fatalf("step %d: the reason names no holder: %s", step, result.Message)
				}
				races++
			case strings.Contains(result.Message, "no healthy devices present") || strings.Contains(result.Message, "unavailable"):
				full++
			default:
				t.Fatalf("step %d: %s: %s", step, result.Reason, result.Message)
			}
			continue
		}
		admitted++
		pods = append(pods, running{pod, resource})
		users := map[string]string{}
		given := map[string]bool{}
		for _, p := range pods {
			for _, id := range k.Held(p.pod, "c0") {
				card, _, _ := strings.Cut(id, "::")
				if other, taken := users[card]; taken && other != p.resource {
					t.Fatalf("step %d, seed %d: card %s is promised as %s and as %s", step, seed, card, other, p.resource)
				}
				if given[p.resource+id] {
					t.Fatalf("step %d: %s is given twice", step, id)
				}
				users[card], given[p.resource+id] = p.resource, true
			}
		}
	}
	t.Logf("%d steps: %d admitted, %d removed, %d refused because another shape was in use, %d because nothing was left; slowest admission %v",
		steps, admitted, removed, races, full, slowest)
	if admitted < steps/20 {
		t.Errorf("only %d of %d were admitted", admitted, steps)
	}
	for _, p := range pods {
		k.Delete(p.pod)
	}
	// What was given and taken back before the kubelet ever listed it is free after 30 s.
	harness.EventuallyWithin(t, time.Minute, "all shapes back", func() error { return k.Has(whole, harness.All(4)) })
	if _, page := c.Get("/metrics"); races > 0 && !strings.Contains(page, "cleave_allocate_races_lost_total{") {
		t.Error("races are not counted")
	}
}
