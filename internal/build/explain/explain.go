// Package explain says what a Dockerfile has become: which instruction made which
// layer, which ones only change what the image says of itself, what was cached and
// why the rest was not, how the stages hang together, and what `run` of the image
// would execute.
//
//	explain.go   Report: what the caller knows
//	document.go  Report → Document: what is said, in the order in which it is said; JSON (pure)
//	edges.go     which stage takes something from which (pure)
//	changes.go   two configurations → what differs (pure)
//	start.go     ENTRYPOINT and CMD → the final argv, and the rule (pure)
//	text.go      Document → text
//	layout.go    Document → boxes and arrows with coordinates (pure)
//	svg.go       boxes and arrows → SVG
//	page.go      Document → a page that needs nothing else
//
// Text, names and paths of a build may be hostile: what is drawn has no control
// characters and is escaped (printable).
package explain

import (
	"slices"
	"time"

	docker "github.com/moby/docker-image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/image/layer"
)

// A Report is what is known of a build that has ended.
type Report struct {
	Graph  *graph.Graph
	Steps  map[int]Step          // by Node.ID
	Argv   []string              // what `run` of the image executes, without arguments
	Config docker.DockerOCIImage // the result's
	Total  time.Duration
}

// A Step is what became of a node.
type Step struct {
	Needed  bool
	Cached  bool
	Reason  string   // why it was cached, or was not; or ""
	Changed []string // inputs that changed: "package.json: content", "the step before"
	Key     string
	Time    time.Duration
	Layer   *LayerInfo // nil: no layer, or none that was looked at
}

// A LayerInfo is what a layer is made of.
type LayerInfo struct {
	Added, Changed, Removed int
	Bytes                   int64
	Largest                 []layer.Change // the largest first
}

// New begins a report with what the graph says alone: what is needed, the result's
// configuration, and what runs.
func New(g *graph.Graph) *Report {
	r := &Report{Graph: g, Steps: map[int]Step{}}
	for _, n := range g.Needed() {
		r.Steps[n.ID] = Step{Needed: true}
	}
	if c := g.Target.Last().Config; c != nil {
		r.Config = *c
		r.Argv = slices.Concat(c.Config.Entrypoint, c.Config.Cmd)
	}
	return r
}
