// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	cadvisorapi "github.com/google/cadvisor/info/v1"
	"google.golang.org/grpc"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/kubelet/cm/containermap"
	"k8s.io/kubernetes/pkg/kubelet/cm/devicemanager"
	"k8s.io/kubernetes/pkg/kubelet/cm/topologymanager"
	"k8s.io/kubernetes/pkg/kubelet/config"
	"k8s.io/kubernetes/pkg/kubelet/lifecycle"
)

const (
	// KubeletDir is the kubelet's directory: a constant of the kubelet, a tmpfs of ours.
	KubeletDir = "/var/lib/kubelet"
	// SocketDir is where the kubelet and its device plugins have their sockets.
	SocketDir = KubeletDir + "/device-plugins"
	// KubeletSocket is where device plugins register.
	KubeletSocket = SocketDir + "/kubelet.sock"

	podResourcesSocket = KubeletDir + "/pod-resources/kubelet.sock"
)

// KubeletOptions say what machine the kubelet believes to run on and how strict it is about it.
type KubeletOptions struct {
	NUMANodes int    // how many NUMA nodes the machine has; 0 means 1
	Policy    string // none (default), best-effort, restricted or single-numa-node
	Scope     string // container (default) or pod
}

func (o KubeletOptions) String() string {
	if o.Scope == "" {
		return o.Policy
	}
	return o.Policy + "-" + o.Scope
}

// Kubelet is the part of a kubelet that deals with device plugins: the real device manager and topology manager, and
// the real pod-resources service in front of them. At most one can run at a time.
type Kubelet struct {
	t       testing.TB
	options KubeletOptions

	devices      *devicemanager.ManagerImpl
	topology     topologymanager.Manager
	podResources *grpc.Server
	sourcesReady atomic.Bool

	mutex sync.Mutex
	pods  []*v1.Pod // admitted and not deleted; guarded by mutex
}

// StartKubelet starts a kubelet that remembers nothing, and stops it with the test.
func StartKubelet(t testing.TB, options KubeletOptions) *Kubelet {
	t.Helper()
	options.NUMANodes = max(options.NUMANodes, 1)
	if options.Policy == "" {
		options.Policy = topologymanager.PolicyNone
	}
	if options.Scope == "" {
		options.Scope = topologymanager.ContainerTopologyScope
	}
	if err := os.RemoveAll(filepath.Join(SocketDir, "kubelet_internal_checkpoint")); err != nil {
		t.Fatal(err)
	}
	k := &Kubelet{t: t, options: options}
	k.sourcesReady.Store(true)
	k.start(containermap.NewContainerMap(), sets.New[string]())
	t.Cleanup(func() {
		k.Stop()
		if t.Failed() {
			t.Logf("log of the kubelet:\n%s", kubeletLog.tail())
		}
		kubeletLog.reset()
	})
	return k
}

func (k *Kubelet) start(containers containermap.ContainerMap, running sets.Set[string]) {
	k.t.Helper()
	var nodes []cadvisorapi.Node
	for id := range k.options.NUMANodes {
		nodes = append(nodes, cadvisorapi.Node{
			Id:     id,
			Memory: 64 << 30,
			Cores: []cadvisorapi.Core{
				{Id: 2 * id, SocketID: id, Threads: []int{4 * id, 4*id + 1}},
				{Id: 2*id + 1, SocketID: id, Threads: []int{4*id + 2, 4*id + 3}},
			},
		})
	}
	var err error
	if k.topology, err = topologymanager.NewManager(nodes, k.options.Policy, k.options.Scope, nil); err != nil {
		k.t.Fatalf("topology manager: %v", err)
	}
	if k.devices, err = devicemanager.NewManagerImpl(nodes, k.topology); err != nil {
		k.t.Fatalf("device manager: %v", err)
	}
	k.topology.AddHintProvider(klog.Background(), k.devices)
	k.servePodResources()
	ready := config.NewSourcesReady(func(sets.Set[string]) bool { return k.sourcesReady.Load() })
	if err = k.devices.Start(klog.Background(), k.GetActivePods, ready, containers, running); err != nil {
		k.t.Fatalf("device manager: %v", err)
	}
}

