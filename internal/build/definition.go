package build

import (
	"slices"
	"strings"

	"github.com/containerd/platforms"

	"github.com/minirun/minirun/internal/build/attest"
	"github.com/minirun/minirun/internal/build/dockerfile"
	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/build/source"
)

// This file creates the build definition of a provenance: the nodes of a graph as BuildKit's
// operations (solver/pb/ops.proto there), in JSON.

// fields is a JSON object.
type fields map[string]any

// A definition collects the steps found so far.
type definition struct {
	steps   []attest.Step
	of      map[*graph.Node]int // the step whose file system is that of the node
	sources map[string]int      // by identifier
	public  func(url string) string
}

// scratchStep means no file system.
const scratchStep = -1

// definitionOf converts the nodes that the target needs.
func definitionOf(g *graph.Graph) []attest.Step {
	d := &definition{of: map[*graph.Node]int{}, sources: map[string]int{}, public: source.RedactURL}
	for _, n := range g.Needed() {
		d.of[n] = d.addNode(n)
	}
	if last := d.of[g.Target.Last()]; last != scratchStep {
		d.add(attest.Step{Op: fields{}, Inputs: []int{last}}) // the result
	}
	return d.steps
}

func (d *definition) add(s attest.Step) int {
	d.steps = append(d.steps, s)
	return len(d.steps) - 1
}

// addNode converts one node, and returns the index of its step.
func (d *definition) addNode(n *graph.Node) int {
	below := scratchStep
	if n.Parent != nil {
		below = d.of[n.Parent]
	}
	switch op := n.Op.(type) {
	case *graph.From:
		switch {
		case op.Stage != nil:
			return d.of[op.Stage.Last()]
		case op.Image != nil:
			name := strings.TrimPrefix(op.Image.Name, "docker-image://")
			return d.addSource("docker-image://"+name+"@"+op.Image.Manifest.String(), n)
		}
		return scratchStep
	case *graph.Run:
		return d.addRun(n, op, below)
	case *graph.Copy:
		return d.addCopy(n, op, below)
	case *graph.Workdir:
		action := fields{"path": op.Path, "mode": 0o755, "makeParents": true, "timestamp": -1}
		return d.addFileActions(n, below, []fields{{"mkdir": action}}, nil)
	}
	return below
}

// addSource returns a step that fetches something, shared by all of its users.
func (d *definition) addSource(identifier string, n *graph.Node) int {
	if i, ok := d.sources[identifier]; ok {
		return i
	}
	i := d.add(attest.Step{Op: fields{"source": fields{"identifier": identifier}}, First: n.First, Last: n.Last})
	d.sources[identifier] = i
	return i
}

// mountTypes are the mount types' numbers in ops.proto.
var mountTypes = map[string]int{"secret": 1, "ssh": 2, "cache": 3, "tmpfs": 4}

func (d *definition) addRun(n *graph.Node, op *graph.Run, below int) int {
	s := attest.Step{First: n.First, Last: n.Last}
	if n.Stage != nil {
		s.Platform = platforms.Format(n.Stage.Platform)
	}
	input := func(step int) int { // returns an index into Inputs
		if step == scratchStep {
			return scratchStep
		}
		s.Inputs = append(s.Inputs, step)
		return len(s.Inputs) - 1
	}
	mounts := []fields{{"dest": "/", "input": input(below)}}
	for i := range op.Mounts {
		m := &op.Mounts[i]
		from := scratchStep
		if m.From != nil {
			from = d.of[m.From]
		}
		f := fields{"dest": m.Target, "input": input(from), "mountType": mountTypes[m.Type]}
		switch m.Type {
		case "secret":
			f["secretOpt"] = fields{"ID": m.ID, "optional": !m.Required}
		case "ssh":
			f["SSHOpt"] = fields{"ID": m.ID, "optional": !m.Required}
		case "cache":
			f["cacheOpt"] = fields{"ID": m.ID}
		}
		if m.Source != "" && m.Source != "." {
			f["selector"] = m.Source
		}
		if m.ReadOnly {
			f["readonly"] = true
		}
		mounts = append(mounts, f)
	}
	meta := fields{"args": op.Argv, "env": withoutProxies(op.Env), "cwd": op.Cwd}
	if op.User != "" {
		meta["user"] = op.User
	}
	exec := fields{"meta": meta, "mounts": mounts}
	if n := map[string]int{"host": 1, "none": 2}[op.Network]; n > 0 {
		exec["network"] = n
	}
	if op.Insecure {
		exec["security"] = 1
	}
	s.Op = fields{"exec": exec}
	return d.add(s)
}

// withoutProxies removes variables that often contain a password.
func withoutProxies(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		return dockerfile.IsProxy(name)
	})
}

// addCopy converts a COPY or an ADD, with one action for each source.
func (d *definition) addCopy(n *graph.Node, op *graph.Copy, below int) int {
	var actions []fields
	var from []int
	for _, s := range op.Sources {
		switch {
		case s.File != nil:
			mkfile := fields{"path": op.Dest, "data": []byte(s.File.Content), "timestamp": -1}
			actions, from = append(actions, fields{"mkfile": mkfile}), append(from, scratchStep)
			continue
		case s.URL != "":
			from = append(from, d.addSource(d.public(s.URL), n))
		case s.From != nil:
			from = append(from, d.of[s.From])
		default:
			from = append(from, d.addSource("local://"+s.Context, &graph.Node{}))
		}
		c := fields{
			"src":            "/" + strings.TrimPrefix(s.Path, "/"),
			"dest":           op.Dest,
			"createDestPath": true,
			"allowWildcard":  true,
			"timestamp":      -1,
		}
		if op.Chown != "" {
			c["owner"] = op.Chown
		}
		if op.Chmod != "" {
			c["modeStr"] = op.Chmod
		}
		if len(op.Exclude) > 0 {
			c["excludePatterns"] = op.Exclude
		}
		actions = append(actions, fields{"copy": c})
	}
	return d.addFileActions(n, below, actions, from)
}

// addFileActions adds a step whose actions change the file system below one after the other.
func (d *definition) addFileActions(n *graph.Node, below int, actions []fields, from []int) int {
	s := attest.Step{First: n.First, Last: n.Last}
	if below != scratchStep {
		s.Inputs = append(s.Inputs, below)
	}
	second := make([]int, len(actions))
	for i := range actions {
		if second[i] = scratchStep; i < len(from) && from[i] != scratchStep {
			s.Inputs = append(s.Inputs, from[i])
			second[i] = len(s.Inputs) - 1
		}
	}
	var list []fields
	for i, action := range actions {
		first, output := len(s.Inputs)+i-1, scratchStep // the previous action's result, which other steps do not see
		if i == 0 {
			first = scratchStep
			if below != scratchStep {
				first = 0
			}
		}
		if i == len(actions)-1 {
			output = 0
		}
		list = append(list, fields{"input": first, "secondaryInput": second[i], "output": output, "Action": action})
	}
	s.Op = fields{"file": fields{"actions": list}}
	return d.add(s)
}
