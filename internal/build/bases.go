package build

import (
	"slices"

	"github.com/minirun/minirun/internal/build/attest"
	"github.com/minirun/minirun/internal/build/graph"
)

// Bases returns what a result was built from: base images and, if it was fetched, the context.
func (b *Built) Bases() (out []attest.Material) {
	for _, n := range b.Graph.Needed() {
		op, ok := n.Op.(*graph.From)
		if !ok || op.Image == nil {
			continue
		}
		m := baseMaterial(n, op)
		if !slices.ContainsFunc(out, func(o attest.Material) bool { return o.URI == m.URI }) {
			out = append(out, m)
		}
	}
	if main := b.origin.inputs.main; main.URI != "" {
		out = append(out, main)
	}
	return out
}