// Stop stops the kubelet as a kubelet stops: streams end, kubelet.sock goes, pods run on.
func (k *Kubelet) Stop() {
	k.t.Helper()
	if err := k.devices.Stop(klog.Background()); err != nil {
		k.t.Errorf("stopping the device manager: %v", err)
	}
	k.podResources.Stop()
}

// Start starts a stopped kubelet again: it deletes all sockets in its directory, reads its checkpoint and, before any
// plugin had a chance to register, admits once more the pods that run. Returns when kubelet.sock appeared.
func (k *Kubelet) Start() time.Time {
	k.t.Helper()
	containers, running := containermap.NewContainerMap(), sets.New[string]()
	pods := k.GetActivePods()
	for _, pod := range pods {
		for _, container := range pod.Spec.Containers {
			id := string(pod.UID) + "/" + container.Name
			containers.Add(string(pod.UID), container.Name, id)
			running.Insert(id)
		}
	}
	k.sourcesReady.Store(false)
	started := time.Now()
	k.start(containers, running)
	for _, pod := range pods {
		if result := k.Readmit(pod); !result.Admit {
			k.t.Errorf("pod %s ran when the kubelet restarted and was rejected: %s: %s", pod.Name, result.Reason, result.Message)
		}
	}
	k.sourcesReady.Store(true)
	return started
}

// Admit does what a kubelet does with a new pod, devices included. A pod that is refused is forgotten.
func (k *Kubelet) Admit(pod *v1.Pod) lifecycle.PodAdmitResult {
	k.mutex.Lock()
	k.pods = append(k.pods, pod)
	k.mutex.Unlock()
	result := k.Readmit(pod)
	if !result.Admit {
		k.Delete(pod)
	}
	return result
}

// MustAdmit is Admit for a pod that has to be let in.
func (k *Kubelet) MustAdmit(pod *v1.Pod) *v1.Pod {
	k.t.Helper()
	if result := k.Admit(pod); !result.Admit {
		k.t.Fatalf("pod %s was rejected: %s: %s", pod.Name, result.Reason, result.Message)
	}
	return pod
}

// Readmit runs admission again for a pod that is there, as after a restart and at an in-place resize.
func (k *Kubelet) Readmit(pod *v1.Pod) lifecycle.PodAdmitResult {
	return k.topology.Admit(&lifecycle.PodAdmitAttributes{Pod: pod, OtherPods: k.GetActivePods()})
}

// Delete forgets a pod. As in a kubelet, its devices are free when the next pod asks.
func (k *Kubelet) Delete(pod *v1.Pod) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	k.pods = slices.DeleteFunc(k.pods, func(p *v1.Pod) bool { return p.UID == pod.UID })
}

// RunOptions is what the container runtime would be told about one container; empty for a container without devices.
func (k *Kubelet) RunOptions(pod *v1.Pod, container string) *devicemanager.DeviceRunContainerOptions {
	k.t.Helper()
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		if c.Name != container {
			continue
		}
		options, err := k.devices.GetDeviceRunContainerOptions(context.Background(), pod, &c)
		if err != nil {
			k.t.Fatalf("run options of %s/%s: %v", pod.Name, container, err)
		}
		if options == nil {
			options = &devicemanager.DeviceRunContainerOptions{}
		}
		return options
	}
	k.t.Fatalf("pod %s has no container %s", pod.Name, container)
	return nil
}

// Held is the device ids that the kubelet has given to one container, sorted, of all resources together.
func (k *Kubelet) Held(pod *v1.Pod, container string) []string {
	ids := []string{}
	for _, devices := range k.devices.GetDevices(string(pod.UID), container) {
		ids = slices.AppendSeq(ids, maps.Keys(devices))
	}
	slices.Sort(ids)
	return ids
}

// Count is what the node's status says of one resource.
type Count struct{ Capacity, Allocatable int64 }

// All is the Count of a resource whose n devices are all healthy.
func All(n int64) Count { return Count{n, n} }

// Counts is what the node's status would say of every resource.
func (k *Kubelet) Counts() map[string]Count {
	capacity, allocatable, _ := k.devices.GetCapacity()
	counts := map[string]Count{}
	for name, quantity := range capacity {
		healthy := allocatable[name]
		counts[string(name)] = Count{quantity.Value(), healthy.Value()}
	}
	return counts
}

