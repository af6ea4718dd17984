// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"fmt"
	"testing"
	"time"
)

// Deadline is how long a thing may take that normally takes milliseconds. It is long because test machines are slow
// and busy, not because cleave is; what cleave really needs is in the summary.
const Deadline = 20 * time.Second

// The device manager announces nothing, so its state has to be polled.
const pollEvery = 2 * time.Millisecond

// Eventually waits until check returns nil, fails the test when it has not after Deadline, and returns how long it took.
func Eventually(t testing.TB, what string, check func() error) time.Duration {
	t.Helper()
	return EventuallyWithin(t, Deadline, what, check)
}

// EventuallyWithin is Eventually with its own deadline.
func EventuallyWithin(t testing.TB, within time.Duration, what string, check func() error) time.Duration {
	t.Helper()
	start := time.Now()
	for {
		err := check()
		took := time.Since(start)
		if err == nil {
			return took
		}
		if took > within {
			t.Fatalf("%s: not after %v: %v", what, within, err)
		}
		time.Sleep(pollEvery)
	}
}

// EventuallyFor waits, as Eventually, until check returns nil and goes on doing so for a while.
func EventuallyFor(t testing.TB, while time.Duration, what string, check func() error) {
	t.Helper()
	since := time.Now()
	Eventually(t, what, func() error {
		if err := check(); err != nil {
			since = time.Now()
			return err
		}
		if lasted := time.Since(since); lasted < while {
			return fmt.Errorf("only for %v", lasted)
		}
		return nil
	})
}

// Consistently fails the test when check returns an error at any time during the given while. Absence can only be
// seen by looking for a while; keep it short.
func Consistently(t testing.TB, during time.Duration, what string, check func() error) {
	t.Helper()
	for start := time.Now(); time.Since(start) < during; time.Sleep(pollEvery) {
		if err := check(); err != nil {
			t.Fatalf("%s: after %v: %v", what, time.Since(start).Round(time.Millisecond), err)
		}
	}
}
