// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"fmt"
	"strings"
	"testing"

	"cleave.test/kubelet/harness"
)

func setting(name, value string) string {
	return fmt.Sprintf("[profile.tenstorrent]\n%s = %q\n", name, value)
}

// TT_VISIBLE_DEVICES in its four forms, for the first and for the second pair of cards.
func TestVisibleDevices(t *testing.T) {
	for _, test := range []struct {
		mode string
		want func(cards []harness.Card) string
	}{
		{"bdf", func(cards []harness.Card) string { return cards[0].PCI + "," + cards[1].PCI }},
		{"index", func([]harness.Card) string { return "0,1" }}, // counted inside the container
		{"ordinal", func(cards []harness.Card) string { return fmt.Sprintf("%d,%d", cards[0].Ordinal, cards[1].Ordinal) }},
		{"off", nil},
	} {
		t.Run(test.mode, func(t *testing.T) {
			m := t3k(t)
			options := harness.CleaveOptions{Machine: m, Config: setting("visible_devices", test.mode)}
			k, _ := start(t, harness.KubeletOptions{NUMANodes: 2}, options, map[string]int64{n300: 4})
			for range 2 {
				pod := k.MustAdmit(one(n300, 2))
				cards := heldCards(k, pod, "c0", m)
				value, set := env(k, pod, "c0")["TT_VISIBLE_DEVICES"]
				if set != (test.want != nil) {
					t.Errorf("TT_VISIBLE_DEVICES is set: %v", set)
				} else if set {
					want(t, "TT_VISIBLE_DEVICES", value, test.want(cards))
				}
			}
		})
	}
}

// Hugepages by setting, by IOMMU and by what is mounted on the host.
func TestHugepages(t *testing.T) {
	translated := func(m *harness.Machine) {
		for _, card := range m.Cards() {
			m.Write("sys/bus/pci/devices/"+card.PCI+"/iommu_group/type", "DMA-FQ\n")
		}
	}
	notMounted := func(m *harness.Machine) { m.Write("proc/mounts", "") }
	asItIs := func(*harness.Machine) {}
	for _, test := range []struct {
		name    string
		value   string
		change  func(*harness.Machine)
		mounted bool
	}{
		{"auto", "auto", asItIs, true},
		{"auto-behind-an-iommu", "auto", translated, false},
		{"auto-not-mounted", "auto", notMounted, false},
		{"never", "never", asItIs, false},
		{"always", "always", asItIs, true},
		{"always-behind-an-iommu", "always", translated, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := t3k(t)
			test.change(m)
			options := harness.CleaveOptions{Machine: m, Config: setting("hugepages", test.value)}
			k, _ := start(t, harness.KubeletOptions{NUMANodes: 2}, options, map[string]int64{n300: 4})
			mounts := k.RunOptions(k.MustAdmit(one(n300, 1)), "c0").Mounts
			want(t, "mounted", len(mounts) == 1 && mounts[0].HostPath == "/dev/hugepages-1G" && !mounts[0].ReadOnly, test.mounted)
			want(t, "number of mounts", len(mounts), map[bool]int{true: 1}[test.mounted])
		})
	}
}

// As deployed: no mount table of the host is to be seen, only what is mounted there.
func TestHugepagesWithoutAMountTable(t *testing.T) {
	for _, mounted := range []bool{false, true} {
		t.Run(fmt.Sprintf("mounted=%v", mounted), func(t *testing.T) {
			m := t3k(t)
			if mounted {
				m.MountHugepages()
			}
			m.Delete("proc/mounts")
			options := harness.CleaveOptions{Machine: m, Config: setting("hugepages", "auto")}
			k, _ := start(t, harness.KubeletOptions{NUMANodes: 2}, options, map[string]int64{n300: 4})
			var paths []string
			for _, mount := range k.RunOptions(k.MustAdmit(one(n300, 1)), "c0").Mounts {
				paths = append(paths, mount.HostPath)
			}
			want(t, "mounts", paths, map[bool][]string{true: {"/dev/hugepages-1G"}}[mounted])
		})
	}
}

// SIGHUP takes a new config in without a restart; a bad one changes nothing and says why.
func TestReload(t *testing.T) {
	m := t3k(t)
	k, c := start(t, harness.KubeletOptions{NUMANodes: 2},
		harness.CleaveOptions{Machine: m, Config: setting("visible_devices", "off")}, map[string]int64{n300: 4})
	held := k.MustAdmit(one(n300, 1))
	visible := func() string {
		pod := k.MustAdmit(one(n300, 1))
		defer k.Delete(pod)
		return env(k, pod, "c0")["TT_VISIBLE_DEVICES"]
	}
	want(t, "before", visible(), "")

	c.WriteConfig(setting("visible_devices", "index"))
	c.Reload()
	harness.Eventually(t, "the new setting", func() error {
		if got := visible(); got != "0" {
			return fmt.Errorf("TT_VISIBLE_DEVICES is %q", got)
		}
		return nil
	})

	c.WriteConfig("this is = no TOML = at all\n" + setting("visible_devices", "bdf"))
	c.Reload()
	c.AwaitEntry("what is wrong with the file", func(e harness.Entry) bool {
		return e.Level() == "error" && strings.Contains(fmt.Sprint(e), "cleave.toml:1")
	})
	want(t, "after a bad file", visible(), "0")

	// A resource that comes with a reload is registered, one that goes is offered no more.
	c.WriteConfig("drop = [\"tenstorrent.com/n300\"]\n[[resource]]\nname = \"example.com/{card_type}\"\nwhere = { card_type = \"n300\" }\nunit = \"card\"\n[resource.container]\ndevices = [\"{nodes.main}\"]\n")
	c.Reload()
	k.Await("example.com/n300", harness.All(4))
	k.Await(n300, harness.Count{Capacity: 4, Allocatable: 0})
	if result := k.Readmit(held); result.Admit {
		want(t, "cards of the pod that was there before", len(nodePaths(k, held, "c0")), 1)
	}
}
