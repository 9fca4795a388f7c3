package dockerfile

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/util/suggest"
	docker "github.com/moby/docker-image-spec/specs-go/v1"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/build/graph"
)

const scratch = "scratch"

// A draft is a stage during conversion.
type draft struct {
	b      *builder
	stage  *graph.Stage
	vars   scope // ARGs; the environment is in the configuration
	cmd    bool  // CMD was set in this stage, so ENTRYPOINT keeps it
	layers int
}

func (d *draft) last() *graph.Node { return d.stage.Last() }

// clone copies a configuration as deeply as instructions change it in place.
func clone(c *docker.DockerOCIImage) *docker.DockerOCIImage {
	out := *c
	out.Config.Env = slices.Clone(c.Config.Env)
	out.Config.Labels = maps.Clone(c.Config.Labels)
	out.History = nil
	return &out
}

// stage converts a stage and the stages it needs.
func (b *builder) stage(i int) (s *graph.Stage, err error) {
	switch {
	case b.state[i] == 2:
		return b.g.Stages[i], nil
	case b.failed[i] != nil:
		return nil, b.failed[i]
	case b.state[i] == 1:
		return nil, fmt.Errorf("circular dependency detected on stage: %s: it needs what it makes", b.label(i))
	}
	b.state[i] = 1
	defer func() { b.failed[i] = err }()
	source := &b.stages[i]
	d := &draft{b: b, stage: &graph.Stage{Index: i, Name: source.Name}}
	triggers, err := d.from(source)
	if err != nil {
		return nil, parser.WithLocation(err, source.Location)
	}
	for _, t := range triggers {
		if err := d.trigger(t); err != nil {
			return nil, parser.WithLocation(fmt.Errorf("ONBUILD %s of %s: %w", t, d.stage.Base, err), source.Location)
		}
	}
	for _, c := range source.Commands {
		if err := d.instruction(c); err != nil {
			return nil, parser.WithLocation(err, c.Location())
		}
	}
	b.state[i], b.g.Stages[i], b.scopes[i], b.depths[i] = 2, d.stage, &d.vars, d.layers
	return d.stage, nil
}

func (b *builder) label(i int) string {
	if b.stages[i].Name != "" {
		return b.stages[i].Name
	}
	return "stage-" + strconv.Itoa(i)
}

// unneeded returns a stage that the target does not need, with its instructions as text.
func (b *builder) unneeded(i int) *graph.Stage {
	source := &b.stages[i]
	s := &graph.Stage{Index: i, Name: source.Name, Base: source.BaseName, Platform: b.o.Platform}
	first, last := lines(source.Location)
	s.Nodes = append(s.Nodes, &graph.Node{ID: b.id(), Stage: s, Instruction: "FROM", Text: source.SourceCode, First: first, Last: last})
	for _, c := range source.Commands {
		first, last := lines(c.Location())
		s.Nodes = append(s.Nodes, &graph.Node{ID: b.id(), Stage: s, Instruction: strings.ToUpper(c.Name()), Text: fmt.Sprint(c), First: first, Last: last})
	}
	return s
}

func (b *builder) id() int {
	b.nodes++
	return b.nodes - 1
}

func firstLine(at []parser.Range) int {
	first, _ := lines(at)
	return first
}

func lines(at []parser.Range) (first, last int) {
	if len(at) == 0 {
		return 0, 0
	}
	return at[0].Start.Line, at[len(at)-1].End.Line
}

// add appends a node after the last one.
func (d *draft) add(n *graph.Node) error {
	n.ID, n.Stage = d.b.id(), d.stage
	if len(d.stage.Nodes) > 0 {
		n.Parent = d.last()
		if n.Config == nil {
			n.Config = n.Parent.Config
		}
	}
	d.stage.Nodes = append(d.stage.Nodes, n)
	d.vars.env = n.Config.Config.Env
	if err := d.stacked(n); err != nil {
		return err
	}
	return d.b.weigh(n)
}

// from starts a stage, and returns the ONBUILD triggers of its base.
func (d *draft) from(source *instructions.Stage) (triggers []string, err error) {
	b := d.b
	name, platform, err := b.fromWords(source)
	if err != nil {
		return nil, err
	}
	d.stage.Base, d.stage.Platform = name, platform
	first, last := lines(source.Location)
	n := &graph.Node{Instruction: "FROM", Text: fromText(source, name), First: first, Last: last}
	op, config, err := b.base(d.stage)
	if err != nil {
		return nil, err
	}
	n.Op, n.Config = op, clone(config)
	triggers, n.Config.Config.OnBuild = n.Config.Config.OnBuild, nil
	if d.stage.Platform.OS != windows && !slices.ContainsFunc(n.Config.Config.Env, func(e string) bool { return strings.HasPrefix(e, "PATH=") }) {
		n.Config.Config.Env = append(n.Config.Config.Env, "PATH="+defaultPath)
	}
	if err := d.add(n); err != nil {
		return nil, err
	}
	if op.Stage != nil && b.scopes[op.Stage.Index] != nil {
		d.vars.args = b.scopes[op.Stage.Index].inherited() // a stage based on another one has its ARGs
	}
	return triggers, nil
}

