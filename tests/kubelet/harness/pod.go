// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"fmt"
	"sync/atomic"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Wants is how many of which resources one container asks for.
type Wants map[string]int64

var podNumber atomic.Int64

// Pod is a pod whose containers c0, c1, ... want these resources.
func Pod(containers ...Wants) *v1.Pod {
	n := podNumber.Add(1)
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name:      fmt.Sprintf("pod-%d", n),
		Namespace: "default",
		UID:       types.UID(fmt.Sprintf("00000000-0000-0000-0000-%012d", n)),
	}}
	for i, wants := range containers {
		pod.Spec.Containers = append(pod.Spec.Containers, container(fmt.Sprintf("c%d", i), wants))
	}
	return pod
}

// WithInit adds an init container.
func WithInit(pod *v1.Pod, name string, wants Wants) *v1.Pod {
	pod.Spec.InitContainers = append(pod.Spec.InitContainers, container(name, wants))
	return pod
}

// WithSidecar adds an init container that keeps running beside the others.
func WithSidecar(pod *v1.Pod, name string, wants Wants) *v1.Pod {
	always := v1.ContainerRestartPolicyAlways
	sidecar := container(name, wants)
	sidecar.RestartPolicy = &always
	pod.Spec.InitContainers = append(pod.Spec.InitContainers, sidecar)
	return pod
}

func container(name string, wants Wants) v1.Container {
	list := v1.ResourceList{}
	for resourceName, n := range wants {
		list[v1.ResourceName(resourceName)] = *resource.NewQuantity(n, resource.DecimalSI)
	}
	return v1.Container{Name: name, Image: "none", Resources: v1.ResourceRequirements{Limits: list, Requests: list}}
}
