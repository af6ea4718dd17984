// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

const lookImage = "localhost/cleave-look:1"

// Containerd is a real containerd of the test's own, with runc below it, asked as a kubelet asks.
type Containerd struct {
	CDIDir string // where it looks for CDI files

	dir    string
	client runtimeapi.RuntimeServiceClient
}

// StartContainerd starts what CLEAVE_CONTAINERD names (a folder with containerd, ctr and containerd-shim-runc-v2) or what
// is on PATH, with an image of its own. Without them, or without runc, the test is skipped and says so.
func StartContainerd(t *testing.T) *Containerd {
	t.Helper()
	path := os.Getenv("PATH")
	if own := os.Getenv("CLEAVE_CONTAINERD"); own != "" {
		path = own + ":" + path
	}
	t.Setenv("PATH", path)
	for _, program := range []string{"containerd", "ctr", "containerd-shim-runc-v2", "runc"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("no real containerd here: %v", err)
		}
	}
	dir, err := os.MkdirTemp("", "c") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	c := &Containerd{CDIDir: filepath.Join(dir, "cdi"), dir: dir}
	c.serve(t)
	return c
}

func (c *Containerd) serve(t *testing.T) {
	t.Helper()
	socket := filepath.Join(c.dir, "sock")
	config := fmt.Sprintf(`version = 3
root = %q
state = %q
disabled_plugins = ["io.containerd.nri.v1.nri"]
[grpc]
address = %q
[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = true
cdi_spec_dirs = [%q]
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
SystemdCgroup = false
[plugins."io.containerd.cri.v1.images"]
snapshotter = "native"
[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = %q
`, filepath.Join(c.dir, "root"), filepath.Join(c.dir, "state"), socket, c.CDIDir, lookImage)
	file := filepath.Join(c.dir, "config.toml")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(c.dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command("containerd", "--config", file)
	command.Stdout, command.Stderr = log, log
	if err := startTied(command); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		_ = command.Wait()
		if text, _ := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("log of containerd:\n%s", text)
		}
	})
	connection, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	c.client = runtimeapi.NewRuntimeServiceClient(connection)
	EventuallyWithin(t, time.Minute, "containerd answers", func() error {
		_, err := c.client.Version(t.Context(), &runtimeapi.VersionRequest{})
		return err
	})
	image := filepath.Join(c.dir, "image.tar")
	if err := os.WriteFile(image, lookArchive(t, c.dir), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("ctr", "-a", socket, "-n", "k8s.io", "images", "import", "--local", "--snapshotter", "native", image).CombinedOutput()
	if err != nil {
		t.Fatalf("importing the image: %v\n%s", err, out)
	}
}

// Create makes a pod with one container, without starting that; the error is containerd's.
func (c *Containerd) Create(t *testing.T, container *runtimeapi.ContainerConfig) (string, error) {
	t.Helper()
	name := strings.ReplaceAll(strings.ToLower(t.Name()), "/", "-")
	sandbox := &runtimeapi.PodSandboxConfig{
		Metadata:     &runtimeapi.PodSandboxMetadata{Name: name, Uid: name, Namespace: "test"},
		LogDirectory: c.dir,
		Linux: &runtimeapi.LinuxPodSandboxConfig{SecurityContext: &runtimeapi.LinuxSandboxSecurityContext{
			NamespaceOptions: &runtimeapi.NamespaceOption{Network: runtimeapi.NamespaceMode_NODE}}},
	}
	pod, err := c.client.RunPodSandbox(t.Context(), &runtimeapi.RunPodSandboxRequest{Config: sandbox})
	if err != nil {
		t.Fatalf("a pod without devices: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_, _ = c.client.StopPodSandbox(ctx, &runtimeapi.StopPodSandboxRequest{PodSandboxId: pod.PodSandboxId})
		_, _ = c.client.RemovePodSandbox(ctx, &runtimeapi.RemovePodSandboxRequest{PodSandboxId: pod.PodSandboxId})
	})
	container.Metadata = &runtimeapi.ContainerMetadata{Name: "c0"}
	container.Image = &runtimeapi.ImageSpec{Image: lookImage}
	container.LogPath = name + ".log"
	container.Linux = &runtimeapi.LinuxContainerConfig{SecurityContext: &runtimeapi.LinuxContainerSecurityContext{
		NamespaceOptions: sandbox.Linux.SecurityContext.NamespaceOptions}}
	made, err := c.client.CreateContainer(t.Context(), &runtimeapi.CreateContainerRequest{
		PodSandboxId: pod.PodSandboxId, Config: container, SandboxConfig: sandbox})
	if err != nil {
		return "", err
	}
	return made.ContainerId, nil
}

