// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"fmt"
	"testing"
	"time"

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

// The pod-resources API does not list init containers. What one was given counts all the same, at first because Allocate
// gave it (docs/operations.md says how long), and as long as the pod lives when its container has the device, too.
func TestShapesOfAnInitContainer(t *testing.T) {
	for name, after := range map[string]harness.Wants{"alone": {}, "and-the-container": {half: 1}} {
		t.Run(name, func(t *testing.T) {
			k, c := startShapes(t)
			pod := k.MustAdmit(harness.WithInit(harness.Pod(after), "prepare", harness.Wants{half: 1}))
			held := k.Held(pod, "prepare")
			want(t, "devices of the container", k.Held(pod, "c0"), held[:len(after)])
			k.Await(whole, harness.Count{Capacity: 4, Allocatable: 3})
			want(t, "withheld", k.Sick(whole), []string{cardOf(held[0])})
			c.AwaitMetric(fmt.Sprintf("cleave_units_withheld{resource=%q} 1", whole))
			want(t, "all four whole cards are admitted", k.Admit(one(whole, 4)).Admit, false)
			want(t, "three whole cards are admitted", k.Admit(one(whole, 3)).Admit, true)
		})
	}
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
