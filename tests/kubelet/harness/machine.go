// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
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
