// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Write replaces the content of a file of the host.
func (m *Machine) Write(name, text string) {
	m.t.Helper()
	m.must(os.MkdirAll(filepath.Dir(m.path(name)), 0o755))
	m.must(os.WriteFile(m.path(name), []byte(text), 0o644))
}

// Link makes or replaces a symbolic link of the host.
func (m *Machine) Link(name, target string) {
	m.t.Helper()
	m.must(os.MkdirAll(filepath.Dir(m.path(name)), 0o755))
	m.must(ignoreMissing(os.Remove(m.path(name))))
	m.must(os.Symlink(target, m.path(name)))
}

// Delete removes a file of the host.
func (m *Machine) Delete(name string) {
	m.t.Helper()
	m.must(os.Remove(m.path(name)))
}

// MountHugepages mounts a real hugetlbfs where the host has its pages of 1 GiB; their size does not matter here. The mount
// is in this process's own namespace. Where it is not permitted the test is skipped and says so.
func (m *Machine) MountHugepages() {
	m.t.Helper()
	dir := m.path("dev/hugepages-1G")
	m.must(os.MkdirAll(dir, 0o755))
	if err := syscall.Mount("none", dir, "hugetlbfs", 0, ""); err != nil {
		m.t.Skipf("a hugetlbfs cannot be mounted here: %v", err)
	}
	m.t.Cleanup(func() { m.must(syscall.Unmount(dir, syscall.MNT_DETACH)) })
}

// SetNUMA moves a card to another NUMA node, or to none with -1.
func (m *Machine) SetNUMA(pci string, node int) {
	m.t.Helper()
	m.Write(filepath.Join("sys/bus/pci/devices", pci, "numa_node"), fmt.Sprintf("%d\n", node))
	cpus := "0-111"
	if node >= 0 {
		cpus = m.read(m.path(fmt.Sprintf("sys/devices/system/node/node%d/cpulist", node)))
	}
	m.Write(filepath.Join("sys/bus/pci/devices", pci, "local_cpulist"), cpus+"\n")
}

// FallOffTheBus makes every read of the card's config space answer with ones, as after a lost link. The function
// that is returned undoes it.
func (m *Machine) FallOffTheBus(pci string) (comeBack func()) {
	m.t.Helper()
	name := m.path("sys/bus/pci/devices", pci, "config")
	before, err := os.ReadFile(name)
	m.must(err)
	overwrite := func(content []byte) {
		m.t.Helper()
		// In place, as the kernel does: no new file, and never an empty one.
		file, err := os.OpenFile(name, os.O_WRONLY, 0)
		m.must(err)
		_, err = file.WriteAt(content, 0)
		m.must(err)
		m.must(file.Close())
	}
	overwrite([]byte(strings.Repeat("\xff", len(before))))
	return func() { m.t.Helper(); overwrite(before) }
}

// HideAttributes leaves of a card's class entry what the driver makes before the firmware has booted. The function that
// is returned brings the rest.
func (m *Machine) HideAttributes(pci string) (reveal func()) {
	m.t.Helper()
	entry := m.path("sys/class/tenstorrent", fmt.Sprintf("tenstorrent!%d", m.Card(pci).Ordinal))
	attributes, err := filepath.Glob(filepath.Join(entry, "tt_*"))
	m.must(err)
	stash := m.t.TempDir()
	for _, attribute := range attributes {
		m.must(os.Rename(attribute, filepath.Join(stash, filepath.Base(attribute))))
	}
	return func() {
		m.t.Helper()
		for _, attribute := range attributes {
			m.must(os.Rename(filepath.Join(stash, filepath.Base(attribute)), attribute))
		}
	}
}

// Removed is a card that was taken out of a machine.
type Removed struct {
	card  Card
	links []link // to the card, from elsewhere in the machine
	stash string
	dir   string // the card's folder under sys/devices
}

type link struct{ path, target string }

// Remove takes a card away, with everything that points to it, in the kernel's order.
func (m *Machine) Remove(pci string) Removed {
	m.t.Helper()
	card := m.Card(pci)
	dir, err := filepath.EvalSymlinks(m.path("sys/bus/pci/devices", pci))
	m.must(err)
	removed := Removed{card: card, stash: m.t.TempDir(), dir: dir, links: m.linksTo(card, dir)}
	m.must(ignoreMissing(os.Remove(m.path(card.Node()))))
	for _, l := range removed.links {
		m.must(os.Remove(l.path))
	}
	m.must(os.Rename(dir, filepath.Join(removed.stash, "device")))
	m.must(os.RemoveAll(m.path("proc/driver/tenstorrent", strconv.Itoa(card.Ordinal))))
	return removed
}

