// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"os/exec"
	"runtime"
	"syscall"
)

var starts = make(chan func())

// The thread that starts processes lives as long as the test: the kernel sends Pdeathsig when the *thread* that started
// a process ends (prctl(2), PR_SET_PDEATHSIG), and Go ends threads when it likes.
func init() {
	go func() {
		runtime.LockOSThread()
		for start := range starts {
			start()
		}
	}()
}

// startTied starts a process that is killed when this one ends.
func startTied(command *exec.Cmd) error {
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	starts <- func() { started <- command.Start() }
	return <-started
}