// AwaitCounts waits until the node's status is exactly this, and returns how long it took.
func (k *Kubelet) AwaitCounts(want map[string]Count) time.Duration {
	k.t.Helper()
	return Eventually(k.t, "capacity and allocatable", func() error {
		if got := k.Counts(); !maps.Equal(got, want) {
			return fmt.Errorf("node has %v, want %v", got, want)
		}
		return nil
	})
}

// Await is AwaitCounts for one resource, whatever else there is.
func (k *Kubelet) Await(resource string, want Count) time.Duration {
	k.t.Helper()
	return Eventually(k.t, "capacity and allocatable", func() error { return k.Has(resource, want) })
}

// Has is nil when the node's status says exactly this of a resource.
func (k *Kubelet) Has(resource string, want Count) error {
	if got, there := k.Counts()[resource]; !there || got != want {
		return fmt.Errorf("node has %v, want %v of %s", k.Counts(), want, resource)
	}
	return nil
}

// Device is one device as its plugin has last announced it.
type Device struct {
	Healthy bool
	NUMA    []int // as announced; nil when nothing was announced
}

// Listed is every device of a resource by id, the unhealthy ones too. The device manager shows those to nobody, so
// its field is read, under its mutex.
func (k *Kubelet) Listed(resource string) map[string]Device {
	manager := reflect.ValueOf(k.devices).Elem()
	mutex := (*sync.Mutex)(unsafe.Pointer(manager.FieldByName("mutex").UnsafeAddr()))
	all := (*devicemanager.ResourceDeviceInstances)(unsafe.Pointer(manager.FieldByName("allDevices").UnsafeAddr()))
	mutex.Lock()
	defer mutex.Unlock()
	listed := map[string]Device{}
	for id, device := range (*all)[resource] {
		d := Device{Healthy: device.Health == "Healthy"}
		for _, node := range device.GetTopology().GetNodes() {
			d.NUMA = append(d.NUMA, int(node.ID))
		}
		slices.Sort(d.NUMA)
		listed[id] = d
	}
	return listed
}

// Sick is the ids of a resource that are announced as anything but healthy, sorted.
func (k *Kubelet) Sick(resource string) []string {
	sick := []string{}
	for id, device := range k.Listed(resource) {
		if !device.Healthy {
			sick = append(sick, id)
		}
	}
	slices.Sort(sick)
	return sick
}

// StatusHealth is what the pod's status says of the devices of its containers.
func (k *Kubelet) StatusHealth(pod *v1.Pod) map[string]v1.ResourceHealthStatus {
	status := v1.PodStatus{}
	for _, container := range pod.Spec.Containers {
		status.ContainerStatuses = append(status.ContainerStatuses, v1.ContainerStatus{Name: container.Name})
	}
	k.devices.UpdateAllocatedResourcesStatus(pod, &status)
	health := map[string]v1.ResourceHealthStatus{}
	for _, container := range status.ContainerStatuses {
		for _, resource := range container.AllocatedResourcesStatus {
			for _, device := range resource.Resources {
				health[string(device.ResourceID)] = device.Health
			}
		}
	}
	return health
}

// Registrations is how often a resource has been registered since the kubelet was first started.
func (k *Kubelet) Registrations(resource string) int {
	kubeletLog.mutex.Lock()
	defer kubeletLog.mutex.Unlock()
	return kubeletLog.registrations[resource]
}

// AwaitRegistration waits until a resource has been registered n times in all.
func (k *Kubelet) AwaitRegistration(resource string, n int) time.Duration {
	k.t.Helper()
	return Eventually(k.t, "registration", func() error {
		if got := k.Registrations(resource); got < n {
			return fmt.Errorf("%s was registered %d times, want %d", resource, got, n)
		}
		return nil
	})
}

// Disconnect drops the kubelet's connection to the plugin of a resource while kubelet.sock stays: the stream ends and,
// as after every lost stream, the kubelet does not come back by itself.
func (k *Kubelet) Disconnect(resource string) {
	k.devices.GetWatcherHandler().DeRegisterPlugin(resource, "")
}