// Restore puts a card back where it was, under an ordinal that may be another one.
func (m *Machine) Restore(removed Removed, ordinal int) {
	m.t.Helper()
	number := strconv.Itoa(ordinal)
	inStash := filepath.Join(removed.stash, "device", "tenstorrent")
	entry := filepath.Join(inStash, "tenstorrent!"+number)
	if ordinal != removed.card.Ordinal {
		m.must(os.Rename(filepath.Join(inStash, "tenstorrent!"+strconv.Itoa(removed.card.Ordinal)), entry))
		major, _, _ := strings.Cut(m.read(entry, "dev"), ":")
		m.must(os.WriteFile(filepath.Join(entry, "dev"), []byte(major+":"+number+"\n"), 0o644))
		uevent := fmt.Sprintf("MAJOR=%s\nMINOR=%s\nDEVNAME=tenstorrent/%s\n", major, number, number)
		m.must(os.WriteFile(filepath.Join(entry, "uevent"), []byte(uevent), 0o644))
	}
	m.must(os.MkdirAll(filepath.Dir(removed.dir), 0o755))
	m.must(os.Rename(filepath.Join(removed.stash, "device"), removed.dir))
	m.Write(filepath.Join("proc/driver/tenstorrent", number, "pids"), "")
	m.Write("dev/tenstorrent/"+number, "")
	for _, l := range slices.Backward(removed.links) {
		m.must(os.MkdirAll(filepath.Dir(l.path), 0o755))
		m.must(os.Symlink(renumber(l.target, removed.card.Ordinal, ordinal), renumber(l.path, removed.card.Ordinal, ordinal)))
	}
}

// renumber changes the ordinal where a path ends in one of the driver's names for a card.
func renumber(path string, from, to int) string {
	for _, prefix := range []string{"tenstorrent!", "236:", "../"} {
		if head, found := strings.CutSuffix(path, prefix+strconv.Itoa(from)); found {
			return head + prefix + strconv.Itoa(to)
		}
	}
	return path
}

// linksTo is every link outside sys/devices that leads into a card's folder, and the names udev gave to its node, in
// the order in which they go away.
func (m *Machine) linksTo(card Card, dir string) []link {
	m.t.Helper()
	var links []link
	for _, top := range []string{"dev", "sys/dev", "sys/class", "sys/bus", "sys/kernel"} {
		err := filepath.WalkDir(m.path(top), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.Type()&fs.ModeSymlink == 0 {
				return ignoreMissing(err)
			}
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			leads := filepath.Join(filepath.Dir(path), target)
			if leads == dir || strings.HasPrefix(leads, dir+"/") || leads == m.path(card.Node()) {
				links = append(links, link{path, target})
			}
			return nil
		})
		m.must(err)
	}
	return links
}

// RemoveAll takes all cards away.
func (m *Machine) RemoveAll() []Removed {
	m.t.Helper()
	var removed []Removed
	for _, card := range m.Cards() {
		removed = append(removed, m.Remove(card.PCI))
	}
	return removed
}

// Strip takes the cards and the driver away, so that the machine is one that never had any. The function that is
// returned loads the driver, and with it come the cards.
func (m *Machine) Strip() (load func()) {
	m.t.Helper()
	cards := m.RemoveAll()
	gone := []string{"sys/class/tenstorrent", "sys/bus/pci/drivers/tenstorrent", "sys/module/tenstorrent", "dev/tenstorrent",
		"proc/driver/tenstorrent"}
	stash := m.t.TempDir()
	for i, name := range gone {
		if err := os.Rename(m.path(name), filepath.Join(stash, strconv.Itoa(i))); !os.IsNotExist(err) {
			m.must(err)
		}
	}
	return func() {
		m.t.Helper()
		for i, name := range gone {
			if err := os.Rename(filepath.Join(stash, strconv.Itoa(i)), m.path(name)); !os.IsNotExist(err) {
				m.must(err)
			}
		}
		for _, removed := range cards {
			m.Restore(removed, removed.card.Ordinal)
		}
	}
}
