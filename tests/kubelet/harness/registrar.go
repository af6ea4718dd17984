// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	pluginapi "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

// Registrar is a registration server that shows what a kubelet would see, message by message, and does what no kubelet
// does on request: refuse a registration or end a stream. It runs in a directory of its own.
type Registrar struct {
	pluginapi.UnimplementedRegistrationServer

	t      testing.TB
	Dir    string // the kubelet's directory
	server *grpc.Server

	// Registrations holds every call of Register, refused ones too.
	Registrations chan Registration
	// Lists holds every list of devices that was sent.
	Lists chan List

	mutex   sync.Mutex
	refuse  int                         // how many registrations to refuse; guarded by mutex
	streams map[string]*connectedPlugin // the latest of each resource; guarded by mutex
}

// Registration is one call of Register.
type Registration struct {
	Resource, Endpoint string
	At                 time.Time
	Refused            bool
}

// List is one message of a ListAndWatch stream.
type List struct {
	Resource string
	Devices  []*pluginapi.Device
	At       time.Time
}

type connectedPlugin struct {
	connection *grpc.ClientConn
	cancel     context.CancelFunc
}

// StartRegistrar starts one and stops it with the test.
func StartRegistrar(t testing.TB) *Registrar {
	t.Helper()
	// Not t.TempDir: with the test's name in it, the path is too long for a socket.
	dir, err := os.MkdirTemp("", "kubelet")
	if err != nil {
		t.Fatal(err)
	}
	r := &Registrar{
		t:             t,
		Dir:           dir,
		Registrations: make(chan Registration, 1000),
		Lists:         make(chan List, 1000),
		streams:       map[string]*connectedPlugin{},
	}
	t.Cleanup(func() { r.Stop(); _ = os.RemoveAll(dir) })
	if err = os.Mkdir(filepath.Join(dir, "device-plugins"), 0o750); err != nil {
		t.Fatal(err)
	}
	r.Start()
	return r
}

// Start does as a kubelet that comes back: it deletes every socket there is and listens at a new kubelet.sock.
func (r *Registrar) Start() {
	r.t.Helper()
	dir := filepath.Join(r.Dir, "device-plugins")
	entries, err := os.ReadDir(dir)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.Type()&os.ModeSocket != 0 {
			_ = os.Remove(filepath.Join(dir, entry.Name()))
		}
	}
	listener, err := net.Listen("unix", filepath.Join(dir, "kubelet.sock"))
	if err != nil {
		r.t.Fatal(err)
	}
	// Kill leaves the socket behind, Stop removes it.
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	r.server = grpc.NewServer()
	pluginapi.RegisterRegistrationServer(r.server, r)
	server := r.server
	go func() { _ = server.Serve(listener) }()
}

// Stop ends all streams and removes kubelet.sock, like a kubelet that is stopped.
func (r *Registrar) Stop() {
	_ = os.Remove(filepath.Join(r.Dir, "device-plugins", "kubelet.sock"))
	r.Kill()
}

// Kill ends all streams and leaves a kubelet.sock at which nobody listens, like a kubelet that was killed.
func (r *Registrar) Kill() {
	r.server.Stop()
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, plugin := range r.streams {
		plugin.cancel()
		_ = plugin.connection.Close()
	}
	r.streams = map[string]*connectedPlugin{}
}

// Refuse makes the next n registrations fail.
func (r *Registrar) Refuse(n int) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.refuse = n
}

// CancelStream ends the ListAndWatch call of a resource and keeps the connection.
func (r *Registrar) CancelStream(resource string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.streams[resource].cancel()
}

// CloseConnection drops the connection to the plugin of a resource.
func (r *Registrar) CloseConnection(resource string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	_ = r.streams[resource].connection.Close()
}

// Register is the call a plugin makes. Like the kubelet it connects back before it answers.
func (r *Registrar) Register(ctx context.Context, request *pluginapi.RegisterRequest) (*pluginapi.Empty, error) {
	registration := Registration{Resource: request.ResourceName, Endpoint: request.Endpoint, At: time.Now()}
	r.mutex.Lock()
	if r.refuse > 0 {
		r.refuse--
		registration.Refused = true
	}
	r.mutex.Unlock()
	r.Registrations <- registration
	if registration.Refused {
		return nil, errors.New("refused by the test")
	}
	if request.Version != pluginapi.Version {
		return nil, fmt.Errorf("version %q is not %q", request.Version, pluginapi.Version)
	}
	socket := filepath.Join(r.Dir, "device-plugins", request.Endpoint)
	connection, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	client := pluginapi.NewDevicePluginClient(connection)
	if _, err = client.GetDevicePluginOptions(ctx, &pluginapi.Empty{}); err != nil {
		return nil, fmt.Errorf("options: %w", err)
	}
	streamContext, cancel := context.WithCancel(context.Background())
	stream, err := client.ListAndWatch(streamContext, &pluginapi.Empty{})
	if err != nil {
		cancel()
		return nil, fmt.Errorf("list and watch: %w", err)
	}
	r.mutex.Lock()
	r.streams[request.ResourceName] = &connectedPlugin{connection, cancel}
	r.mutex.Unlock()
	go func() {
		for {
			response, err := stream.Recv()
			if err != nil {
				return
			}
			r.Lists <- List{request.ResourceName, response.Devices, time.Now()}
		}
	}()
	return &pluginapi.Empty{}, nil
}

// AwaitRegistration returns the next registration.
func (r *Registrar) AwaitRegistration() Registration {
	r.t.Helper()
	return await(r.t, r.Registrations, "a registration")
}

// AwaitList returns the next list of devices.
func (r *Registrar) AwaitList() List {
	r.t.Helper()
	return await(r.t, r.Lists, "a list of devices")
}

func await[T any](t testing.TB, events <-chan T, what string) T {
	t.Helper()
	select {
	case event := <-events:
		return event
	case <-time.After(Deadline):
		t.Fatalf("no %s within %v", what, Deadline)
		panic("not reached")
	}
}
