// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"cleave.test/kubelet/harness"
)

// stable fails the test unless a resource stays as it is for a while: whoever registers again and again is healthy
// now and then, too.
func stable(t *testing.T, k *harness.Kubelet, resource string, count harness.Count) {
	t.Helper()
	harness.Consistently(t, 300*time.Millisecond, resource, func() error { return k.Has(resource, count) })
}

// usable admits and deletes a pod with all cards.
func usable(t *testing.T, k *harness.Kubelet, resource string, n int64) {
	t.Helper()
	pod := k.MustAdmit(one(resource, n))
	want(t, "number of nodes", int64(len(nodePaths(k, pod, "c0"))), n)
	k.Delete(pod)
}

// A kubelet that comes back deletes every socket in its directory and knows nobody. Pods keep what they have, from
// the checkpoint, and get admitted again before and after the plugin is back.
func TestKubeletRestart(t *testing.T) {
	for _, options := range kubelets(2) {
		t.Run(options.String(), func(t *testing.T) {
			m := t3k(t)
			k, c := start(t, options, harness.CleaveOptions{Machine: m}, map[string]int64{n300: 4})
			pod := k.MustAdmit(one(n300, 2))
			held, nodes := k.Held(pod, "c0"), nodePaths(k, pod, "c0")
			for range 5 {
				before := harness.PluginSockets(t)
				k.Stop()
				started := k.Start()
				want(t, "cards after the restart", k.Held(pod, "c0"), held)
				k.Await(n300, harness.All(4))
				harness.Measure(t, "kubelet.sock to allocatable", time.Since(started))
				if after := harness.PluginSockets(t); maps.Equal(before, after) {
					t.Errorf("sockets are still %v; the kubelet deletes them", after)
				}
				if result := k.Readmit(pod); !result.Admit {
					t.Errorf("rejected when the plugin was back: %s: %s", result.Reason, result.Message)
				}
				want(t, "cards", k.Held(pod, "c0"), held)
				want(t, "nodes", nodePaths(k, pod, "c0"), nodes)
				checkContainer(t, k, pod, "c0", m, heldCards(k, pod, "c0", m))
				other := k.MustAdmit(one(n300, 2))
				if both := slices.Concat(held, k.Held(other, "c0")); len(slices.Compact(slices.Sorted(slices.Values(both)))) != 4 {
					t.Errorf("cards are used twice: %v", both)
				}
				k.Delete(other)
			}
			stable(t, k, n300, harness.All(4))
			c.AwaitReady(http.StatusOK)
		})
	}
}

// A kubelet that restarts before anybody has had time to register.
func TestKubeletRestartsInQuickSuccession(t *testing.T) {
	k, _, _ := startT3K(t)
	for range 20 {
		k.Stop()
		k.Start()
	}
	k.Await(n300, harness.All(4))
	stable(t, k, n300, harness.All(4))
	usable(t, k, n300, 4)
}

// All resources come back after a restart, and a kubelet that is away for a while is waited for.
func TestKubeletAwayForAWhile(t *testing.T) {
	host := hosts[3]
	m := harness.Unpack(t, host.name)
	k, c := start(t, harness.KubeletOptions{NUMANodes: 2}, harness.CleaveOptions{Machine: m}, host.resources)
	k.Stop()
	c.AwaitReady(http.StatusServiceUnavailable)
	harness.Consistently(t, 2*time.Second, "cleave without a kubelet", func() error {
		if c.Exited() {
			return fmt.Errorf("it ended")
		}
		return nil
	})
	started := k.Start()
	k.AwaitCounts(healthy(host.resources))
	harness.Measure(t, "kubelet.sock to allocatable, away 2 s, 3 resources", time.Since(started))
	c.AwaitReady(http.StatusOK)
}

// The kubelet drops its connection, kubelet.sock stays and nobody dials again: only the plugin can mend that.
func TestLostStream(t *testing.T) {
	k, c, _ := startT3K(t)
	for range 5 {
		k.Disconnect(n300)
		harness.Measure(t, "lost stream to allocatable", k.Await(n300, harness.All(4)))
	}
	stable(t, k, n300, harness.All(4))
	// One for each loss, and one more when it was quick enough to meet the device manager still cleaning up.
	if n := k.Registrations(n300); n > 1+2*5 {
		t.Errorf("registered %d times for 5 lost streams", n)
	}
	usable(t, k, n300, 4)
	c.AwaitReady(http.StatusOK)
}

