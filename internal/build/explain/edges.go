package explain

import (
	"strconv"
	"strings"

	"github.com/minirun/minirun/internal/build/graph"
)

// An Edge means that an instruction takes something from a stage, or from an image or a named
// context that was not built here. The main context has no edges, because most builds read it
// in many places.
type Edge struct {
	From     string `json:"from"` // "stage:0", "image:alpine", "context:docs"
	FromKind string `json:"-"`    // stageKind, imageKind or contextKind
	FromName string `json:"from_name"`
	To       string `json:"to"` // a stage
	ToName   string `json:"to_name"`
	Node     int    `json:"instruction"` // its ID
	Line     int    `json:"line"`
	Kind     string `json:"kind"` // "from", "copy" or "mount"
	What     string `json:"what,omitempty"`
}

// Name is the usual name of the kind.
func (e Edge) Name() string {
	return map[string]string{"from": "FROM", "copy": "COPY --from", "mount": "RUN --mount"}[e.Kind]
}

// The kinds of what an edge comes from.
const (
	stageKind   = "stage"
	imageKind   = "image"
	contextKind = "context"
)

func stageEdge(s *graph.Stage) Edge {
	return Edge{From: stageID(s), FromKind: stageKind, FromName: s.Label()}
}

func imageEdge(name string) Edge {
	return Edge{From: imageKind + ":" + name, FromKind: imageKind, FromName: name}
}

// edgeOfKind returns an edge with its kind.
func edgeOfKind(kind string, e Edge) Edge {
	e.Kind = kind
	return e
}

func stageID(s *graph.Stage) string { return stageKind + ":" + strconv.Itoa(s.Index) }

// listEdges returns the edges between the nodes that are needed, in Dockerfile order.
func listEdges(r *Report) []Edge {
	out := []Edge{}
	for _, s := range r.Graph.Stages {
		if !r.isNeeded(s) {
			continue
		}
		for _, n := range s.Nodes {
			seen := map[Edge]bool{}
			for _, e := range nodeEdges(n) {
				e.To, e.ToName, e.Node, e.Line = stageID(s), s.Label(), n.ID, n.First
				if e.From != "" && !seen[e] {
					seen[e] = true
					out = append(out, e)
				}
			}
		}
	}
	return out
}

// nodeEdges returns the edges that lead to a node from another stage or from outside.
func nodeEdges(n *graph.Node) []Edge {
	var out []Edge
	switch op := n.Op.(type) {
	case *graph.From:
		if op.Stage != nil {
			out = append(out, edgeOfKind("from", stageEdge(op.Stage)))
		} else if op.Image != nil {
			out = append(out, edgeOfKind("from", imageEdge(op.Image.Name)))
		}
	case *graph.Copy:
		for _, s := range op.Sources {
			e := contextEdge(s.Context)
			if s.From != nil {
				e = edgeFrom(s.From)
			}
			e.Kind, e.What = "copy", s.Path
			if s.From != nil {
				e.What = "/" + strings.TrimPrefix(strings.TrimPrefix(s.Path, "/"), ".")
			}
			out = append(out, e)
		}
	case *graph.Run:
		for _, m := range op.Mounts {
			if m.From != nil {
				e := edgeFrom(m.From)
				e.Kind, e.What = "mount", m.Target
				out = append(out, e)
			}
		}
	}
	return out
}

// edgeFrom returns an edge that starts at a node.
func edgeFrom(n *graph.Node) Edge {
	if n.Stage != nil {
		return stageEdge(n.Stage)
	}
	switch op := n.Op.(type) {
	case *graph.From:
		if op.Image != nil {
			return imageEdge(op.Image.Name)
		}
	case *graph.Copy:
		if len(op.Sources) > 0 {
			return contextEdge(op.Sources[0].Context)
		}
	}
	return Edge{}
}

func contextEdge(name string) Edge {
	if name == "" || name == graph.MainContext {
		return Edge{}
	}
	return Edge{From: contextKind + ":" + name, FromKind: contextKind, FromName: name}
}
