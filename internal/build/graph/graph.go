// Package graph is what a Dockerfile asks for, as data: stages of nodes, each of
// which makes a file system of those of other nodes, or only changes what the image
// says of itself. Package dockerfile makes graphs, package solve carries them out.
//
//	graph.go   Graph, Stage, Node
//	op.go      what a node does to a file system
//
// Nothing here is decided while a build runs: variables are expanded, stages are
// found, and the configuration behind each instruction is known.
package graph

import (
	docker "github.com/moby/docker-image-spec/specs-go/v1"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
)

// A Graph is a Dockerfile for one platform of the result.
type Graph struct {
	Platform oci.Platform
	Stages   []*Stage // all, also those that the target does not need
	Target   *Stage
}

// A Stage is what one FROM begins.
type Stage struct {
	Index    int
	Name     string // behind AS; "" for none
	Base     string // the image's or stage's name, expanded
	Platform oci.Platform
	Nodes    []*Node // the first is the FROM; at least that one
}

// Label is what people call a stage: its name, or "stage-2".
func (s *Stage) Label() string {
	if s.Name != "" {
		return s.Name
	}
	return "stage-" + itoa(s.Index)
}

// Last is the node that the stage ends with.
func (s *Stage) Last() *Node { return s.Nodes[len(s.Nodes)-1] }

// A Node is one instruction, carried out.
type Node struct {
	ID          int    // unique in the graph, from 0 on
	Stage       *Stage // nil: an image or a context that COPY --from or a mount needs
	Instruction string // FROM, RUN, COPY, …: in capitals
	Text        string // the instruction as it is carried out: variables expanded, in one line
	First, Last int    // its lines in the Dockerfile, from 1 on; 0 if it has none
	OnBuild     bool   // it comes from the base image's ONBUILD

	// Op is what it does to the file system of Parent; nil: nothing.
	Op     Op
	Parent *Node // the instruction before; nil for a FROM and for what has no stage

	Config  *docker.DockerOCIImage // behind the instruction; History is not kept here
	History oci.History            // the instruction's own
}

// Inputs are the nodes that must be there before the node can be carried out.
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

// Needed are the nodes that a stage's end needs, inputs before what they are for.
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
