// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	pluginapi "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"

	"cleave.test/kubelet/harness"
)

const share = "example.com/share"

// shares cuts every card of the t3k host into ten.
func shares(more string) string {
	return fmt.Sprintf(`[[resource]]
name = %q
where = { card_type = "n300" }
unit = "share"
shares = { %q = 2, default = 10 }
%s
[resource.container.env]
PERCENT = "{share.percent}"
SHARES = "{id}"
"CARD_{position}" = "{pci.address}"
`, share, cardD, more)
}

func cardOf(id string) string { return id[:strings.Index(id, "::")] }

// Shares of one card: its node once, caps that grow with the shares, and the card's NUMA node.
func TestShares(t *testing.T) {
	for _, options := range kubelets(2) {
		t.Run(options.String(), func(t *testing.T) {
			m := t3k(t)
			k, _ := start(t, options, harness.CleaveOptions{Machine: m, Config: shares("")}, map[string]int64{share: 32})
			want(t, "NUMA nodes of a share", k.Listed(share)[cardD+"::1"].NUMA, []int{m.Card(cardD).NUMA})

			pod := k.MustAdmit(one(share, 3))
			held := k.Held(pod, "c0")
			card := m.Card(cardOf(held[0]))
			for _, id := range held {
				want(t, "card of "+id, cardOf(id), card.PCI)
			}
			want(t, "device nodes", nodePaths(k, pod, "c0"), []string{card.Node()})
			want(t, "PERCENT", env(k, pod, "c0")["PERCENT"], "30")
			want(t, "SHARES", env(k, pod, "c0")["SHARES"], strings.Join(held, ","))
			want(t, "CARD_0", env(k, pod, "c0")["CARD_0"], card.PCI)

			// Packed: the next ones go to the card that is in use.
			for range 3 {
				next := k.MustAdmit(one(share, 2))
				want(t, "card of the next shares", cardOf(k.Held(next, "c0")[1]), card.PCI)
			}
		})
	}
}

// same_card is a preference, and a promise with strict = true.
func TestSharesOfDifferentCards(t *testing.T) {
	m := t3k(t)
	config := shares("prefer = \"spread\"\nsame_card = \"forbid\"\nstrict = true")
	k, c := start(t, harness.KubeletOptions{NUMANodes: 2}, harness.CleaveOptions{Machine: m, Config: config}, map[string]int64{share: 32})
	pod := k.MustAdmit(one(share, 4))
	var cards []string
	for _, id := range k.Held(pod, "c0") {
		cards = append(cards, cardOf(id))
	}
	slices.Sort(cards)
	want(t, "cards", cards, []string{cardA, cardB, cardC, cardD})

	refused := k.Admit(one(share, 5))
	if refused.Admit || !strings.Contains(refused.Message, "are on one card") {
		t.Errorf("five shares of four cards: admitted %v, %s", refused.Admit, refused.Message)
	}
	c.AwaitEntry("the warning", func(e harness.Entry) bool {
		return e.Message() == "a preference cannot be kept" && strings.Contains(fmt.Sprint(e), "5 devices cannot be had on different cards")
	})
}

// A limit is one number, so shares with limits are of one card: those of two would be told "80,20". What is left of the
// card in use does not do for three shares, and no card has thirteen.
func TestCapsAreOfOneCard(t *testing.T) {
	for _, test := range []struct {
		name, resource, config string
		more                   map[string]int64
		limits                 []string
	}{
		{name: "keti-gpu", resource: "keti.com/gpu", config: "profiles = [\"keti-gpu\"]\n[profile.keti-gpu]\nmps = \"on\"",
			limits: []string{"KETI_SM_LIMIT", "BLESS_LIMIT_PCT", "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"}},
		{name: "nvidia-mps", resource: "nvidia.com/gpu.shared", more: migCounts,
			config: "[profile.nvidia]\nshares = \"10\"\nsharing = \"mps\"", limits: []string{"CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := harness.Unpack(t, hgx)
			mpsDirs(m)
			k, _ := start(t, harness.KubeletOptions{NUMANodes: 2}, harness.CleaveOptions{Machine: m, Config: test.config},
				and(test.more, test.resource, 60))
			used := cardOf(k.Held(k.MustAdmit(one(test.resource, 8)), "c0")[0])
			pod := k.MustAdmit(one(test.resource, 3))
			held := k.Held(pod, "c0")
			for _, id := range held {
				want(t, "card of "+id, cardOf(id), cardOf(held[0]))
			}
			want(t, "on the card in use", cardOf(held[0]) == used, false)
			for _, limit := range test.limits {
				want(t, limit, env(k, pod, "c0")[limit], "30")
			}
			refused := k.Admit(one(test.resource, 13))
			if refused.Admit || !strings.Contains(refused.Message, "are on different cards, which same_card = \"require\" rules out") {
				t.Errorf("thirteen shares: admitted %v, %s", refused.Admit, refused.Message)
			}
		})
	}
}

