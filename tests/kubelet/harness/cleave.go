// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// CleaveOptions say how `cleave serve` is started.
type CleaveOptions struct {
	Machine   *Machine // stands for the host
	Config    string   // the text of cleave.toml; empty means no settings
	NodeName  string   // default node-a
	KubeletIn string   // the kubelet's directory; default KubeletDir
	CDIDir    string   // default a directory of the test's
}

// Entry is one line of cleave's log.
type Entry map[string]any

// Message is what the line says.
func (e Entry) Message() string { text, _ := e["msg"].(string); return text }

// Level is the line's level.
func (e Entry) Level() string { text, _ := e["level"].(string); return text }

// Cleave is one running `cleave serve`.
type Cleave struct {
	t       testing.TB
	command *exec.Cmd
	config  string
	exited  chan struct{} // closed when the process is gone and its log is read
	killed  atomic.Bool   // by Kill()

	mutex    sync.Mutex
	lines    []string      // guarded by mutex
	entries  []Entry       // guarded by mutex
	unparsed []string      // lines that are no JSON object; guarded by mutex
	changed  chan struct{} // closed and replaced at every line; guarded by mutex
}

// StartCleave starts the binary and stops it with the test, which fails when it does not stop cleanly or when it ever
// logged a line that is not one JSON object with time, level and msg.
func StartCleave(t testing.TB, options CleaveOptions) *Cleave {
	t.Helper()
	if options.NodeName == "" {
		options.NodeName = "node-a"
	}
	if options.KubeletIn == "" {
		options.KubeletIn = KubeletDir
	}
	c := &Cleave{
		t:       t,
		config:  filepath.Join(t.TempDir(), "cleave.toml"),
		exited:  make(chan struct{}),
		changed: make(chan struct{}),
	}
	if options.CDIDir == "" {
		options.CDIDir = filepath.Join(t.TempDir(), "cdi")
	}
	c.WriteConfig(options.Config)
	c.command = exec.Command(binary(t), "serve", "--config", c.config, "--root", options.Machine.Root,
		"--kubelet-dir", options.KubeletIn, "--cdi-dir", options.CDIDir, "--http", "127.0.0.1:0", "--node-name", options.NodeName, "--log-format", "json")
	stderr, err := c.command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err = startTied(c.command); err != nil {
		t.Fatalf("starting cleave: %v", err)
	}
	go c.read(stderr)
	t.Cleanup(func() {
		if !c.Exited() {
			c.Stop()
		} else if status, ok := c.command.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() && !c.killed.Load() {
			c.t.Errorf("cleave was ended by a signal that is not the test's: %v", c.command.ProcessState)
		}
		c.checkLog()
		if t.Failed() {
			c.mutex.Lock()
			defer c.mutex.Unlock()
			t.Logf("log of cleave %d:\n%s", c.command.Process.Pid, strings.Join(c.lines, "\n"))
		}
	})
	return c
}

// RunCleave runs a command of the binary on a machine to its end and returns what it printed.
func RunCleave(t testing.TB, command string, machine *Machine, config string, more ...string) (string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "cleave.toml")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	arguments := append([]string{command, "--config", file, "--root", machine.Root, "--node-name", "node-a"}, more...)
	out, err := exec.Command(binary(t), arguments...).CombinedOutput()
	return string(out), err
}

func binary(t testing.TB) string {
	t.Helper()
	path := os.Getenv("CLEAVE_BIN")
	if path == "" {
		path = "../../build/release/cleave"
	}
	path, err := filepath.Abs(path)
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Fatalf("no cleave binary, build it or point CLEAVE_BIN at one: %v", err)
	}
	return path
}

func (c *Cleave) read(stderr io.Reader) {
	defer close(c.exited)
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var entry Entry
		err := json.Unmarshal(lines.Bytes(), &entry)
		c.mutex.Lock()
		c.lines = append(c.lines, lines.Text())
		if err != nil || entry["time"] == nil || entry.Level() == "" || entry["msg"] == nil {
			c.unparsed = append(c.unparsed, lines.Text())
		} else {
			c.entries = append(c.entries, entry)
		}
		close(c.changed)
		c.changed = make(chan struct{})
		c.mutex.Unlock()
	}
	_ = c.command.Wait()
}

func (c *Cleave) checkLog() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if len(c.unparsed) > 0 {
		c.t.Errorf("cleave logged %d lines that are no JSON object with time, level and msg, first %q", len(c.unparsed), c.unparsed[0])
	}
}

// Entries is the log so far.
func (c *Cleave) Entries() []Entry {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return slices.Clone(c.entries)
}

// AwaitEntry waits for the first log line that matches.
func (c *Cleave) AwaitEntry(what string, matches func(Entry) bool) Entry {
	c.t.Helper()
	timeout := time.After(Deadline)
	for {
		c.mutex.Lock()
		entries, changed := c.entries, c.changed
		c.mutex.Unlock()
		if i := slices.IndexFunc(entries, matches); i >= 0 {
			return entries[i]
		}
		select {
		case <-changed:
		case <-c.exited:
			c.t.Fatalf("cleave ended (%v) and never logged %s", c.command.ProcessState, what)
		case <-timeout:
			c.t.Fatalf("cleave did not log %s within %v", what, Deadline)
		}
	}
}

