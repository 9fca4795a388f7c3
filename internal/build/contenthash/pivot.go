package contenthash

import (
	"path"
	"strings"

	"github.com/minirun/minirun/internal/build/graph"
)

// A source is a pattern as Select takes it.
type source struct {
	pattern  string
	optional bool // expanded from wildcards: it may match nothing
}

// expandPivots expands wildcards before /./, where --parents cuts the path. Each match is cut where
// it ends.
func (t *Tree) expandPivots(patterns []string, o Options) (out []source, err error) {
	for _, p := range patterns {
		before, after, pivot := strings.Cut(p, "/./")
		if !o.Parents || !pivot || !graph.HasWildcards(before) {
			out = append(out, source{pattern: p})
			continue
		}
		heads, err := (&glob{t: t, o: o}).expand(path.Clean("/" + before)[1:])
		if err != nil {
			return nil, err
		}
		for _, head := range heads {
			out = append(out, source{graph.Literal(head) + "/./" + after, true})
		}
	}
	return out, nil
}
