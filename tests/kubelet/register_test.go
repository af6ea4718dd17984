// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"cleave.test/kubelet/harness"
)

// hosts are the captured machines, the NUMA nodes they have and what they offer without any settings.
var hosts = []struct {
	name      string
	numaNodes int
	resources map[string]int64
}{
	{"tenstorrent-4x-n300", 2, map[string]int64{n300: 4}},
	{"tt-1numa", 1, map[string]int64{"tenstorrent.com/n150": 4}},
	{"tt-8numa", 8, map[string]int64{"tenstorrent.com/n150": 8}},
	{"tt-mixed-2numa", 2, map[string]int64{"tenstorrent.com/n150": 2, n300: 2, "tenstorrent.com/p150a": 2}},
	{"tt-p300-2numa", 2, map[string]int64{"tenstorrent.com/p300c": 2}},
	{"tt-galaxy-wh", 2, map[string]int64{"tenstorrent.com/galaxy-wormhole": 32}},
}

// Every machine, under a kubelet that knows fewer, as many and more NUMA nodes than the machine has.
func TestResourcesAreRegistered(t *testing.T) {
	for _, host := range hosts {
		for _, numaNodes := range []int{1, 2, 8} {
			t.Run(fmt.Sprintf("%s/numa%d", host.name, numaNodes), func(t *testing.T) {
				m := harness.Unpack(t, host.name)
				k, c := start(t, harness.KubeletOptions{NUMANodes: numaNodes, Policy: bestEffort}, harness.CleaveOptions{Machine: m}, host.resources)
				c.AwaitReady(http.StatusOK)
				// One socket for each resource, and nothing else.
				want(t, "sockets", len(harness.PluginSockets(t)), len(host.resources))
				for resource := range host.resources {
					pod := k.MustAdmit(one(resource, 1))
					if nodes := nodePaths(k, pod, "c0"); len(nodes) == 0 {
						t.Errorf("a container with one %s got no device node", resource)
					}
				}
			})
		}
	}
}

// What the kubelet is told about NUMA is what the host says, and never node -1.
func TestNUMANodesAreAnnounced(t *testing.T) {
	for _, host := range hosts {
		t.Run(host.name, func(t *testing.T) {
			m := harness.Unpack(t, host.name)
			k, _ := start(t, harness.KubeletOptions{NUMANodes: host.numaNodes}, harness.CleaveOptions{Machine: m}, host.resources)
			expected := map[string][]int{}
			for _, card := range m.Cards() {
				id := card.PCI
				if card.Type == "p300c" {
					id = card.Serial
				}
				if card.NUMA >= 0 && !slices.Contains(expected[id], card.NUMA) {
					expected[id] = append(expected[id], card.NUMA)
				}
			}
			for resource := range host.resources {
				for id, device := range k.Listed(resource) {
					// With numa_node -1 the card may still belong to the one node that has all its processors.
					if len(expected[id]) == 0 && host.numaNodes == 1 && slices.Equal(device.NUMA, []int{0}) {
						continue
					}
					if !slices.Equal(device.NUMA, expected[id]) {
						t.Errorf("%s %s is announced on NUMA nodes %v, the host says %v", resource, id, device.NUMA, expected[id])
					}
				}
			}
		})
	}
}

// The ids are what stays the same over reboots: addresses of cards, serials of boards.
func TestDeviceIDs(t *testing.T) {
	for _, host := range hosts {
		t.Run(host.name, func(t *testing.T) {
			m := harness.Unpack(t, host.name)
			k, _ := start(t, harness.KubeletOptions{NUMANodes: host.numaNodes}, harness.CleaveOptions{Machine: m}, host.resources)
			expected := map[string]map[string]bool{}
			for _, card := range m.Cards() {
				resource, id := "tenstorrent.com/"+card.Type, card.PCI
				if card.Type == "p300c" {
					id = card.Serial
				}
				if expected[resource] == nil {
					expected[resource] = map[string]bool{}
				}
				expected[resource][id] = true
			}
			for resource := range host.resources {
				want(t, resource, sortedKeys(k.Listed(resource)), sortedKeys(expected[resource]))
			}
		})
	}
}