// Somebody tidies up the directory. The stream is still open, but the next kubelet client would find no socket.
func TestOwnSocketRemoved(t *testing.T) {
	k, c, _ := startT3K(t)
	for range 3 {
		before := harness.PluginSockets(t)
		for path := range before {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
		harness.Eventually(t, "a new socket that answers", func() error {
			after := harness.PluginSockets(t)
			if len(after) != len(before) {
				return fmt.Errorf("sockets are %v", after)
			}
			return allAnswer(after)
		})
		k.Await(n300, harness.All(4))
		stable(t, k, n300, harness.All(4))
		usable(t, k, n300, 4)
	}
	c.AwaitReady(http.StatusOK)
}

func allAnswer(sockets map[string]uint64) error {
	for path := range sockets {
		connection, err := net.Dial("unix", path)
		if err != nil {
			return err
		}
		connection.Close()
	}
	return nil
}

// Two daemons for a moment, as with maxSurge or a forced delete. When the old one ends, the device manager disconnects
// the new one (TestDeviceManagerCutsTheNewInstanceWhenTheOldOneEnds), which has to register again.
func TestOldAndNewDaemonOverlap(t *testing.T) {
	for _, end := range []string{"SIGTERM", "SIGKILL"} {
		t.Run(end, func(t *testing.T) {
			m := t3k(t)
			k, old := start(t, harness.KubeletOptions{NUMANodes: 2}, harness.CleaveOptions{Machine: m}, map[string]int64{n300: 4})
			pod := k.MustAdmit(one(n300, 1))
			socketsOfOld := harness.PluginSockets(t)
			replacement := harness.StartCleave(t, harness.CleaveOptions{Machine: m})
			replacement.AwaitReady(http.StatusOK)
			socketsOfNew := harness.PluginSockets(t)
			for path, inode := range socketsOfOld {
				if socketsOfNew[path] == inode {
					delete(socketsOfNew, path)
				}
			}
			if len(socketsOfNew) == 0 {
				t.Fatal("the new daemon has no socket of its own")
			}
			if end == "SIGTERM" {
				old.Stop()
			} else {
				old.Kill()
			}
			ended := time.Now()
			// Until it is registered a third time, four are allocatable because the device manager has not looked yet.
			k.AwaitRegistration(n300, 3)
			k.Await(n300, harness.All(4))
			harness.Measure(t, "old daemon gone ("+end+") to allocatable", time.Since(ended))
			stable(t, k, n300, harness.All(4))
			now := harness.PluginSockets(t)
			for path := range socketsOfNew {
				if now[path] == 0 {
					t.Errorf("socket %s of the new daemon is gone", path)
				}
			}
			if result := k.Readmit(pod); !result.Admit {
				t.Errorf("the pod of before was rejected: %s: %s", result.Reason, result.Message)
			}
			usable(t, k, n300, 3)
			replacement.AwaitReady(http.StatusOK)
		})
	}
}

// SIGTERM: exit status 0, the sockets gone, nothing allocatable, running pods untouched.
func TestTermination(t *testing.T) {
	k, c, _ := startT3K(t)
	pod := k.MustAdmit(one(n300, 1))
	nodes := nodePaths(k, pod, "c0")
	harness.Measure(t, "SIGTERM to exit", c.Stop())
	want(t, "sockets", harness.PluginSockets(t), map[string]uint64{})
	k.Await(n300, harness.Count{Capacity: 4, Allocatable: 0})
	want(t, "nodes of the pod", nodePaths(k, pod, "c0"), nodes)
}

// SIGTERM while there is no kubelet, and while there is no answer from it.
func TestTerminationWithoutKubelet(t *testing.T) {
	c := harness.StartCleave(t, harness.CleaveOptions{Machine: t3k(t)})
	c.AwaitReady(http.StatusServiceUnavailable)
	c.Stop()
	want(t, "sockets", harness.PluginSockets(t), map[string]uint64{})

	// A listener that accepts and is silent.
	listener, err := net.Listen("unix", harness.KubeletSocket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	c = harness.StartCleave(t, harness.CleaveOptions{Machine: t3k(t)})
	connection, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	c.Stop()
}

// SIGKILL leaves sockets behind; the next daemon cleans up and works.
func TestStartAfterSIGKILL(t *testing.T) {
	k, c, m := startT3K(t)
	pod := k.MustAdmit(one(n300, 1))
	held := k.Held(pod, "c0")
	c.Kill()
	want(t, "sockets left behind", len(harness.PluginSockets(t)), 1)
	k.Await(n300, harness.Count{Capacity: 4, Allocatable: 0})
	harness.StartCleave(t, harness.CleaveOptions{Machine: m})
	k.Await(n300, harness.All(4))
	sockets := harness.PluginSockets(t)
	want(t, "number of sockets", len(sockets), 1)
	if err := allAnswer(sockets); err != nil {
		t.Errorf("a socket nobody listens at: %v", err)
	}
	want(t, "cards of the pod", k.Held(pod, "c0"), held)
	usable(t, k, n300, 3)
}

// The messages themselves, seen by a registration server that records them.

func startRecorded(t *testing.T) (*harness.Registrar, *harness.Cleave, *harness.Machine) {
	t.Helper()
	r := harness.StartRegistrar(t)
	m := t3k(t)
	c := harness.StartCleave(t, harness.CleaveOptions{Machine: m, KubeletIn: r.Dir})
	registration := r.AwaitRegistration()
	want(t, "resource", registration.Resource, n300)
	want(t, "number of devices", len(r.AwaitList().Devices), 4)
	return r, c, m
}

// Whatever ends a stream while kubelet.sock stays, another registration follows, within seconds and not at once and
// for ever.
func TestRegistersAgainAfterEveryKindOfLostStream(t *testing.T) {
	for _, test := range []struct {
		name string
		lose func(*harness.Registrar)
	}{
		{"call-cancelled", func(r *harness.Registrar) { r.CancelStream(n300) }},
		{"connection-closed", func(r *harness.Registrar) { r.CloseConnection(n300) }},
		{"kubelet-restarted", func(r *harness.Registrar) { r.Stop(); r.Start() }},
		{"kubelet-killed", func(r *harness.Registrar) { r.Kill(); r.Start() }},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, _, _ := startRecorded(t)
			for range 3 {
				lost := time.Now()
				test.lose(r)
				again := r.AwaitRegistration()
				if took := again.At.Sub(lost); took > 5*time.Second {
					t.Errorf("registered again after %v", took)
				}
				harness.Measure(t, test.name+" to next registration", again.At.Sub(lost))
				want(t, "number of devices in the first list", len(r.AwaitList().Devices), 4)
			}
		})
	}
}

