// Package overlay holds what the runtime and the image tools both have to know of
// overlayfs: its limits, and how its options are written.
package overlay

import "strings"

// LayersPerMount is how many layers overlayfs takes below one mount (OVL_MAX_STACK),
// and MaxLayers how many two mounts take: what is seen of the lowest layers is the
// lowest layer of the second mount. That one is a mount given by its descriptor,
// which takes Linux 6.13. More is not possible: file systems may be stacked two
// levels high (FILESYSTEM_MAX_STACK_DEPTH).
const (
	LayersPerMount = 500
	MaxLayers      = 2*LayersPerMount - 1
)

// Split divides layers, lowest first, into those of the first mount, none if one
// mount takes all, and those of the second.
func Split[Layer any](layers []Layer) (lowest, rest []Layer) {
	if n := len(layers) - LayersPerMount + 1; n > 1 {
		return layers[:n], layers[n:]
	}
	return nil, layers
}

var layerEscape, pathEscape = strings.NewReplacer(`\`, `\\`, ",", `\,`, ":", `\:`), strings.NewReplacer(`\`, `\\`, ",", `\,`)

// EscapeLayer writes a path for the list of lowerdir, and EscapePath one for upperdir
// and workdir, as mount(2)'s options.
func EscapeLayer(path string) string { return layerEscape.Replace(path) }

// EscapePath is for one path: see EscapeLayer.
func EscapePath(path string) string { return pathEscape.Replace(path) }
