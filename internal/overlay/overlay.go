// Package overlay holds what the runtime and the image tools both need to know about
// overlayfs: its limits, and how its options are written.
package overlay

import (
	"path"
	"slices"
	"strings"
)

// LayersPerMount is the number of layers that overlayfs takes in one mount
// (OVL_MAX_STACK), and MaxLayers the number that two mounts take: the lowest layers
// are merged by one mount, which is the lowest layer of the other. It is passed as a
// descriptor, which needs Linux 6.13. More is not possible: file systems may be
// stacked two levels high (FILESYSTEM_MAX_STACK_DEPTH).
const (
	LayersPerMount = 500
	MaxLayers      = 2*LayersPerMount - 1
)

// Split divides layers, lowest first, into those of the lower mount (none if one mount
// takes all) and those of the upper.
func Split[Layer any](layers []Layer) (lowest, rest []Layer) {
	if n := len(layers) - LayersPerMount + 1; n > 1 {
		return layers[:n], layers[n:]
	}
	return nil, layers
}

// Distinct returns layers, lowest first, with each one once, in its uppermost place, where it hides
// everything that it contributes further down. overlayfs refuses a layer that is named twice, which
// happens with an image: COPY --link creates layers that do not depend on those below them, so that
// the same instruction has the same layer each time.
func Distinct(layers []string) []string {
	seen := make(map[string]bool, len(layers))
	out := make([]string, 0, len(layers))
	for _, l := range slices.Backward(layers) {
		if !seen[l] {
			seen[l] = true
			out = append(out, l)
		}
	}
	slices.Reverse(out)
	return out
}

// EscapeLayer escapes a path for the list in lowerdir, and EscapePath one for upperdir
// and workdir, as options of mount(2).
func EscapeLayer(path string) string { return strings.ReplaceAll(EscapePath(path), ":", `\:`) }

// EscapePath escapes a single path: see EscapeLayer.
func EscapePath(path string) string {
	return strings.ReplaceAll(strings.ReplaceAll(path, `\`, `\\`), ",", `\,`)
}

// CommonDir returns the deepest directory that is above all layers, which are absolute paths. Options
// of mount(2) must fit into a page, so the layers are named relative to it.
func CommonDir(layers []string) string {
	dir := path.Dir(layers[0])
	for _, l := range layers {
		for dir != "/" && !strings.HasPrefix(l, dir+"/") {
			dir = path.Dir(dir)
		}
	}
	return dir
}
