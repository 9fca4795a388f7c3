package hostfacts

import (
	"strings"
	"testing"

	"github.com/minirun/minirun/internal/rootfs"
)

// TestTooManyLayersAreRefused: with more layers than overlayfs supports, the error is the limit and not
// overlayfs's EINVAL.
func TestTooManyLayersAreRefused(t *testing.T) {
	old, err := isLinuxBefore(6, 13)
	if err != nil {
		t.Fatal(err)
	}
	for count, want := range map[int]string{500: "", 501: "takes 500 layers before Linux 6.13",
		999: "takes 500 layers before Linux 6.13", 1000: "takes 999 layers"} {
		if !old && count < 1000 {
			want = ""
		}
		err := checkLayerCount(make([]rootfs.Layer, count))
		if want == "" && err != nil || want != "" && (err == nil || !old && !strings.Contains(err.Error(), want)) {
			t.Errorf("%d layers: %v, want %q", count, err, want)
		}
	}
}