// An operator's own shares get the profile's limits, and so the profile's rule, unless they say otherwise.
func TestCapsOfTheOperatorsOwnShares(t *testing.T) {
	const own = "example.com/gpu-part"
	for _, test := range []struct {
		name, profile, more string
		offered             map[string]int64
		refused             string // for 15 shares of 10 to a GPU
	}{
		{name: "keti-gpu", profile: "profiles = [\"keti-gpu\"]", refused: "are on different cards"},
		{name: "nvidia-mps", profile: "[profile.nvidia]\nshares = \"4\"\nsharing = \"mps\"", offered: migCounts, refused: "are on different cards"},
		{name: "nvidia-time-slices", profile: "[profile.nvidia]\nshares = \"4\"", offered: migCounts},
		{name: "told-otherwise", profile: "profiles = [\"keti-gpu\"]", more: "same_card = \"allow\""},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := harness.Unpack(t, hgx)
			mpsDirs(m)
			config := fmt.Sprintf("%s\n[[resource]]\nname = %q\nunit = \"share\"\nshares = 10\n%s\nwhere = { instances = 0 }\n", test.profile, own, test.more)
			k, _ := start(t, harness.KubeletOptions{NUMANodes: 2}, harness.CleaveOptions{Machine: m, Config: config}, and(test.offered, own, 60))
			result := k.Admit(one(own, 15))
			want(t, "admitted", result.Admit, test.refused == "")
			if !strings.Contains(result.Message, test.refused) {
				t.Errorf("the reason is %s", result.Message)
			}
			k.MustAdmit(one(own, 3))
		})
	}
}

// A resource gets another name while a pod holds a card by the old one: the card is not offered by the new one until the
// pod is gone, over a restart of cleave as well.
func TestARenamedResource(t *testing.T) {
	const before, after = "example.com/old", "example.com/new"
	config := func(name string) string { return fmt.Sprintf("[[resource]]\nname = %q\n", name) }
	m := t3k(t)
	k, c := start(t, harness.KubeletOptions{NUMANodes: 2}, harness.CleaveOptions{Machine: m, Config: config(before)}, map[string]int64{before: 4})
	pod := k.MustAdmit(one(before, 1))
	held := k.Held(pod, "c0")
	c.WriteConfig(config(after))
	c.Reload()
	isWithheld := func() {
		t.Helper()
		k.Await(after, harness.Count{Capacity: 4, Allocatable: 3})
		want(t, "withheld", k.Sick(after), held)
		refused := k.Admit(one(after, 4))
		want(t, "four are admitted", refused.Admit, false)
	}
	isWithheld()
	c.Stop()
	harness.StartCleave(t, harness.CleaveOptions{Machine: m, Config: config(after)})
	isWithheld()
	k.Delete(pod)
	k.Await(after, harness.All(4))
	k.MustAdmit(one(after, 4))
}

// All shares of a sick card are sick, and only those.
func TestSharesOfASickCard(t *testing.T) {
	m := t3k(t)
	k, _ := start(t, harness.KubeletOptions{NUMANodes: 2}, harness.CleaveOptions{Machine: m, Config: shares("")}, map[string]int64{share: 32})
	comeBack := m.FallOffTheBus(cardD)
	k.Await(share, harness.Count{Capacity: 32, Allocatable: 30})
	want(t, "sick shares", k.Sick(share), []string{cardD + "::0", cardD + "::1"})
	comeBack()
	k.Await(share, harness.All(32))
}