// fromWords expands the name and platform of a FROM.
func (b *builder) fromWords(source *instructions.Stage) (name string, p oci.Platform, err error) {
	names := b.expander(&b.args)
	if name, err = names.word(source.BaseName); err != nil {
		return "", p, err
	}
	if name == "" {
		return "", p, fmt.Errorf("base name (%s) should not be blank: declare its ARG before the first FROM, with a default, or give --build-arg", source.BaseName)
	}
	if source.Platform == "" {
		return name, b.o.Platform, nil
	}
	text, err := names.word(source.Platform)
	if err != nil {
		return "", p, fmt.Errorf("FROM --platform=%s: %w", source.Platform, err)
	}
	if text == "" {
		return "", p, fmt.Errorf("empty platform value from expression %s%s", source.Platform, b.meantArgument(source.Platform))
	}
	if p, err = platforms.Parse(text); err != nil {
		return "", p, fmt.Errorf("failed to parse platform %s: %w%s", source.Platform, err, b.meantArgument(source.Platform))
	}
	return name, platforms.Normalize(p), nil
}

// meantArgument suggests, as a question, an ARG whose name resembles an undeclared one in an
// expression, or else says what to do.
func (b *builder) meantArgument(expression string) string {
	result, err := b.lex.ProcessWordWithMatches(expression, &b.args)
	if err != nil || len(result.Unmatched) == 0 {
		return ""
	}
	names := b.args.Keys()
	for _, unknown := range slices.Sorted(maps.Keys(result.Unmatched)) {
		if found, ok := suggest.Search(unknown, names, true); ok {
			return fmt.Sprintf(" (did you mean %s?)", found)
		}
	}
	return ": declare its ARG before the first FROM"
}

func fromText(source *instructions.Stage, name string) string {
	text := "FROM "
	if source.Platform != "" {
		text += "--platform=" + source.Platform + " "
	}
	text += name
	if source.Name != "" {
		text += " AS " + source.Name
	}
	return text
}

// base returns what a FROM starts with: an earlier stage, nothing, or an image.
func (b *builder) base(s *graph.Stage) (*graph.From, *docker.DockerOCIImage, error) {
	if j, ok := lastStage(b.stages[:s.Index], s.Base); ok && b.o.Images[strings.ToLower(s.Base)] == "" {
		below, err := b.stage(j)
		if err != nil {
			return nil, nil, err
		}
		s.Platform = below.Platform
		return &graph.From{Stage: below}, below.Last().Config, nil
	}
	if s.Base == scratch || b.o.Images[strings.ToLower(s.Base)] == scratch {
		s.Platform = b.o.Platform // scratch fits every platform, whatever --platform says
		return &graph.From{}, empty(s.Platform), nil
	}
	i, err := b.image(s.Base, s.Platform)
	if b.o.unknownImages && errors.Is(err, ErrUnknownImage) {
		return &graph.From{}, empty(s.Platform), nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("FROM %s%s: %w", s.Base, b.meant(s.Base, s.Index), err)
	}
	return &graph.From{Image: i}, &i.Config, nil
}

// lastStage finds a stage by its name. If several have the name, the last one wins.
func lastStage(stages []instructions.Stage, name string) (int, bool) {
	for i, s := range slices.Backward(stages) {
		if s.Name != "" && strings.EqualFold(s.Name, name) {
			return i, true
		}
	}
	return -1, false
}

// empty returns the configuration of scratch.
func empty(p oci.Platform) *docker.DockerOCIImage {
	var c docker.DockerOCIImage
	c.Platform = p
	c.RootFS.Type = "layers"
	if p.OS != windows {
		c.Config.Env = []string{"PATH=" + defaultPath}
	}
	c.Config.WorkingDir = "/"
	return &c
}

// windows has a different shell and different paths. An image for it can be built as long as
// no Windows program has to run.
const windows = "windows"