// An operator's resource, on the nodes that it names only, beside what the profile offers and instead of it.
func TestOperatorResource(t *testing.T) {
	const resource = `
[[resource]]
name  = "example.com/{card_type}"
where = { card_type = "n300" }
unit  = "card"
nodes = ["gpu-*"]
[resource.container]
inherit     = false
devices     = ["{nodes.main}"]
env         = { EXAMPLE_CARDS = "{pci.address}", EXAMPLE_COUNT = "{count}" }
mounts      = [{ host = "/dev/hugepages-1G", container = "/mnt/huge", read_only = true }]
annotations = { "example.com/cards" = "{serial}" }
`
	const dropped = "drop = [\"tenstorrent.com/n300\"]\n"
	others := map[string]int64{"tenstorrent.com/n150": 2, "tenstorrent.com/p150a": 2}
	with := func(name string) map[string]int64 {
		return map[string]int64{"tenstorrent.com/n150": 2, "tenstorrent.com/p150a": 2, name: 2}
	}
	for _, test := range []struct {
		name, node, config string
		resources          map[string]int64
	}{
		{"named", "gpu-1", dropped + resource, with("example.com/n300")},
		{"not-named", "cpu-1", dropped + resource, others},
		{"not-named-and-not-dropped", "cpu-1", resource, with(n300)},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := harness.Unpack(t, "tt-mixed-2numa")
			options := harness.CleaveOptions{Machine: m, NodeName: test.node, Config: test.config}
			k, _ := start(t, harness.KubeletOptions{NUMANodes: 2}, options, test.resources)
			if test.resources["example.com/n300"] == 0 {
				return
			}
			pod := k.MustAdmit(one("example.com/n300", 2))
			cards := heldCards(k, pod, "c0", m)
			given := k.RunOptions(pod, "c0")
			want(t, "nodes", nodePaths(k, pod, "c0"), []string{cards[0].Node(), cards[1].Node()})
			want(t, "env", env(k, pod, "c0"), map[string]string{
				"EXAMPLE_CARDS": cards[0].PCI + "," + cards[1].PCI, "EXAMPLE_COUNT": "2",
			})
			want(t, "number of mounts", len(given.Mounts), 1)
			for _, mount := range given.Mounts {
				want(t, "mount", []any{mount.HostPath, mount.ContainerPath, mount.ReadOnly}, []any{"/dev/hugepages-1G", "/mnt/huge", true})
			}
			want(t, "number of annotations", len(given.Annotations), 1)
			for _, annotation := range given.Annotations {
				want(t, "annotation", annotation.Name+"="+annotation.Value, "example.com/cards="+cards[0].Serial+","+cards[1].Serial)
			}
		})
	}
}

// Without a kubelet cleave waits; it is not ready until the kubelet watches all of its resources.
func TestReadyOnlyWhenRegistered(t *testing.T) {
	c := harness.StartCleave(t, harness.CleaveOptions{Machine: harness.Unpack(t, "tt-mixed-2numa")})
	c.AwaitReady(http.StatusServiceUnavailable)
	if status, _ := c.Get("/healthz"); status != http.StatusOK {
		t.Errorf("/healthz is %d without a kubelet, want 200: a restart would not help", status)
	}
	k := harness.StartKubelet(t, harness.KubeletOptions{NUMANodes: 2})
	k.AwaitCounts(healthy(map[string]int64{"tenstorrent.com/n150": 2, n300: 2, "tenstorrent.com/p150a": 2}))
	c.AwaitReady(http.StatusOK)
	k.Stop()
	c.AwaitReady(http.StatusServiceUnavailable)
	k.Start()
	c.AwaitReady(http.StatusOK)
}

// How long a pod has to wait for cleave after the daemon was started.
func TestStartsAgainAndAgain(t *testing.T) {
	m := t3k(t)
	k := harness.StartKubelet(t, harness.KubeletOptions{NUMANodes: 2})
	for range 5 {
		c := harness.StartCleave(t, harness.CleaveOptions{Machine: m})
		harness.Measure(t, "start of cleave to allocatable", k.Await(n300, harness.All(4)))
		c.Stop()
		k.Await(n300, harness.Count{Capacity: 4, Allocatable: 0})
	}
}

// After a kubelet has used every call, all families of metrics have samples, and Prometheus' own tool accepts them.
func TestMetricsAreServed(t *testing.T) {
	k, c, _ := startT3K(t)
	k.Delete(k.MustAdmit(one(n300, 2)))
	status, body := c.Get("/metrics")
	if status != http.StatusOK {
		t.Fatalf("/metrics is %d: %.300s", status, body)
	}
	for _, sample := range []string{"cleave_registrations_total{", "cleave_allocate_duration_seconds_count{",
		"cleave_preferred_allocation_duration_seconds_count{", "cleave_preferred_allocation_gap_ratio{"} {
		if !contains(body, "\n"+sample) {
			t.Errorf("/metrics has no sample of %s", sample)
		}
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil { // by scripts/install-deps
		promtool, err = exec.LookPath("../../build/tools/promtool")
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("promtool is missing, and CI=true")
		}
		t.Skip("promtool is missing")
	}
	check := exec.Command(promtool, "check", "metrics")
	check.Stdin = strings.NewReader(body)
	if out, err := check.CombinedOutput(); err != nil || len(out) != 0 {
		t.Errorf("promtool: %v: %s", err, out)
	}
}