// Fewer shares than before: those in use stay listed, and pods keep them.
func TestFewerShares(t *testing.T) {
	m := t3k(t)
	k, c := start(t, harness.KubeletOptions{NUMANodes: 2}, harness.CleaveOptions{Machine: m, Config: shares("")}, map[string]int64{share: 32})
	pod := k.MustAdmit(one(share, 10))
	c.WriteConfig(strings.Replace(shares(""), "default = 10", "default = 2", 1))
	c.Reload()
	k.Await(share, harness.Count{Capacity: 32, Allocatable: 8})
	want(t, "shares that the pod holds", len(k.Held(pod, "c0")), 10)
	k.Readmit(pod) // panics in the device manager when an id in use is missing
}

// The host cuts a GPU anew, two instances into four, while a pod holds one of the two: the new ones are offered under
// their own name, and the old ids stay listed, unhealthy, as long as the pod is there.
func TestTheHostCutsACardAnew(t *testing.T) {
	const halfBiren = "birentech.com/1-2-gpu"
	m := harness.Unpack(t, "vendors/biren-runc-svi")
	k, c := start(t, harness.KubeletOptions{NUMANodes: 2}, harness.CleaveOptions{Machine: m},
		map[string]int64{wholeBiren: 2, halfBiren: 2, quarterBiren: 4})
	pod := k.MustAdmit(one(halfBiren, 1))
	held := k.Held(pod, "c0")
	const gpu = "sys/devices/pci0000:40/0000:40:01.0/0000:41:00.0/0000:42:00.0/0000:43:00.0/biren/"
	for n, name := range []string{"card_8", "card_9"} {
		m.Write("dev/biren/"+name, "")
		m.Write(gpu+name+"/dev", fmt.Sprintf("240:%d\n", 8+n))
		m.Link(gpu+name+"/device", "../..")
		m.Link("sys/class/biren/"+name, "../../"+strings.TrimPrefix(gpu, "sys/")+name)
	}
	// All but the one whose node the pod has.
	recut := func() {
		t.Helper()
		k.Await(quarterBiren, harness.Count{Capacity: 8, Allocatable: 7})
		want(t, "withheld", k.Sick(quarterBiren), held)
	}
	recut()
	k.Await(halfBiren, harness.Count{Capacity: 2, Allocatable: 0})
	want(t, "old ids", k.Sick(halfBiren), []string{"card_1", "card_2"})
	want(t, "instances that the pod holds", k.Held(pod, "c0"), held)
	k.Readmit(pod) // panics in the device manager when an id in use is missing
	want(t, "an old instance is admitted", k.Admit(one(halfBiren, 1)).Admit, false)
	next := k.MustAdmit(one(quarterBiren, 3))
	other := map[string]string{"card_1": "card_2", "card_2": "card_1"}[held[0]]
	want(t, "nodes of new instances", nodePaths(k, next, "c0"), []string{"/dev/biren/" + other, "/dev/biren/card_8", "/dev/biren/card_9"})

	// And over a restart of cleave, which then knows of the old instance from the pod-resources API alone.
	c.Stop()
	harness.StartCleave(t, harness.CleaveOptions{Machine: m})
	recut()
	k.Await(halfBiren, harness.Count{Capacity: 2, Allocatable: 0}) // nothing is registered for what only a pod has
	k.Readmit(pod)
	k.Delete(pod)
	k.Await(quarterBiren, harness.All(8))
}

