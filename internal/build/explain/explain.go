// Package explain shows the result of building a Dockerfile: which instruction produced which
// layer, which ones only changed the image's configuration, what was cached and why the rest
// was not, how the stages depend on each other, and what `run` of the image would execute.
//
//	explain.go   Report: the input from the caller
//	document.go  Report → Document: the explanation, in order of display; JSON (pure)
//	edges.go     stage dependencies (pure)
//	changes.go   two configurations → their differences (pure)
//	start.go     ENTRYPOINT and CMD → the final argv, and the rule (pure)
//	text.go      Document → text
//	layout.go    Document → boxes and arrows with coordinates (pure)
//	svg.go       boxes and arrows → SVG
//	page.go      Document → a self-contained page
//
// Text, names and paths from a build may be hostile. All output is escaped, and control
// characters are replaced (escapeControls).
package explain

import (
	"time"

	docker "github.com/moby/docker-image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/image/layer"
)

// A Report describes a finished build.
type Report struct {
	Graph  *graph.Graph
	Steps  map[int]Step          // by Node.ID
	Argv   []string              // what `run` of the image executes, without extra arguments
	Config docker.DockerOCIImage // of the result
	Total  time.Duration
}

// A Step reports the outcome of a node.
type Step struct {
	Needed  bool
	Cached  bool
	Reason  string   // why it was cached, or not; or ""
	Changed []string // changed inputs: "package.json: content"
	Key     string
	Time    time.Duration
	Layer   *LayerInfo // nil: no layer, or one that was not inspected
}

// A LayerInfo describes the files of a layer.
type LayerInfo struct {
	Added, Changed, Removed int
	Bytes                   int64
	Largest                 []layer.Change // largest first
}
