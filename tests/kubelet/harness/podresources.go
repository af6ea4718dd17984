// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"

	"google.golang.org/grpc"
	v1 "k8s.io/api/core/v1"
	podresourcesapi "k8s.io/kubelet/pkg/apis/podresources/v1"
	"k8s.io/kubernetes/pkg/kubelet/apis/podresources"
	"k8s.io/kubernetes/pkg/kubelet/cm/devicemanager"
)

// GetActivePods is part of podresources.PodsProvider.
func (k *Kubelet) GetActivePods() []*v1.Pod {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	return slices.Clone(k.pods)
}

// GetPods is part of podresources.PodsProvider.
func (k *Kubelet) GetPods() []*v1.Pod { return k.GetActivePods() }

// GetPodByName is part of podresources.PodsProvider.
func (k *Kubelet) GetPodByName(namespace, name string) (*v1.Pod, bool) {
	for _, pod := range k.GetActivePods() {
		if pod.Namespace == namespace && pod.Name == name {
			return pod, true
		}
	}
	return nil, false
}

// servePodResources serves the kubelet's pod-resources API, which a plugin asks who uses which device.
func (k *Kubelet) servePodResources() {
	k.t.Helper()
	if err := os.MkdirAll(filepath.Dir(podResourcesSocket), 0o750); err != nil {
		k.t.Fatal(err)
	}
	_ = os.Remove(podResourcesSocket)
	listener, err := net.Listen("unix", podResourcesSocket)
	if err != nil {
		k.t.Fatal(err)
	}
	k.podResources = grpc.NewServer()
	podresourcesapi.RegisterPodResourcesListerServer(k.podResources, podresources.NewV1PodResourcesServer(
		context.Background(), podresources.PodResourcesProviders{
			Pods: k, Devices: deviceProvider{k.devices}, Cpus: nothing{}, Memory: nothing{}, DynamicResources: nothing{},
		}))
	server := k.podResources
	go func() { _ = server.Serve(listener) }()
}

// deviceProvider is what the kubelet's container manager puts between the device manager and the pod-resources API.
type deviceProvider struct{ manager *devicemanager.ManagerImpl }

func (p deviceProvider) UpdateAllocatedDevices() { p.manager.UpdateAllocatedDevices() }

func (p deviceProvider) GetDevices(podUID, container string) []*podresourcesapi.ContainerDevices {
	return containerDevices(p.manager.GetDevices(podUID, container))
}

func (p deviceProvider) GetAllocatableDevices() []*podresourcesapi.ContainerDevices {
	return containerDevices(p.manager.GetAllocatableDevices())
}

// containerDevices repeats an id once for each of its NUMA nodes, as the kubelet does.
func containerDevices(instances devicemanager.ResourceDeviceInstances) []*podresourcesapi.ContainerDevices {
	var result []*podresourcesapi.ContainerDevices
	for resource, devices := range instances {
		for id, device := range devices {
			if device.GetTopology() == nil {
				result = append(result, &podresourcesapi.ContainerDevices{ResourceName: resource, DeviceIds: []string{id}})
			}
			for _, node := range device.GetTopology().GetNodes() {
				result = append(result, &podresourcesapi.ContainerDevices{
					ResourceName: resource,
					DeviceIds:    []string{id},
					Topology:     &podresourcesapi.TopologyInfo{Nodes: []*podresourcesapi.NUMANode{{ID: node.GetID()}}},
				})
			}
		}
	}
	return result
}

type nothing struct{}

func (nothing) GetCPUs(string, string) []int64                              { return nil }
func (nothing) GetAllocatableCPUs() []int64                                 { return nil }
func (nothing) GetMemory(string, string) []*podresourcesapi.ContainerMemory { return nil }
func (nothing) GetAllocatableMemory() []*podresourcesapi.ContainerMemory    { return nil }
func (nothing) GetDynamicResources(*v1.Pod, *v1.Container) []*podresourcesapi.DynamicResource {
	return nil
}
