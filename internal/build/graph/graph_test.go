package graph

import (
	"slices"
	"testing"
)

// stageOf creates a stage; the first node is a FROM with this operation.
func stageOf(g *Graph, name string, from *From, ops ...Op) *Stage {
	s := &Stage{Index: len(g.Stages), Name: name}
	for i, op := range append([]Op{from}, ops...) {
		n := &Node{ID: 10*s.Index + i, Stage: s, Op: op}
		if i > 0 {
			n.Parent = s.Nodes[i-1]
		}
		s.Nodes = append(s.Nodes, n)
	}
	g.Stages = append(g.Stages, s)
	return s
}

// ids returns the IDs of nodes.
func ids(nodes []*Node) (out []int) {
	for _, n := range nodes {
		out = append(out, n.ID)
	}
	return out
}

// sample has a stage that builds, one that nothing needs, and the target.
func sample() *Graph {
	g := &Graph{}
	builder := stageOf(g, "builder", &From{Image: &Image{}}, &Run{}, &Run{})
	stageOf(g, "unused", &From{Stage: builder}, &Run{})
	tools := &Node{ID: 100, Op: &From{Image: &Image{}}}
	g.Target = stageOf(g, "", &From{},
		&Copy{Sources: []Source{{From: builder.Last(), Path: "a"}, {Context: MainContext, Path: "b"}}},
		nil,
		&Run{Mounts: []Mount{{Type: "bind", From: tools}, {Type: "cache"}}},
	)
	return g
}

// TestNeededNodes: the nodes that the target needs, each after its inputs and once.
func TestNeededNodes(t *testing.T) {
	g := sample()
	needed := g.Needed()
	if got, want := ids(needed), []int{20, 0, 1, 2, 21, 22, 100, 23}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	for i, n := range needed {
		for _, in := range n.Inputs() {
			if !slices.Contains(needed[:i], in) {
				t.Errorf("node %d precedes its input %d", n.ID, in.ID)
			}
		}
	}
}

// TestInputs: what each kind of node reads.
func TestInputs(t *testing.T) {
	g := sample()
	builder, unused := g.Stages[0], g.Stages[1]
	for _, c := range []struct {
		name string
		node *Node
		want []int
	}{
		{"FROM an image", builder.Nodes[0], nil}, {"FROM a stage", unused.Nodes[0], []int{2}},
		{"FROM scratch", g.Target.Nodes[0], nil},
		{"RUN", builder.Nodes[1], []int{0}}, {"COPY of a stage and a context", g.Target.Nodes[1], []int{20, 2}},
		{"metadata", g.Target.Nodes[2], []int{21}}, {"RUN with a mount", g.Target.Nodes[3], []int{22, 100}},
	} {
		if got := ids(c.node.Inputs()); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestStageLabel: a stage without a name has its number as a label.
func TestStageLabel(t *testing.T) {
	g := sample()
	for i, want := range []string{"builder", "unused", "stage-2"} {
		if got := g.Stages[i].Label(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
