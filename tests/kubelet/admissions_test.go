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

// A machine all of whose cards are offered in all shapes at once, one of them at a time.
type shapeCase struct {
	name    string
	machine string
	config  string
	most    map[string]int // by resource: how many devices a pod asks for at most
}

// shape is one [[resource]] with overlap = "exclusive".
func shape(name, keys string) string {
	return fmt.Sprintf("[[resource]]\nname = %q\n%s\noverlap = \"exclusive\"\n", name, keys)
}

var shapeCases = []shapeCase{
	// Many shares make long lists, behind which the kubelet's view lags: so races happen.
	{name: "long-lists", machine: "tenstorrent-4x-n300",
		config: shape(whole, "") + shape(half, "unit = \"share\"\nshares = 2") + shape(quarter, "unit = \"share\"\nshares = 500"),
		most:   map[string]int{whole: 2, half: 3, quarter: 5}},
	// The instances that the host has made, the GPU with all its instances, and shares of the GPUs without any.
	{name: "biren", machine: "vendors/biren-runc-svi",
		config: "profiles = [\"biren\"]\n" + shape(wholeBiren, "unit = \"card\"") +
			shape("birentech.com/1-{pieces}-gpu", "where = { pieces = \"> 1\" }\nunit = \"partition\"") +
			shape("birentech.com/half", "where = { pieces = 1 }\nunit = \"share\"\nshares = 2") +
			shape("birentech.com/quarter", "where = { pieces = 1 }\nunit = \"share\"\nshares = 4"),
		most: map[string]int{wholeBiren: 2, "birentech.com/1-2-gpu": 2, quarterBiren: 3, "birentech.com/half": 3, "birentech.com/quarter": 5}},
	// Virtual functions, the GPU with all of them, and shares of the GPUs without any.
	{name: "intel", machine: "vendors/intel-flex4-sriov",
		config: "profiles = [\"intel-gpu\"]\n" + shape("gpu.intel.com/i915", "unit = \"card\"") +
			shape("gpu.intel.com/vf", "where = { \"pci.physfn\" = \"*\" }\nunit = \"partition\"") +
			shape("gpu.intel.com/half", "where = { \"pci.physfn\" = \"!*\" }\nunit = \"share\"\nshares = 2") +
			shape("gpu.intel.com/quarter", "where = { \"pci.physfn\" = \"!*\" }\nunit = \"share\"\nshares = 4"),
		most: map[string]int{"gpu.intel.com/i915": 2, "gpu.intel.com/vf": 2, "gpu.intel.com/half": 3, "gpu.intel.com/quarter": 5}},
}

// cards is the card of every device id and of every device node, from what is known of the machine and not from cleave.
// The id of a share is looked up without its number.
func (c shapeCase) cards(t *testing.T, m *harness.Machine) map[string]string {
	t.Helper()
	cards := map[string]string{}
	if facts, isVendors := strings.CutPrefix(c.machine, "vendors/"); isVendors {
		for id, device := range vendorFacts(t, facts, "") {
			cards[id] = device.Card
			for _, node := range device.nodes() {
				cards[node] = device.Card
			}
		}
		return cards
	}
	for _, card := range m.Cards() {
		cards[card.PCI], cards[card.Node()] = card.PCI, card.PCI
	}
	return cards
}

// runningPod is a pod with devices of one shape.
type runningPod struct {
	pod   *v1.Pod
	shape string
	ids   []string
	cards []string
	known bool // Allocate has been called for another pod since, so that cleave has seen this one listed
}

// freedCard is a card that no pod holds and whose other shapes are not yet offered again.
type freedCard struct {
	at     time.Time
	shape  string // the one it was in
	unseen bool   // a pod that held it went before cleave saw it listed
}

// walk is a machine on which pods of all shapes come and go at random.
type walk struct {
	t      *testing.T
	k      *harness.Kubelet
	name   string
	step   int
	owner  map[string]string              // cards by id and by device node
	shapes map[string]map[string][]string // all ids by shape and card
	pods   []*runningPod
	freed  map[string]freedCard

	admitted, removed, races, nothingLeft, tooEarly int
}

func newWalk(t *testing.T, k *harness.Kubelet, test shapeCase, owner map[string]string) *walk {
	w := &walk{t: t, k: k, name: test.name, owner: owner, shapes: map[string]map[string][]string{}, freed: map[string]freedCard{}}
	for shape := range test.most {
		w.shapes[shape] = map[string][]string{}
		for id := range k.Listed(shape) {
			card := w.cardOf(id)
			w.shapes[shape][card] = append(w.shapes[shape][card], id)
		}
	}
	return w
}

