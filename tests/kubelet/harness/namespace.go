// SPDX-License-Identifier: Apache-2.0

// Package harness runs the kubelet's own device manager and topology manager in the test process, the cleave binary
// beside them, and a captured machine under both.
package harness

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sort"
	"sync"
	"syscall"
	"testing"
	"time"
)

// insideVariable marks the second run of the test binary, the one inside the private mount namespace.
const insideVariable = "CLEAVE_TEST_INSIDE_NAMESPACE"

func init() {
	// The child is killed when the thread that started it ends, so TestMain has to stay on one thread.
	runtime.LockOSThread()
}

// Main is the body of TestMain. The device manager listens at a path that is a constant, so the test binary starts
// itself once more in a mount namespace of its own, where /var/lib/kubelet is an empty tmpfs. Nothing outside sees it,
// and what the tests start inherits it. Returns the exit code.
func Main(m *testing.M) int {
	if os.Getenv(insideVariable) == "" {
		return runInside()
	}
	if err := mountPrivateDirs(); err != nil {
		return cannotIsolate(err)
	}
	captureKubeletLog()
	code := m.Run()
	printMeasurements()
	return code
}

func runInside() int {
	scratch, err := os.MkdirTemp("", "cleave")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer os.RemoveAll(scratch)
	child := exec.Command("/proc/self/exe", os.Args[1:]...)
	child.Args[0] = os.Args[0]
	child.Env = append(os.Environ(), insideVariable+"=1", "TMPDIR="+scratch)
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
	child.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		// Where the kernel lets everybody make user namespaces, root is not needed.
		child.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		child.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		child.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	var exit *exec.ExitError
	switch err = child.Run(); {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return max(exit.ExitCode(), 1)
	default:
		return cannotIsolate(err)
	}
}

func mountPrivateDirs() error {
	if err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	kubelet := KubeletDir
	if _, err := os.Stat(kubelet); err != nil {
		kubelet = "/var/lib" // no kubelet here: leave no trace of one either
	}
	// Machines are thousands of small files, made and removed for every test: a disk would be the slowest part.
	for _, dir := range []string{kubelet, os.TempDir()} {
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=0755"); err != nil {
			return fmt.Errorf("mounting a tmpfs on %s: %w", dir, err)
		}
	}
	return os.MkdirAll(KubeletDir, 0o750)
}

func cannotIsolate(err error) int {
	fmt.Printf("SKIP: these tests need a mount namespace of their own (run them as root): %v\n", err)
	if os.Getenv("CI") == "true" {
		fmt.Println("FAIL: CI=true, so skipping is not allowed")
		return 1
	}
	return 0
}

var measurements struct {
	sync.Mutex
	values map[string][]time.Duration // guarded by Mutex
}

// Measure keeps a duration for the summary that is printed after the last test.
func Measure(t testing.TB, what string, d time.Duration) {
	t.Helper()
	t.Logf("%s: %v", what, d.Round(100*time.Microsecond))
	Sample(what, d)
}

// Sample is Measure for what is measured so often that nobody wants a line of each.
func Sample(what string, d time.Duration) {
	measurements.Lock()
	defer measurements.Unlock()
	if measurements.values == nil {
		measurements.values = map[string][]time.Duration{}
	}
	measurements.values[what] = append(measurements.values[what], d)
}

func printMeasurements() {
	measurements.Lock()
	defer measurements.Unlock()
	names := make([]string, 0, len(measurements.values))
	for name := range measurements.values {
		names = append(names, name)
	}
	sort.Strings(names)
	if len(names) == 0 {
		return
	}
	fmt.Printf("\n%-66s %5s %10s %10s %10s %10s\n", "measured", "times", "least", "median", "99 %", "most")
	for _, name := range names {
		d := measurements.values[name]
		sort.Slice(d, func(i, j int) bool { return d[i] < d[j] })
		ms := func(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond)) }
		fmt.Printf("%-66s %5d %10s %10s %10s %10s\n", name, len(d), ms(d[0]), ms(d[len(d)/2]), ms(d[len(d)*99/100]), ms(d[len(d)-1]))
	}
}
