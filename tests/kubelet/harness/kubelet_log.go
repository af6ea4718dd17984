// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"bytes"
	"context"
	"log/slog"
	"sync"

	"k8s.io/klog/v2"
)

// kubeletLog keeps the kubelet's log, which is long and of interest only when a test fails, and counts registrations,
// which the device manager shows nowhere else.
var kubeletLog logKeeper

type logKeeper struct {
	mutex         sync.Mutex
	text          bytes.Buffer   // guarded by mutex
	registrations map[string]int // by resource; guarded by mutex
}

func captureKubeletLog() {
	kubeletLog.reset()
	klog.SetSlogLogger(slog.New(&logHandler{slog.NewTextHandler(&kubeletLog, nil)}))
}

type logHandler struct{ slog.Handler }

func (h *logHandler) Handle(ctx context.Context, record slog.Record) error {
	if record.Message == "Got registration request from device plugin with resource" {
		record.Attrs(func(attribute slog.Attr) bool {
			if attribute.Key == "resourceName" {
				kubeletLog.mutex.Lock()
				kubeletLog.registrations[attribute.Value.String()]++
				kubeletLog.mutex.Unlock()
			}
			return true
		})
	}
	return h.Handler.Handle(ctx, record)
}

func (l *logKeeper) Write(p []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.Write(p)
}

func (l *logKeeper) tail() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	const most = 12000
	text := l.text.String()
	return text[max(0, len(text)-most):]
}

func (l *logKeeper) reset() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.text.Reset()
	l.registrations = map[string]int{}
}
