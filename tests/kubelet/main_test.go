// SPDX-License-Identifier: Apache-2.0

// Package kubelet tests the cleave binary against the kubelet's own device manager and topology manager.
package kubelet

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/kubelet/cm/topologymanager"

	"cleave.test/kubelet/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

const (
	n300 = "tenstorrent.com/n300"

	none       = topologymanager.PolicyNone
	bestEffort = topologymanager.PolicyBestEffort
	restricted = topologymanager.PolicyRestricted
	singleNode = topologymanager.PolicySingleNumaNode

	perContainer = topologymanager.ContainerTopologyScope
	perPod       = topologymanager.PodTopologyScope
)

// The four n300 of the captured T3000 host. Its cluster descriptor joins {a, b} and {c, d} by four links each, and
// {a, d} and {b, c} by two. {a, b} and {c, d} are also the cards of one NUMA node.
const (
	cardA = "0000:31:00.0"
	cardB = "0000:4b:00.0"
	cardC = "0000:b1:00.0"
	cardD = "0000:ca:00.0"
)

// t3k is the host of the four n300.
func t3k(t *testing.T) *harness.Machine { t.Helper(); return harness.Unpack(t, "tenstorrent-4x-n300") }

// descriptor is a config that says how the cards of the t3k host are linked.
func descriptor(t *testing.T) string {
	t.Helper()
	path := filepath.Join(harness.MachineDir(t), "cluster-descriptors", "t3k_cluster_desc.yaml")
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("[[links]]\nsource = \"tt-cluster-descriptor\"\npath = %q\n", path)
}

// start starts a kubelet and cleave on a machine and waits until exactly these resources are there, all healthy.
func start(t *testing.T, kubelet harness.KubeletOptions, cleave harness.CleaveOptions, resources map[string]int64) (*harness.Kubelet, *harness.Cleave) {
	t.Helper()
	k := harness.StartKubelet(t, kubelet)
	c := harness.StartCleave(t, cleave)
	k.AwaitCounts(healthy(resources))
	return k, c
}

func healthy(resources map[string]int64) map[string]harness.Count {
	counts := map[string]harness.Count{}
	for name, n := range resources {
		counts[name] = harness.All(n)
	}
	return counts
}

// startT3K is start for the t3k host as it is.
func startT3K(t *testing.T) (*harness.Kubelet, *harness.Cleave, *harness.Machine) {
	t.Helper()
	m := t3k(t)
	k, c := start(t, harness.KubeletOptions{NUMANodes: 2}, harness.CleaveOptions{Machine: m}, map[string]int64{n300: 4})
	return k, c, m
}

// one is a pod with one container that wants n of a resource.
func one(resource string, n int64) *v1.Pod { return harness.Pod(harness.Wants{resource: n}) }

// checkContainer compares what a container would be given with what its cards need: their device nodes and the
// hugepages, and with the default settings nothing else.
func checkContainer(t *testing.T, k *harness.Kubelet, pod *v1.Pod, container string, m *harness.Machine, cards []harness.Card) {
	t.Helper()
	var nodes, mounts []string
	for _, card := range cards {
		nodes = append(nodes, card.Node()+" "+card.Node()+" rw")
		if m.NeedsHugepages(card) {
			mounts = []string{"/dev/hugepages-1G /dev/hugepages-1G rw"}
		}
	}
	given := k.RunOptions(pod, container)
	var gotNodes, gotMounts []string
	for _, device := range given.Devices {
		gotNodes = append(gotNodes, device.PathOnHost+" "+device.PathInContainer+" "+device.Permissions)
	}
	for _, mount := range given.Mounts {
		access := map[bool]string{true: "ro", false: "rw"}[mount.ReadOnly]
		gotMounts = append(gotMounts, mount.HostPath+" "+mount.ContainerPath+" "+access)
	}
	slices.Sort(nodes)
	slices.Sort(gotNodes)
	if !slices.Equal(gotNodes, nodes) {
		t.Errorf("%s/%s: device nodes are %q, want %q", pod.Name, container, gotNodes, nodes)
	}
	if !slices.Equal(gotMounts, mounts) {
		t.Errorf("%s/%s: mounts are %q, want %q", pod.Name, container, gotMounts, mounts)
	}
	if len(given.Envs)+len(given.Annotations)+len(given.CDIDevices) > 0 {
		t.Errorf("%s/%s: got env %v, annotations %v and CDI devices %v, want none", pod.Name, container, given.Envs, given.Annotations, given.CDIDevices)
	}
}

// heldCards is the cards whose ids a container holds, where a device is a card.
func heldCards(k *harness.Kubelet, pod *v1.Pod, container string, m *harness.Machine) []harness.Card {
	held := k.Held(pod, container)
	return slices.DeleteFunc(m.Cards(), func(card harness.Card) bool { return !slices.Contains(held, card.PCI) })
}

// nodePaths is the device nodes a container would be given, sorted.
func nodePaths(k *harness.Kubelet, pod *v1.Pod, container string) []string {
	var paths []string
	for _, device := range k.RunOptions(pod, container).Devices {
		paths = append(paths, device.PathInContainer)
	}
	slices.Sort(paths)
	return paths
}

// env is the environment variables a container would be given.
func env(k *harness.Kubelet, pod *v1.Pod, container string) map[string]string {
	variables := map[string]string{}
	for _, variable := range k.RunOptions(pod, container).Envs {
		variables[variable.Name] = variable.Value
	}
	return variables
}

func want[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if g, w := fmt.Sprintf("%v", got), fmt.Sprintf("%v", want); g != w {
		t.Errorf("%s: got %s, want %s", what, g, w)
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func contains(text string, words ...string) bool {
	return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(text, word) })
}