// A kubelet that refuses is asked again, with pauses that grow.
func TestRefusedRegistrationIsTriedAgain(t *testing.T) {
	r := harness.StartRegistrar(t)
	const refusals = 3
	r.Refuse(refusals)
	harness.StartCleave(t, harness.CleaveOptions{Machine: t3k(t), KubeletIn: r.Dir})
	var attempts []harness.Registration
	for range refusals + 1 {
		attempts = append(attempts, r.AwaitRegistration())
	}
	want(t, "last attempt refused", attempts[refusals].Refused, false)
	for i, attempt := range attempts[1:] {
		pause := attempt.At.Sub(attempts[i].At)
		t.Logf("pause before attempt %d: %v", i+2, pause)
		if pause < 50*time.Millisecond {
			t.Errorf("attempt %d came %v after the one before", i+2, pause)
		}
	}
	want(t, "number of devices", len(r.AwaitList().Devices), 4)
}

// On a machine where nothing happens nothing is sent, and when something happens it is sent once.
func TestListsAreSentOnlyWhenTheyChange(t *testing.T) {
	r, _, m := startRecorded(t)
	harness.Consistently(t, 7*time.Second, "silence over a rescan", func() error {
		if n, registrations := len(r.Lists), len(r.Registrations); n+registrations > 0 {
			return fmt.Errorf("%d lists and %d registrations", n, registrations)
		}
		return nil
	})
	comeBack := m.FallOffTheBus(cardA)
	for _, sick := range []int{1, 0} {
		list := r.AwaitList()
		unhealthy := 0
		for _, device := range list.Devices {
			if device.Health != "Healthy" {
				unhealthy++
				want(t, "sick card", device.ID, cardA)
			}
		}
		want(t, "number of devices", len(list.Devices), 4)
		want(t, "sick cards", unhealthy, sick)
		comeBack()
	}
	harness.Consistently(t, time.Second, "silence afterwards", func() error {
		if n := len(r.Lists); n > 0 {
			return fmt.Errorf("%d lists", n)
		}
		return nil
	})
}

// A directory of the kubelet that appears after cleave does is found.
func TestKubeletDirectoryAppearsLater(t *testing.T) {
	r := harness.StartRegistrar(t)
	r.Stop()
	later := r.Dir
	r.Dir = filepath.Join(later, "not-yet")
	harness.StartCleave(t, harness.CleaveOptions{Machine: t3k(t), KubeletIn: r.Dir}).AwaitReady(http.StatusServiceUnavailable)
	if err := os.MkdirAll(filepath.Join(r.Dir, "device-plugins"), 0o750); err != nil {
		t.Fatal(err)
	}
	r.Start()
	r.AwaitRegistration()
	want(t, "number of devices", len(r.AwaitList().Devices), 4)
}
