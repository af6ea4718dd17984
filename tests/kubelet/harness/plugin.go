// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	pluginapi "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

// Plugin is a small device plugin that makes, on request, the mistakes that cleave must not make. With it the tests
// show that they would notice, and that the device manager still does what cleave guards against.
type Plugin struct {
	pluginapi.UnimplementedDevicePluginServer

	t        testing.TB
	resource string
	endpoint string
	server   *grpc.Server

	// Ended receives a value whenever a ListAndWatch stream ends.
	Ended chan struct{}

	mutex   sync.Mutex
	devices []*pluginapi.Device // guarded by mutex
	changed chan struct{}       // closed and replaced when devices change; guarded by mutex
}

// StartPlugin serves a resource and registers it; it never registers again by itself.
func StartPlugin(t testing.TB, resource, endpoint string, devices ...*pluginapi.Device) *Plugin {
	t.Helper()
	p := &Plugin{
		t:        t,
		resource: resource,
		endpoint: endpoint,
		server:   grpc.NewServer(),
		Ended:    make(chan struct{}, 10),
		devices:  devices,
		changed:  make(chan struct{}),
	}
	listener, err := net.Listen("unix", filepath.Join(SocketDir, endpoint))
	if err != nil {
		t.Fatal(err)
	}
	pluginapi.RegisterDevicePluginServer(p.server, p)
	go func() { _ = p.server.Serve(listener) }()
	t.Cleanup(p.Stop)
	p.Register()
	return p
}

// FakeDevice is a healthy device on some NUMA nodes.
func FakeDevice(id string, nodes ...int64) *pluginapi.Device {
	device := &pluginapi.Device{ID: id, Health: pluginapi.Healthy}
	if len(nodes) > 0 {
		device.Topology = &pluginapi.TopologyInfo{}
	}
	for _, node := range nodes {
		device.Topology.Nodes = append(device.Topology.Nodes, &pluginapi.NUMANode{ID: node})
	}
	return device
}

// Register registers the plugin with the kubelet.
func (p *Plugin) Register() {
	p.t.Helper()
	connection, err := grpc.NewClient("unix://"+KubeletSocket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		p.t.Fatal(err)
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err = pluginapi.NewRegistrationClient(connection).Register(ctx, &pluginapi.RegisterRequest{
		Version: pluginapi.Version, Endpoint: p.endpoint, ResourceName: p.resource,
	})
	if err != nil {
		p.t.Fatalf("registering %s: %v", p.resource, err)
	}
}

// Announce sends another list.
func (p *Plugin) Announce(devices ...*pluginapi.Device) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.devices = devices
	close(p.changed)
	p.changed = make(chan struct{})
}

// Stop ends the plugin at once.
func (p *Plugin) Stop() { p.server.Stop() }

// GetDevicePluginOptions is part of the device plugin service.
func (p *Plugin) GetDevicePluginOptions(context.Context, *pluginapi.Empty) (*pluginapi.DevicePluginOptions, error) {
	return &pluginapi.DevicePluginOptions{}, nil
}

// ListAndWatch is part of the device plugin service.
func (p *Plugin) ListAndWatch(_ *pluginapi.Empty, stream pluginapi.DevicePlugin_ListAndWatchServer) error {
	defer func() { p.Ended <- struct{}{} }()
	for {
		p.mutex.Lock()
		devices, changed := p.devices, p.changed
		p.mutex.Unlock()
		if err := stream.Send(&pluginapi.ListAndWatchResponse{Devices: devices}); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

// Allocate is part of the device plugin service.
func (p *Plugin) Allocate(_ context.Context, request *pluginapi.AllocateRequest) (*pluginapi.AllocateResponse, error) {
	response := &pluginapi.AllocateResponse{}
	for range request.ContainerRequests {
		response.ContainerResponses = append(response.ContainerResponses, &pluginapi.ContainerAllocateResponse{})
	}
	return response, nil
}