// Devices without hardware, on a node without cards.
func TestCounted(t *testing.T) {
	const slot = "example.com/slot"
	m := harness.Unpack(t, "gold6230-2s")
	config := "[[resource]]\nname = \"example.com/slot\"\nunit = \"count\"\ncount = 40\n[resource.container.env]\nSLOTS = \"{id}\"\nNUMBER = \"{count}\"\n"
	k, _ := start(t, harness.KubeletOptions{NUMANodes: 2}, harness.CleaveOptions{Machine: m, Config: config}, map[string]int64{slot: 40})
	pod := k.MustAdmit(one(slot, 2))
	want(t, "devices that the pod holds", k.Held(pod, "c0"), []string{"slot-0", "slot-1"}) // the first ones
	want(t, "SLOTS", env(k, pod, "c0")["SLOTS"], "slot-0,slot-1")
	want(t, "NUMBER", env(k, pod, "c0")["NUMBER"], "2")
	want(t, "devices", len(k.RunOptions(pod, "c0").Devices), 0)
	want(t, "the rest is admitted", k.Admit(one(slot, 38)).Admit, true)
	want(t, "one more is admitted", k.Admit(one(slot, 1)).Admit, false)
}

// The longest list that check allows is one that the device manager takes.
func TestTheLongestList(t *testing.T) {
	const slot = "example.com/slot"
	m := harness.Unpack(t, "gold6230-2s")
	config := func(count int) string {
		id := strings.Repeat("long-id.", 7)
		return fmt.Sprintf("[[resource]]\nname = %q\nunit = \"count\"\nid = %q\ncount = %d\n", slot, id, count)
	}
	out, err := harness.RunCleave(t, "check", m, config(100000))
	found := regexp.MustCompile(`cleave.toml:1:1: .* the kubelet takes 4194304 in one message: at most ([0-9]+) fit`).FindStringSubmatch(out)
	if err == nil || found == nil {
		t.Fatalf("check of a list that is too long: %v\n%s", err, out)
	}
	most, _ := strconv.Atoi(found[1])
	if _, err := harness.RunCleave(t, "check", m, config(most+1)); err == nil {
		t.Errorf("check allows %d", most+1)
	}
	k, c := start(t, harness.KubeletOptions{}, harness.CleaveOptions{Machine: m, Config: config(most)}, map[string]int64{slot: int64(most)})
	want(t, "devices", len(k.Held(k.MustAdmit(one(slot, 3)), "c0")), 3)
	for _, rescan := range []string{"20s", "30s"} {
		before := len(c.Entries())
		c.WriteConfig(fmt.Sprintf("rescan = %q\n", rescan) + config(most))
		c.AwaitEntry("reload", func(harness.Entry) bool {
			return slices.ContainsFunc(c.Entries()[before:], func(e harness.Entry) bool { return e.Message() == "reloaded" })
		})
	}
	k.Await(slot, harness.All(int64(most)))
	if peak, limit := c.PeakMemory(), memoryLimit(t); peak > limit*3/4 {
		t.Errorf("cleave had %d MiB at its peak, the DaemonSet allows %d", peak>>20, limit>>20)
	}
}

// In bytes, of the container that the DaemonSet starts.
func memoryLimit(t *testing.T) int64 {
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", "kustomize", "base", "daemonset.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`limits:(?:\s+cpu: \S+)?\s+memory: ([0-9]+)Mi`).FindSubmatch(text)
	if found == nil {
		t.Fatal("the DaemonSet limits no memory")
	}
	mebibytes, _ := strconv.ParseInt(string(found[1]), 10, 64)
	return mebibytes << 20
}

// Where the limit is in the device manager itself: a list of 4 MiB, and one byte more.
func TestTheLongestListOfTheDeviceManager(t *testing.T) {
	list := func(bytes int) *pluginapi.Device {
		device := harness.FakeDevice("")
		for range 3 { // the length of the length is part of it
			rest := bytes - proto.Size(&pluginapi.ListAndWatchResponse{Devices: []*pluginapi.Device{device}})
			device.ID = strings.Repeat("x", len(device.ID)+rest)
		}
		want(t, "bytes", proto.Size(&pluginapi.ListAndWatchResponse{Devices: []*pluginapi.Device{device}}), bytes)
		return device
	}
	k := harness.StartKubelet(t, harness.KubeletOptions{})
	plugin := harness.StartPlugin(t, fake, "fake.sock", list(4<<20))
	k.Await(fake, harness.All(1))
	plugin.Announce(list(4<<20 + 1))
	k.Await(fake, harness.Count{Capacity: 1, Allocatable: 0}) // it has cut the plugin off
}