func (w *walk) cardOf(what string) string {
	stem, _, _ := strings.Cut(what, "::")
	card, known := w.owner[stem]
	if !known {
		w.t.Fatalf("step %d: %s is of no card", w.step, what)
	}
	return card
}

func (w *walk) cardsOf(names []string) []string {
	var cards []string
	for _, name := range names {
		cards = append(cards, w.cardOf(name))
	}
	slices.Sort(cards)
	return slices.Compact(cards)
}

// shapeOf is in which shape a card is in use, and how many of its devices are; "" and 0 when it is free.
func (w *walk) shapeOf(card string) (shape string, used int) {
	for _, p := range w.pods {
		for _, id := range p.ids {
			if w.cardOf(id) == card {
				shape, used = p.shape, used+1
			}
		}
	}
	return shape, used
}

// left is how many devices of a shape there would be if cleave and the kubelet knew of everything at once.
func (w *walk) left(shape string) int {
	left := 0
	for card, ids := range w.shapes[shape] {
		if in, used := w.shapeOf(card); used == 0 || in == shape {
			left += len(ids) - used
		}
	}
	return left
}

// check is what must hold at every moment: each card in one shape, each device in one pod, and device nodes that are
// those of the ids' cards.
func (w *walk) check() {
	w.t.Helper()
	shapes, given := map[string]string{}, map[string]string{}
	for _, p := range w.pods {
		for _, id := range p.ids {
			if other, taken := given[p.shape+" "+id]; taken {
				w.t.Fatalf("step %d: %s of %s is promised to %s and to %s", w.step, id, p.shape, other, p.pod.Name)
			}
			given[p.shape+" "+id] = p.pod.Name
		}
		for _, card := range p.cards {
			if other, taken := shapes[card]; taken && other != p.shape {
				w.t.Fatalf("step %d: card %s is promised as %s and as %s", w.step, card, other, p.shape)
			}
			shapes[card] = p.shape
		}
	}
}

func (w *walk) admit(shape string, n int) {
	w.t.Helper()
	left := w.left(shape)
	pod := one(shape, int64(n))
	began := time.Now()
	result := w.k.Admit(pod)
	took := time.Since(began)
	race := !result.Admit && strings.Contains(result.Message, "is withheld: card")
	if result.Admit || race {
		harness.Sample(w.name+": an admission, Allocate included", took)
		for _, p := range w.pods {
			p.known = true
		}
	}
	switch {
	case result.Admit:
		w.admitted++
		p := &runningPod{pod: pod, shape: shape, ids: w.k.Held(pod, "c0")}
		p.cards = w.cardsOf(nodePaths(w.k, pod, "c0"))
		want(w.t, "cards of the device nodes and of the ids", p.cards, w.cardsOf(p.ids))
		w.pods = append(w.pods, p)
		for _, card := range p.cards {
			delete(w.freed, card)
		}
		w.check()
	case race:
		w.races++
		if !strings.Contains(result.Message, " is in use as ") || !strings.Contains(result.Message, "device ") {
			w.t.Fatalf("step %d: the reason names no holder: %s", w.step, result.Message)
		}
	case contains(result.Message, "no healthy devices present", "unavailable"):
		w.nothingLeft++
		if n <= left {
			w.tooEarly++
		}
	default:
		w.t.Fatalf("step %d: %s: %s", w.step, result.Reason, result.Message)
	}
}

func (w *walk) remove(i int) {
	p := w.pods[i]
	w.k.Delete(p.pod)
	w.pods = slices.Delete(w.pods, i, i+1)
	w.removed++
	for _, card := range p.cards {
		if _, used := w.shapeOf(card); used == 0 {
			w.freed[card] = freedCard{time.Now(), p.shape, !p.known}
		}
	}
}

// exact is nil when the kubelet is offered what it should be: all but the other shapes of cards that are in use.
func (w *walk) exact() error {
	for shape, cards := range w.shapes {
		withheld := []string{}
		for card, ids := range cards {
			if in, used := w.shapeOf(card); used > 0 && in != shape {
				withheld = append(withheld, ids...)
			}
		}
		slices.Sort(withheld)
		if sick := w.k.Sick(shape); !slices.Equal(sick, withheld) {
			return fmt.Errorf("step %d: withheld of %s: %v, want %v", w.step, shape, sick, withheld)
		}
	}
	return nil
}

// quiet is a while in which no pod comes or goes.
func (w *walk) quiet(while time.Duration) {
	// Behind long lists the device manager may be at an older one that happens to be right, too.
	harness.EventuallyFor(w.t, while, "what is offered", w.exact)
	for _, p := range w.pods {
		p.known = p.known || while > 300*time.Millisecond // cleave asks after 100 ms
	}
}

