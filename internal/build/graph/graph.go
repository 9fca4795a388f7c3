// Package graph represents a Dockerfile as data: stages of nodes. Each node creates a file
// system from those of other nodes, or changes only the image's configuration. Package
// dockerfile creates graphs, package solver executes them.
//
//	graph.go   Graph, Stage, Node
//	op.go      what a node does to a file system
//
// A graph is complete before the build starts: variables are expanded, stages are resolved,
// and the configuration after each instruction is known.
package graph

import (
	"strconv"

	docker "github.com/moby/docker-image-spec/specs-go/v1"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
)

// A Graph is a Dockerfile for one platform of the result.
type Graph struct {
	Platform oci.Platform
	Stages   []*Stage // all, including those that the target does not need
	Target   *Stage
}

// A Stage begins with one FROM.
type Stage struct {
	Index    int
	Name     string // from AS; "" for none
	Base     string // the image's or stage's name, expanded
	Platform oci.Platform
	Nodes    []*Node // never empty; the first is the FROM
}

// Label is the usual name of a stage: its name, or "stage-2".
func (s *Stage) Label() string {
	if s.Name != "" {
		return s.Name
	}
	return "stage-" + strconv.Itoa(s.Index)
}

// Last returns the last node of the stage.
func (s *Stage) Last() *Node { return s.Nodes[len(s.Nodes)-1] }

// A Node is one instruction of the build.
type Node struct {
	ID          int    // unique in the graph, starting at 0
	Stage       *Stage // nil: an image or a context that COPY --from or a mount needs
	Instruction string // FROM, RUN, COPY, …: in upper case
	Text        string // the instruction as executed: variables expanded, on one line
	First, Last int    // its lines in the Dockerfile, starting at 1; 0 if it has none
	OnBuild     bool   // from the base image's ONBUILD

	// Op is what it does to the file system of Parent; nil: nothing.
	Op     Op
	Parent *Node // the previous instruction; nil for a FROM and for nodes without a stage

	Config  *docker.DockerOCIImage // after the instruction; History is not kept here
	History oci.History            // the instruction's own
}

// Inputs returns the nodes that must be complete before the node can be executed.
func (n *Node) Inputs() []*Node {
	var in []*Node
	if n.Parent != nil {
		in = append(in, n.Parent)
	}
	switch op := n.Op.(type) {
	case *From:
		if op.Stage != nil {
			in = append(in, op.Stage.Last())
		}
	case *Run:
		for _, m := range op.Mounts {
			if m.From != nil {
				in = append(in, m.From)
			}
		}
	case *Copy:
		for _, s := range op.Sources {
			if s.From != nil {
				in = append(in, s.From)
			}
		}
	}
	return in
}

// Needed returns the nodes that the target needs, inputs before their users.
func (g *Graph) Needed() []*Node {
	var out []*Node
	seen := map[*Node]bool{}
	var visit func(n *Node)
	visit = func(n *Node) {
		if seen[n] {
			return
		}
		seen[n] = true
		for _, i := range n.Inputs() {
			visit(i)
		}
		out = append(out, n)
	}
	visit(g.Target.Last())
	return out
}
