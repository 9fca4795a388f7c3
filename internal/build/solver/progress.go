package solver

import (
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/build/progress"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
)

// beginStep shows a step in the progress.
func (g *graphSolver) beginStep(n *graph.Node) int {
	id := g.nextNumber()
	if s, ok := g.shared.Sink.(progress.InputSink); ok {
		s.SetInputs(id, g.inputNumbers(n, id))
	}
	g.shared.Sink.Begin(id, g.stepTitle(n))
	return id
}

// inputNumbers returns the numbers of the steps that a node depends on, and records the node's
// own number for those that depend on it. A node that is not shown is represented by the nodes
// that it is based on.
func (g *graphSolver) inputNumbers(n *graph.Node, id int) (out []int) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.numbers[n] = id
	for _, in := range n.Inputs() {
		for in != nil {
			if number, ok := g.numbers[in]; ok {
				if !slices.Contains(out, number) {
					out = append(out, number)
				}
				break
			}
			if from, ok := in.Op.(*graph.From); ok && from.Stage != nil {
				in = from.Stage.Last()
				continue
			}
			in = in.Parent
		}
	}
	return out
}

// nextNumber allocates a number for a step that is shown.
func (g *graphSolver) nextNumber() int {
	g.shared.mutex.Lock()
	defer g.shared.mutex.Unlock()
	g.shared.numbers++
	return g.shared.numbers
}

// stepTitle is the name of a step in buildx's format.
func (g *graphSolver) stepTitle(n *graph.Node) string {
	if n.Stage == nil {
		return "[internal] " + n.Text
	}
	at, all := 0, 0
	for _, m := range n.Stage.Nodes {
		if from, ok := m.Op.(*graph.From); m.Op == nil || ok && from.Image == nil && from.Stage == nil {
			continue // it has no files
		}
		if all++; m == n {
			at = all
		}
	}
	where := fmt.Sprintf("%d/%d", at, all)
	if len(g.graph.Stages) > 1 {
		where = n.Stage.Label() + " " + where
	}
	if g.shared.Several {
		where = platformLabel(n.Stage.Platform, g.graph.Platform) + " " + where
	}
	return fmt.Sprintf("[%s] %s", where, n.Text)
}

// platformLabel formats the platform of a stage and, if it differs, that of the result:
// linux/amd64->arm64, as buildx does.
func platformLabel(stage, result oci.Platform) string {
	from, to := platforms.Format(stage), platforms.Format(result)
	switch {
	case from == to:
		return from
	case stage.OS == result.OS:
		to = strings.TrimPrefix(to, result.OS+"/")
	}
	return from + "->" + to
}