// note measures the cards all shapes of which are offered again.
func (w *walk) note(how string) {
	if len(w.freed) == 0 {
		return
	}
	sick := map[string]bool{} // shape and card
	for shape := range w.shapes {
		for _, id := range w.k.Sick(shape) {
			sick[shape+" "+w.cardOf(id)] = true
		}
	}
	for card, freed := range w.freed {
		back := true
		for shape := range w.shapes {
			back = back && !sick[shape+" "+card]
		}
		if !back {
			continue
		}
		class := how
		if freed.unseen {
			class = ", pod gone at once"
		}
		harness.Sample(w.name+": a freed card to all its shapes offered"+class, time.Since(freed.at))
		delete(w.freed, card)
	}
}

// settle waits until all freed cards are offered in all shapes, those aside that take 30 s.
func (w *walk) settle(how string) {
	harness.Eventually(w.t, "freed shapes", func() error {
		w.note(how)
		for card, freed := range w.freed {
			if !freed.unseen {
				return fmt.Errorf("step %d: card %s, free since %v, is not back: %v", w.step, card, time.Since(freed.at), w.k.Counts())
			}
		}
		return nil
	})
}

// Pods of all shapes come and go at random, most without a pause. At no moment is a card in two shapes, and who loses a
// race is told why. CLEAVE_ADMISSIONS says how many admissions and removals there are on each machine.
func TestNoCardIsPromisedTwice(t *testing.T) {
	steps := 600
	if text := os.Getenv("CLEAVE_ADMISSIONS"); text != "" {
		var err error
		if steps, err = strconv.Atoi(text); err != nil {
			t.Fatalf("CLEAVE_ADMISSIONS: %v", err)
		}
	}
	for _, test := range shapeCases {
		t.Run(test.name, func(t *testing.T) {
			m := harness.Unpack(t, test.machine)
			k := harness.StartKubelet(t, harness.KubeletOptions{NUMANodes: 2})
			c := harness.StartCleave(t, harness.CleaveOptions{Machine: m, Config: test.config})
			harness.Eventually(t, "all shapes", func() error {
				counts := k.Counts()
				for shape := range test.most {
					if count := counts[shape]; count.Allocatable == 0 || count != harness.All(count.Capacity) {
						return fmt.Errorf("node has %v", counts)
					}
				}
				return nil
			})
			w := newWalk(t, k, test, test.cards(t, m))
			random := rand.New(rand.NewSource(20261121))
			shapes := sortedKeys(test.most)
			for w.step = range steps {
				w.note("")
				if w.step%25 == 24 {
					w.settle("")
				}
				if w.step%100 == 99 && len(w.pods) > 0 && len(w.freed) == 0 {
					// On a node where nothing else happens cleave hears of a pod that went only when it asks by itself.
					w.quiet(time.Duration(random.Int63n(int64(1200 * time.Millisecond))))
					w.remove(0)
					w.settle(", on a quiet node")
				}
				// A pod lives long enough to be listed; once in a while one does not, as when the kubelet refuses it for another reason.
				known := slices.DeleteFunc(slices.Clone(w.pods), func(p *runningPod) bool { return !p.known })
				switch {
				case len(w.pods) > 0 && random.Intn(1000) == 0:
					w.remove(len(w.pods) - 1)
				case len(known) > 0 && random.Intn(9) < 4:
					w.remove(slices.Index(w.pods, known[random.Intn(len(known))]))
				default:
					shape := shapes[random.Intn(len(shapes))]
					w.admit(shape, 1+random.Intn(test.most[shape]))
				}
			}
			t.Logf("%d steps: %d admitted, %d removed, %d refused by Allocate because another shape was in use, %d by the kubelet because it knew of too few, %d of these though there would have been enough",
				steps, w.admitted, w.removed, w.races, w.nothingLeft, w.tooEarly)
			if w.admitted < steps/20 {
				t.Errorf("only %d of %d were admitted", w.admitted, steps)
			}
			for len(w.pods) > 0 {
				w.remove(0)
			}
			// What was given and taken back before the kubelet ever listed it is free after 30 s.
			harness.EventuallyWithin(t, time.Minute, "all shapes back", func() error {
				w.note("")
				if len(w.freed) > 0 {
					return fmt.Errorf("%v are not back, node has %v", sortedKeys(w.freed), k.Counts())
				}
				return nil
			})
			if _, page := c.Get("/metrics"); w.races > 0 && !strings.Contains(page, "cleave_allocate_races_lost_total{") {
				t.Error("races are not counted")
			}
		})
	}
}
