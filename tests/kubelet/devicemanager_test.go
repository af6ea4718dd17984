// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"fmt"
	"testing"

	"cleave.test/kubelet/harness"
)

// The tests in this file need no cleave. They hold what cleave has to guard against in the device manager, each shown
// with a plugin that does not guard. When one of them fails after an update of k8s.io/kubernetes, the kubelet has
// become better, and a guard in cleave may have become unnecessary.

const fake = "example.com/fake"

// Clients are kept by resource name alone: when the stream of an old instance ends, it is the new one's that is cut.
func TestDeviceManagerCutsTheNewInstanceWhenTheOldOneEnds(t *testing.T) {
	k := harness.StartKubelet(t, harness.KubeletOptions{})
	old := harness.StartPlugin(t, fake, "old.sock", harness.FakeDevice("0"), harness.FakeDevice("1"))
	k.Await(fake, harness.All(2))
	replacement := harness.StartPlugin(t, fake, "new.sock", harness.FakeDevice("0"), harness.FakeDevice("1"), harness.FakeDevice("2"))
	k.Await(fake, harness.All(3))
	old.Stop()
	<-replacement.Ended
	k.Await(fake, harness.Count{Capacity: 3, Allocatable: 0})
	replacement.Register()
	k.Await(fake, harness.All(3))
}

// A lost stream is not dialed again, and the pod that has the device is told nothing.
func TestDeviceManagerNeverRedials(t *testing.T) {
	k := harness.StartKubelet(t, harness.KubeletOptions{})
	plugin := harness.StartPlugin(t, fake, "fake.sock", harness.FakeDevice("0"))
	k.Await(fake, harness.All(1))
	k.Disconnect(fake)
	<-plugin.Ended
	k.Await(fake, harness.Count{Capacity: 1, Allocatable: 0})
}

// An id that is in use and no longer listed is a null pointer when the pod's hints are made again, and shows as
// healthy until then.
func TestDeviceManagerPanicsWhenAnIDInUseIsDropped(t *testing.T) {
	k := harness.StartKubelet(t, harness.KubeletOptions{NUMANodes: 2, Policy: bestEffort})
	plugin := harness.StartPlugin(t, fake, "fake.sock", harness.FakeDevice("0", 0), harness.FakeDevice("1", 1))
	k.Await(fake, harness.All(2))
	pod := k.MustAdmit(one(fake, 1))
	held := k.Held(pod, "c0")[0]
	kept := map[string]string{"0": "1", "1": "0"}[held]
	plugin.Announce(harness.FakeDevice(kept, 0))
	k.Await(fake, harness.All(1))
	want(t, "health in the pod's status", k.StatusHealth(pod)[held], "Healthy")
	defer func() {
		if recover() == nil {
			t.Error("admitting the pod again did not panic")
		}
	}()
	k.Readmit(pod)
}

// Node -1, as sysfs says it, is no node at all for the kubelet: nothing fits and every pod is rejected.
func TestDeviceManagerRejectsEveryPodForNUMANodeMinusOne(t *testing.T) {
	for _, nodes := range [][]int64{{-1}, nil} {
		t.Run(fmt.Sprint(nodes), func(t *testing.T) {
			k := harness.StartKubelet(t, harness.KubeletOptions{NUMANodes: 2, Policy: restricted})
			harness.StartPlugin(t, fake, "fake.sock", harness.FakeDevice("0", nodes...))
			k.Await(fake, harness.All(1))
			want(t, "admitted", k.Admit(one(fake, 1)).Admit, nodes == nil)
		})
	}
}
