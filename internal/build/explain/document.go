package explain

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/platforms"

	"github.com/minirun/minirun/internal/build/graph"
)

// A Document is the explanation of a build. Its JSON field names must not change.
type Document struct {
	Platform string  `json:"platform"`
	Target   string  `json:"target"`
	Seconds  float64 `json:"seconds"`
	Layers   int     `json:"layers"` // built by the stages that are needed
	Bytes    int64   `json:"bytes"`  // total size of files in those
	Image    Image   `json:"image"`
	Stages   []Stage `json:"stages"`
	Edges    []Edge  `json:"edges"`
	Start    Start   `json:"start"`
}

// An Image describes the layers of the result, without those of other stages.
type Image struct {
	Base   int   `json:"base_layers"`
	Layers int   `json:"layers"` // built here
	Bytes  int64 `json:"bytes"`  // total size of files in the layers built here
}

// A Stage begins with one FROM.
type Stage struct {
	ID           string        `json:"id"` // as in edges: "stage:0"
	Index        int           `json:"index"`
	Name         string        `json:"name"`
	Base         string        `json:"base"`
	Platform     string        `json:"platform,omitempty"` // if it differs from the result's
	Target       bool          `json:"target"`
	Needed       bool          `json:"needed"`
	InImage      bool          `json:"in_image"` // its layers are part of the image
	Why          string        `json:"why"`      // why it is needed, or not
	Instructions []Instruction `json:"instructions"`
}

// The kinds of instructions.
const (
	Base     = "base"     // FROM
	Layer    = "layer"    // produces a layer
	Metadata = "metadata" // changes only the image's configuration
	Nothing  = "nothing"  // does not change the image: ARG
)

// An Instruction is one executed instruction.
type Instruction struct {
	ID          int        `json:"id"`
	Line        int        `json:"line"`
	LastLine    int        `json:"last_line"`
	Instruction string     `json:"instruction"`
	Text        string     `json:"text"`
	OnBuild     bool       `json:"on_build,omitempty"`
	Kind        string     `json:"kind"`
	From        string     `json:"from,omitempty"` // for a base: where it comes from
	Needed      bool       `json:"needed"`
	Cached      bool       `json:"cached"`
	Seconds     float64    `json:"seconds"`
	Reason      string     `json:"reason,omitempty"`         // why it was cached, or not
	Inputs      []string   `json:"changed_inputs,omitempty"` // inputs that changed
	Key         string     `json:"key,omitempty"`
	Layer       *LayerText `json:"layer,omitempty"`
	Changes     []Change   `json:"changes,omitempty"` // to the configuration
}

// A LayerText is a LayerInfo in JSON.
type LayerText struct {
	Bytes   int64  `json:"bytes"`
	Added   int    `json:"added"`
	Changed int    `json:"changed"`
	Removed int    `json:"removed"`
	Largest []File `json:"largest"`
}

// A File is one of the largest files of a layer.
type File struct {
	Path  string `json:"path"`
	What  string `json:"what"`
	Bytes int64  `json:"bytes"`
}

const largest = 3 // number of files listed per layer

// JSON writes the document.
func JSON(w io.Writer, r *Report) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(r.Document()); err != nil {
		return fmt.Errorf("explain: %w", err)
	}
	return nil
}

// Document builds the document from the report.
func (r *Report) Document() *Document {
	d := &Document{
		Platform: platforms.Format(r.Graph.Platform), Target: r.Graph.Target.Label(), Seconds: r.Total.Seconds(),
		Edges: listEdges(r), Start: describeStart(r),
	}
	within := imageStages(r.Graph.Target, &d.Image)
	for _, s := range r.Graph.Stages {
		t := Stage{
			ID: stageID(s), Index: s.Index, Name: s.Label(), Base: s.Base, Target: s == r.Graph.Target,
			Needed: r.isNeeded(s), InImage: within[s],
		}
		if p := platforms.Format(s.Platform); p != d.Platform && t.Needed {
			t.Platform = p
		}
		t.Why = stageReason(&t, d.Edges)
		for _, n := range s.Nodes {
			i := r.describeInstruction(n)
			if t.Needed && i.Kind == Layer {
				d.Layers++
				d.Bytes += i.layerBytes()
				if t.InImage {
					d.Image.Layers++
					d.Image.Bytes += i.layerBytes()
				}
			}
			t.Instructions = append(t.Instructions, i)
		}
		d.Stages = append(d.Stages, t)
	}
	return d
}

