// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"strings"
	"testing"

	"cleave.test/kubelet/harness"
)

// The picture marks what pods hold, as the kubelet says.
func TestPictureOfWhatPodsHold(t *testing.T) {
	m := t3k(t)
	k, _ := start(t, harness.KubeletOptions{NUMANodes: 2}, harness.CleaveOptions{Machine: m}, map[string]int64{n300: 4})
	picture := func() string {
		t.Helper()
		out, err := harness.RunCleave(t, "topology", m, "", "--svg", "--kubelet-dir", harness.KubeletDir)
		if err != nil {
			t.Fatal(out, err)
		}
		return out
	}
	want(t, "in use before", strings.Count(picture(), ", in use."), 0)
	pod := k.MustAdmit(one(n300, 2))
	after := picture()
	want(t, "in use", strings.Count(after, ", in use."), 2)
	for _, card := range k.Held(pod, "c0") {
		_, rest, _ := strings.Cut(after, ": "+card+", ")
		line, _, _ := strings.Cut(rest, ".")
		want(t, card+" in use", strings.HasSuffix(line, ", in use"), true)
	}
}