// Address is where cleave serves HTTP.
func (c *Cleave) Address() string {
	c.t.Helper()
	entry := c.AwaitEntry(`"http listening"`, func(e Entry) bool { return e.Message() == "http listening" })
	address, _ := entry["address"].(string)
	if _, _, err := net.SplitHostPort(address); err != nil {
		c.t.Fatalf("address in %v: %v", entry, err)
	}
	return address
}

var httpClient = http.Client{Timeout: 5 * time.Second}

// Get fetches a page of cleave's own and returns status and body.
func (c *Cleave) Get(path string) (int, string) {
	c.t.Helper()
	response, err := httpClient.Get("http://" + c.Address() + path)
	if err != nil {
		c.t.Fatalf("GET %s: %v", path, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatalf("GET %s: %v", path, err)
	}
	return response.StatusCode, string(body)
}

// AwaitMetric waits until /metrics has exactly this line.
func (c *Cleave) AwaitMetric(line string) {
	c.t.Helper()
	Eventually(c.t, "/metrics", func() error {
		if _, body := c.Get("/metrics"); !slices.Contains(strings.Split(body, "\n"), line) {
			return fmt.Errorf("no line %q", line)
		}
		return nil
	})
}

// AwaitReady waits until /readyz answers with this status.
func (c *Cleave) AwaitReady(status int) {
	c.t.Helper()
	Eventually(c.t, "/readyz", func() error {
		if got, body := c.Get("/readyz"); got != status {
			return fmt.Errorf("is %d (%s), want %d", got, strings.TrimSpace(body), status)
		}
		return nil
	})
}

// WriteConfig replaces cleave.toml in one step.
func (c *Cleave) WriteConfig(text string) {
	c.t.Helper()
	if err := os.WriteFile(c.config+".new", []byte(text), 0o644); err != nil {
		c.t.Fatal(err)
	}
	if err := os.Rename(c.config+".new", c.config); err != nil {
		c.t.Fatal(err)
	}
}

// Reload sends SIGHUP.
func (c *Cleave) Reload() { c.signal(syscall.SIGHUP) }

// Stop sends SIGTERM and expects the process to be gone soon, with exit status 0.
func (c *Cleave) Stop() time.Duration {
	c.t.Helper()
	start := time.Now()
	c.signal(syscall.SIGTERM)
	select {
	case <-c.exited:
	case <-time.After(Deadline):
		c.t.Errorf("cleave runs %v after SIGTERM", Deadline)
		c.Kill()
		return Deadline
	}
	if code := c.command.ProcessState.ExitCode(); code != 0 {
		c.t.Errorf("cleave ended with %v after SIGTERM, want exit status 0", c.command.ProcessState)
	}
	return time.Since(start)
}

// Kill sends SIGKILL and waits.
func (c *Cleave) Kill() {
	c.t.Helper()
	c.killed.Store(true)
	c.signal(syscall.SIGKILL)
	<-c.exited
}

// Exited says whether the process is gone.
func (c *Cleave) Exited() bool {
	select {
	case <-c.exited:
		return true
	default:
		return false
	}
}

// PeakMemory is the most that was ever resident, in bytes.
func (c *Cleave) PeakMemory() int64 {
	c.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.command.Process.Pid))
	if err != nil {
		c.t.Fatal(err)
	}
	var kibibytes int64
	if _, after, found := strings.Cut(string(text), "VmHWM:"); found {
		fmt.Sscan(after, &kibibytes)
	}
	if kibibytes == 0 {
		c.t.Fatalf("no VmHWM: %s", text)
	}
	return kibibytes << 10
}

func (c *Cleave) signal(signal syscall.Signal) {
	c.t.Helper()
	if err := c.command.Process.Signal(signal); err != nil {
		c.t.Errorf("%v to cleave: %v", signal, err)
	}
}

// PluginSockets is the device plugins' sockets under the kubelet's directory, those in sub-directories too, as path
// and inode: a socket that was removed and made again is another one.
func PluginSockets(t testing.TB) map[string]uint64 {
	t.Helper()
	sockets := map[string]uint64{}
	err := filepath.WalkDir(SocketDir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.Type()&os.ModeSocket == 0 || path == KubeletSocket {
			return ignoreMissing(err)
		}
		info, err := entry.Info()
		if err == nil {
			sockets[path] = info.Sys().(*syscall.Stat_t).Ino
		}
		return ignoreMissing(err)
	})
	if err != nil {
		t.Fatal(err)
	}
	return sockets
}

func ignoreMissing(err error) error {
	if os.IsNotExist(err) {
		return nil
	}
	return err
}