// isNeeded reports whether the target needs a stage. If it does, it needs all of it.
func (r *Report) isNeeded(s *graph.Stage) bool { return r.Steps[s.Last().ID].Needed }

// imageStages returns the stages whose layers are in the result: the target, and the stages that
// it is based on.
func imageStages(target *graph.Stage, i *Image) map[*graph.Stage]bool {
	in := map[*graph.Stage]bool{}
	for s := target; s != nil; {
		in[s] = true
		from, _ := s.Nodes[0].Op.(*graph.From)
		s = nil
		switch {
		case from == nil:
		case from.Stage != nil:
			s = from.Stage
		case from.Image != nil:
			i.Base = len(from.Image.Layers)
		}
	}
	return in
}

func (i *Instruction) layerBytes() int64 {
	if i.Layer == nil {
		return 0
	}
	return i.Layer.Bytes
}

// unneededReason explains why a stage is not built.
const unneededReason = "not needed: the target does not use it with FROM, COPY --from or RUN --mount"

// stageReason explains why a stage is needed, or not.
func stageReason(s *Stage, edges []Edge) string {
	if s.Target {
		return "the target; its layers are in the image"
	}
	if !s.Needed {
		return unneededReason
	}
	text := "needed by " + strings.Join(describeUsers(s, edges), ", ")
	if s.InImage {
		return text + "; its layers are in the image"
	}
	return text + "; its layers are not in the image"
}

// describeUsers lists the instructions of other stages that use a stage, with the line numbers.
func describeUsers(s *Stage, edges []Edge) (out []string) {
	for k := 0; k < len(edges); {
		e := edges[k]
		if k++; e.From != s.ID {
			continue
		}
		lines := []string{strconv.Itoa(e.Line)}
		for ; k < len(edges) && edges[k].From == s.ID && edges[k].To == e.To && edges[k].Kind == e.Kind; k++ {
			lines = append(lines, strconv.Itoa(edges[k].Line))
		}
		lines = slices.Compact(lines)
		format := "%s in %s (line %s)"
		if len(lines) > 1 {
			format = "%s in %s (lines %s)"
		}
		out = append(out, fmt.Sprintf(format, e.Name(), e.ToName, strings.Join(lines, ", ")))
	}
	return out
}

func (r *Report) describeInstruction(n *graph.Node) Instruction {
	s := r.Steps[n.ID]
	i := Instruction{
		ID: n.ID, Line: n.First, LastLine: n.Last, Instruction: n.Instruction, Text: n.Text, OnBuild: n.OnBuild,
		Kind:   Metadata,
		Needed: s.Needed, Cached: s.Cached, Seconds: s.Time.Seconds(), Reason: s.Reason, Inputs: s.Changed,
		Key: s.Key,
	}
	switch n.Instruction { // not by Op: nodes that are not needed may have none
	case "FROM":
		i.Kind, i.From = Base, describeBase(n)
	case "RUN", "COPY", "ADD", "WORKDIR":
		i.Kind = Layer
	}
	if n.Parent != nil && n.Config != nil && n.Parent.Config != nil {
		i.Changes = diffConfigs(n.Parent.Config, n.Config)
	}
	if i.Kind == Metadata && len(i.Changes) == 0 && s.Needed {
		i.Kind = Nothing
	}
	if s.Layer != nil {
		i.Layer = &LayerText{
			Bytes: s.Layer.Bytes, Added: s.Layer.Added, Changed: s.Layer.Changed, Removed: s.Layer.Removed,
			Largest: []File{},
		}
		for _, c := range s.Layer.Largest[:min(largest, len(s.Layer.Largest))] {
			i.Layer.Largest = append(i.Layer.Largest, File{c.Path, string(c.What), c.Size})
		}
	}
	return i
}

// describeBase describes what a FROM is based on.
func describeBase(n *graph.Node) string {
	op, ok := n.Op.(*graph.From)
	switch {
	case !ok:
		return ""
	case op.Stage != nil:
		return "stage " + op.Stage.Label()
	case op.Image != nil:
		bytes := int64(0)
		for _, l := range op.Image.Layers {
			bytes += l.Size
		}
		format := "%d layers, %s compressed"
		if len(op.Image.Layers) == 1 {
			format = "%d layer, %s compressed"
		}
		return fmt.Sprintf(format, len(op.Image.Layers), formatSize(bytes))
	}
	return "an empty file system"
}