// shellOf returns the shell for commands in shell form.
func shellOf(shell []string, p oci.Platform) []string {
	if len(shell) == 0 && p.OS == windows {
		return []string{"cmd", "/S", "/C"}
	}
	return shell
}

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func (b *builder) image(name string, p oci.Platform) (*graph.Image, error) {
	if other, ok := b.o.Images[strings.ToLower(name)]; ok {
		name = other
	}
	return b.o.Resolve(name, p)
}

// input returns the file system that --from names: that of a stage (by name or number), of a
// context or of an image. A context has no node: its name is returned.
func (d *draft) input(from string) (*graph.Node, string, error) {
	b := d.b
	if b.o.Images[strings.ToLower(from)] == scratch { // --build-context NAME=docker-image://scratch
		from = scratch
	}
	if slices.Contains(b.o.Contexts, from) {
		return nil, from, nil
	}
	i, ok, err := b.stageNumber(from, d.stage.Index)
	if err != nil {
		return nil, "", err
	}
	if ok {
		if i > d.stage.Index {
			return nil, "", fmt.Errorf("cannot copy from stage %q: it needs to be defined before current stage %q, and is defined later, at line %d",
				from, b.label(d.stage.Index), firstLine(b.stages[i].Location))
		}
		s, err := b.stage(i)
		if errors.Is(err, ErrUnknownImage) { // in a check, where nothing is read from it
			return b.emptyImage(from, d.stage.Platform), "", nil
		}
		if err != nil {
			return nil, "", err
		}
		return s.Last(), "", nil
	}
	key := from + " " + platforms.Format(d.stage.Platform)
	if n, ok := b.images[key]; ok {
		return n, "", nil
	}
	if from == scratch {
		n := &graph.Node{ID: b.id(), Instruction: "FROM", Text: "FROM " + from, Op: &graph.From{}, Config: empty(d.stage.Platform)}
		b.images[key] = n
		return n, "", nil
	}
	image, err := b.image(from, d.stage.Platform)
	if errors.Is(err, ErrUnknownImage) {
		return b.emptyImage(from, d.stage.Platform), "", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("--from=%s: no stage has this name%s, so it is an image: %w", from, b.meant(from, len(b.stages)), err)
	}
	n := &graph.Node{ID: b.id(), Instruction: "FROM", Text: "FROM " + from, Op: &graph.From{Image: image}, Config: clone(&image.Config)}
	b.images[key] = n
	return n, "", nil
}

// stageNumber returns which stage --from in the stage at index names, if any. Naming its own
// stage is an error, and so is a number that no stage has.
func (b *builder) stageNumber(from string, index int) (i int, ok bool, err error) {
	_, replaced := b.o.Images[strings.ToLower(from)]
	i, ok = lastStage(b.stages, from)
	if n, err := strconv.Atoi(from); err == nil && !ok {
		if i, ok = n, n >= 0 && n < len(b.stages); !ok {
			return 0, false, fmt.Errorf("--from=%s: invalid stage index: %d: stages are counted from 0, and this one is %d", from, n, index)
		}
	}
	if ok && !replaced && i == index {
		return 0, false, fmt.Errorf("--from=%s: circular dependency detected on stage: %s is the stage that this instruction is in", from, from)
	}
	return i, ok && !replaced, nil
}

// checkReferences returns the first error in a --from, even in stages that are not needed.
func (b *builder) checkReferences() error {
	for i, s := range b.stages {
		for _, command := range s.Commands {
			var references []string
			switch c := command.(type) {
			case *instructions.CopyCommand:
				if err := checkExpansion(c.From); err != nil {
					return parser.WithLocation(err, c.Location())
				}
				references = []string{c.From}
			case *instructions.RunCommand:
				for _, m := range instructions.GetMounts(c) {
					if _, err := strconv.Atoi(m.From); err != nil { // BuildKit does not check a number here
						references = append(references, m.From)
					}
				}
			}
			for _, from := range references {
				if from == "" || slices.Contains(b.o.Contexts, from) {
					continue
				}
				if _, _, err := b.stageNumber(from, i); err != nil {
					return parser.WithLocation(err, command.Location())
				}
			}
		}
	}
	return nil
}

// checkExpansion returns an error if a --from contains variables.
func checkExpansion(from string) error {
	if !strings.Contains(from, "$") {
		return nil
	}
	return fmt.Errorf("--from=%s: variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround: "+
		"FROM %s AS NAME, then --from=NAME", from, from)
}

// emptyImage returns a placeholder for an unknown file system.
func (b *builder) emptyImage(name string, p oci.Platform) *graph.Node {
	return &graph.Node{ID: b.id(), Instruction: "FROM", Text: "FROM " + name, Op: &graph.From{}, Config: empty(p)}
}
