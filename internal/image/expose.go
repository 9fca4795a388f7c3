package image

import (
	"maps"
	"strings"
)

// Expose adds ports, PORT[/PROTOCOL], to those of the image.
func (e *Execution) Expose(ports []string) {
	all := maps.Clone(e.ExposedPorts)
	if all == nil {
		all = map[string]struct{}{}
	}
	for _, port := range ports {
		if !strings.Contains(port, "/") {
			port += "/tcp"
		}
		all[port] = struct{}{}
	}
	e.ExposedPorts = all
}
