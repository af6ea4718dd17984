// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Machine is a captured host, unpacked where it can be changed: sys/, proc/ and dev/ under Root, plain files for
// device nodes. It is read here without any of cleave's code, so that the two can disagree.
type Machine struct {
	t    testing.TB
	Root string

	mutex   sync.Mutex
	stopped map[string]bool // PCI addresses of cards whose heartbeat stands still; guarded by mutex
}

// Card is what the machine's own files say of one card.
type Card struct {
	PCI     string // its address, which is also its device id
	Ordinal int
	Type    string
	Serial  string
	NUMA    int // -1 when the machine does not say
}

// Node is the card's device node.
func (c Card) Node() string { return fmt.Sprintf("/dev/tenstorrent/%d", c.Ordinal) }

// MachineDir is where captured machines and cluster descriptors are.
func MachineDir(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("CLEAVE_MACHINES")
	if dir == "" {
		dir = "../machines"
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// Unpack makes a machine of <name>.tar.zst for one test.
func Unpack(t testing.TB, name string) *Machine {
	t.Helper()
	file, err := os.Open(filepath.Join(MachineDir(t), name+".tar.zst"))
	if err != nil {
		t.Fatalf("captured machine: %v", err)
	}
	defer file.Close()
	plain, err := zstd.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	m := &Machine{t: t, Root: t.TempDir(), stopped: map[string]bool{}}
	for archive := tar.NewReader(plain); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		m.unpackEntry(header, archive)
	}
	if _, err := os.Stat(m.path("sys")); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	m.beat()
	return m
}

// unpackEntry leaves out the archive's top folder, which has the machine's name.
func (m *Machine) unpackEntry(header *tar.Header, content io.Reader) {
	m.t.Helper()
	_, inside, _ := strings.Cut(strings.TrimPrefix(filepath.Clean(header.Name), "./"), "/")
	if inside == "" {
		return
	}
	path := m.path(inside)
	switch header.Typeflag {
	case tar.TypeDir:
		m.must(os.MkdirAll(path, 0o755))
	case tar.TypeSymlink:
		m.must(os.MkdirAll(filepath.Dir(path), 0o755))
		m.must(os.Symlink(header.Linkname, path))
	case tar.TypeReg:
		text, err := io.ReadAll(content)
		m.must(err)
		m.must(os.MkdirAll(filepath.Dir(path), 0o755))
		m.must(os.WriteFile(path, text, 0o644))
	default:
		m.t.Fatalf("entry %s of the archive is neither folder, link nor file", header.Name)
	}
}

func (m *Machine) path(parts ...string) string {
	return filepath.Join(append([]string{m.Root}, parts...)...)
}

func (m *Machine) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatalf("changing the machine: %v", err)
	}
}

// beat lets the firmware's heartbeat of every card count on, as on a machine that lives, until the test ends.
func (m *Machine) beat() {
	stop, stopped := make(chan struct{}), make(chan struct{})
	m.t.Cleanup(func() { close(stop); <-stopped })
	go func() {
		defer close(stopped)
		ticks := time.NewTicker(time.Second)
		defer ticks.Stop()
		for n := 200000; ; n++ {
			select {
			case <-stop:
				return
			case <-ticks.C:
			}
			hearts, _ := filepath.Glob(m.path("sys/bus/pci/devices/*/tenstorrent/*/tt_heartbeat"))
			for _, heart := range hearts {
				m.beatOnce(heart, n)
			}
		}
	}()
}

func (m *Machine) beatOnce(heart string, n int) {
	device := filepath.Base(filepath.Dir(filepath.Dir(filepath.Dir(heart))))
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.stopped[device] {
		return
	}
	// Without O_CREATE: a card that is being taken away must not come back half.
	if file, err := os.OpenFile(heart, os.O_WRONLY, 0); err == nil {
		_, _ = fmt.Fprintf(file, "%d\n", n)
		_ = file.Close()
	}
}

// StopHeart lets a card's heartbeat stand still until the function that is returned is called.
func (m *Machine) StopHeart(pci string) (goOn func()) {
	set := func(stopped bool) {
		m.mutex.Lock()
		defer m.mutex.Unlock()
		m.stopped[pci] = stopped
	}
	set(true)
	return func() { set(false) }
}

var entryName = regexp.MustCompile(`^tenstorrent!([0-9]+)$`)

// Cards is the machine's cards by PCI address.
func (m *Machine) Cards() []Card {
	m.t.Helper()
	entries, err := os.ReadDir(m.path("sys/class/tenstorrent"))
	if err != nil && !os.IsNotExist(err) {
		m.t.Fatal(err)
	}
	var cards []Card
	for _, entry := range entries {
		match := entryName.FindStringSubmatch(entry.Name())
		if match == nil {
			m.t.Fatalf("unexpected class entry %s", entry.Name())
		}
		class := m.path("sys/class/tenstorrent", entry.Name())
		device, err := filepath.EvalSymlinks(filepath.Join(class, "device"))
		m.must(err)
		card := Card{PCI: filepath.Base(device), NUMA: -1}
		card.Ordinal, _ = strconv.Atoi(match[1])
		card.Type = m.read(class, "tt_card_type")
		card.Serial = m.read(class, "tt_serial")
		if node, err := strconv.Atoi(m.read(device, "numa_node")); err == nil {
			card.NUMA = node
		}
		cards = append(cards, card)
	}
	slices.SortFunc(cards, func(a, b Card) int { return strings.Compare(a.PCI, b.PCI) })
	return cards
}

// Card is the card at a PCI address.
func (m *Machine) Card(pci string) Card {
	m.t.Helper()
	for _, card := range m.Cards() {
		if card.PCI == pci {
			return card
		}
	}
	m.t.Fatalf("no card at %s", pci)
	return Card{}
}

// NeedsHugepages says whether a container that holds the card needs /dev/hugepages-1G and the host has it.
func (m *Machine) NeedsHugepages(card Card) bool {
	m.t.Helper()
	mounts, _ := os.ReadFile(m.path("proc/mounts"))
	mounted := regexp.MustCompile(`(?m)^\S+ /dev/hugepages-1G hugetlbfs `).Match(mounts)
	group, err := os.ReadFile(m.path("sys/bus/pci/devices", card.PCI, "iommu_group/type"))
	return mounted && (err != nil || !strings.HasPrefix(string(group), "DMA"))
}

func (m *Machine) read(parts ...string) string {
	m.t.Helper()
	text, err := os.ReadFile(filepath.Join(parts...))
	m.must(err)
	return strings.TrimSpace(string(text))
}

// Write replaces the content of a file of the host.
func (m *Machine) Write(name, text string) {
	m.t.Helper()
	m.must(os.MkdirAll(filepath.Dir(m.path(name)), 0o755))
	m.must(os.WriteFile(m.path(name), []byte(text), 0o644))
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