// Run runs a container to its end and returns the lines that it printed.
func (c *Containerd) Run(t *testing.T, container *runtimeapi.ContainerConfig) []string {
	t.Helper()
	id, err := c.Create(t, container)
	if err != nil {
		t.Fatalf("containerd refuses the container: %v", err)
	}
	if _, err := c.client.StartContainer(t.Context(), &runtimeapi.StartContainerRequest{ContainerId: id}); err != nil {
		t.Fatalf("containerd cannot start the container: %v", err)
	}
	EventuallyWithin(t, time.Minute, "the container ends", func() error {
		status, err := c.client.ContainerStatus(t.Context(), &runtimeapi.ContainerStatusRequest{ContainerId: id})
		if err == nil && status.Status.State != runtimeapi.ContainerState_CONTAINER_EXITED {
			err = fmt.Errorf("it is %v", status.Status.State)
		}
		return err
	})
	text, err := os.ReadFile(filepath.Join(c.dir, container.LogPath))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		if parts := strings.SplitN(line, " ", 4); len(parts) == 4 { // time, stream, tag, text
			lines = append(lines, parts[3])
		}
	}
	return lines
}

// lookArchive is an OCI image with nothing but the program look, as a tar file.
func lookArchive(t *testing.T, dir string) []byte {
	t.Helper()
	program := filepath.Join(dir, "look")
	build := exec.Command("go", "build", "-o", program, "cleave.test/kubelet/look")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building look: %v\n%s", err, out)
	}
	content, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	layer := tarOf(t, []string{"look"}, map[string][]byte{"look": content})
	files := map[string][]byte{"oci-layout": []byte(`{"imageLayoutVersion":"1.0.0"}`)}
	names := []string{"oci-layout"}
	blob := func(mediaType string, content []byte) map[string]any {
		sum := sha256.Sum256(content)
		digest := hex.EncodeToString(sum[:])
		names = append(names, "blobs/sha256/"+digest)
		files["blobs/sha256/"+digest] = content
		return map[string]any{"mediaType": mediaType, "digest": "sha256:" + digest, "size": len(content)}
	}
	toJSON := func(value any) []byte {
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	const oci = "application/vnd.oci.image."
	layerBlob := blob(oci+"layer.v1.tar", layer)
	config := blob(oci+"config.v1+json", toJSON(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux", "config": map[string]any{"Entrypoint": []string{"/look", "wait"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []any{layerBlob["digest"]}},
	}))
	manifest := blob(oci+"manifest.v1+json", toJSON(map[string]any{
		"schemaVersion": 2, "mediaType": oci + "manifest.v1+json", "config": config, "layers": []any{layerBlob}}))
	manifest["annotations"] = map[string]string{"io.containerd.image.name": lookImage}
	names = append(names, "index.json")
	files["index.json"] = toJSON(map[string]any{"schemaVersion": 2, "manifests": []any{manifest}})
	return tarOf(t, names, files)
}

func tarOf(t *testing.T, names []string, files map[string][]byte) []byte {
	t.Helper()
	var buffer bytes.Buffer
	archive := tar.NewWriter(&buffer)
	for _, name := range names {
		err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(files[name]))})
		if err == nil {
			_, err = archive.Write(files[name])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}
