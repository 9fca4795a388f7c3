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

// cloneConfig copies a configuration as deeply as instructions change it in place.
func cloneConfig(c *docker.DockerOCIImage) *docker.DockerOCIImage {
	out := *c
	out.Config.Env = slices.Clone(c.Config.Env)
	out.Config.Labels = maps.Clone(c.Config.Labels)
	out.History = nil
	return &out
}

// convertStage converts a stage and the stages it needs.
func (b *graphBuilder) convertStage(i int) (*graph.Stage, error) {
	s := &b.stages[i]
	switch {
	case s.status == done:
		return s.stage, s.err
	case s.status == inProgress:
		return nil, fmt.Errorf("circular dependency detected on stage: %s: it needs its own result", b.file.stageLabel(i))
	}
	s.status = inProgress
	s.stage = &graph.Stage{Index: i, Name: b.file.stages[i].Name}
	s.err = b.convertInstructions(s, &b.file.stages[i])
	if s.status = done; s.err != nil {
		return nil, s.err
	}
	b.graph.Stages[i] = s.stage
	return s.stage, nil
}

// convertInstructions converts a FROM, the ONBUILD instructions of its base, and those of the
// stage.
func (b *graphBuilder) convertInstructions(s *stageBuilder, source *instructions.Stage) error {
	triggers, err := b.startStage(s, source)
	if err != nil {
		return parser.WithLocation(err, source.Location)
	}
	for _, t := range triggers {
		if err := b.convertTrigger(s, t); err != nil {
			return parser.WithLocation(fmt.Errorf("ONBUILD %s of %s: %w", t, s.stage.Base, err), source.Location)
		}
	}
	for _, c := range source.Commands {
		if err := b.convert(s, copyInstruction(c)); err != nil {
			return parser.WithLocation(err, c.Location())
		}
	}
	return nil
}

func (f *File) stageLabel(i int) string {
	if f.stages[i].Name != "" {
		return f.stages[i].Name
	}
	return "stage-" + strconv.Itoa(i)
}

// describeStage returns a stage that the target does not need, with its instructions as text.
func (b *graphBuilder) describeStage(i int) *graph.Stage {
	source := &b.file.stages[i]
	s := &graph.Stage{Index: i, Name: source.Name, Base: source.BaseName, Platform: b.options.Platform}
	first, last := lineRange(source.Location)
	s.Nodes = append(
		s.Nodes,
		&graph.Node{ID: b.nextID(), Stage: s, Instruction: "FROM", Text: source.SourceCode, First: first, Last: last},
	)
	for _, c := range source.Commands {
		first, last := lineRange(c.Location())
		s.Nodes = append(
			s.Nodes,
			&graph.Node{
				ID:          b.nextID(),
				Stage:       s,
				Instruction: strings.ToUpper(c.Name()),
				Text:        fmt.Sprint(c),
				First:       first,
				Last:        last,
			},
		)
	}
	return s
}

func firstLine(at []parser.Range) int {
	first, _ := lineRange(at)
	return first
}

func lineRange(at []parser.Range) (first, last int) {
	if len(at) == 0 {
		return 0, 0
	}
	return at[0].Start.Line, at[len(at)-1].End.Line
}

// startStage starts a stage, and returns the ONBUILD triggers of its base.
func (b *graphBuilder) startStage(s *stageBuilder, source *instructions.Stage) (triggers []string, err error) {
	name, platform, err := b.expandFrom(source)
	if err != nil {
		return nil, err
	}
	s.stage.Base, s.stage.Platform = name, platform
	first, last := lineRange(source.Location)
	n := &graph.Node{Instruction: "FROM", Text: fromText(source, name), First: first, Last: last}
	op, config, err := b.resolveBase(s.stage)
	if err != nil {
		return nil, err
	}
	n.Op, n.Config = op, cloneConfig(config)
	triggers, n.Config.Config.OnBuild = n.Config.Config.OnBuild, nil
	if s.stage.Platform.OS != windows &&
		!slices.ContainsFunc(n.Config.Config.Env, func(e string) bool { return strings.HasPrefix(e, "PATH=") }) {
		n.Config.Config.Env = append(n.Config.Config.Env, "PATH="+defaultPath)
	}
	if err := b.addNode(s, n); err != nil {
		return nil, err
	}
	if op.Stage != nil {
		s.vars.args = b.stages[op.Stage.Index].vars.inheritedArgs() // a stage based on another one has its ARGs
	}
	return triggers, nil
}

// expandFrom expands the name and platform of a FROM.
func (b *graphBuilder) expandFrom(source *instructions.Stage) (name string, p oci.Platform, err error) {
	names := b.expander(&b.globals)
	if name, err = names.word(source.BaseName); err != nil {
		return "", p, err
	}
	if name == "" {
		return "", p, fmt.Errorf(
			"base name (%s) should not be blank\nhint: declare its ARG before the first FROM with a default, or use --build-arg",
			source.BaseName,
		)
	}
	if source.Platform == "" {
		return name, b.options.Platform, nil
	}
	text, err := names.word(source.Platform)
	if err != nil {
		return "", p, fmt.Errorf("FROM --platform=%s: %w", source.Platform, err)
	}
	if text == "" {
		return "", p, fmt.Errorf(
			"empty platform value from expression %s%s", source.Platform, b.suggestArgument(source.Platform),
		)
	}
	if p, err = platforms.Parse(text); err != nil {
		return "", p, fmt.Errorf(
			"failed to parse platform %s: %w%s", source.Platform, err, b.suggestArgument(source.Platform),
		)
	}
	return name, platforms.Normalize(p), nil
}

// suggestArgument suggests, as a question, an ARG whose name resembles an undeclared one in an
// expression, or else says what to do.
func (b *graphBuilder) suggestArgument(expression string) string {
	result, err := b.lex.ProcessWordWithMatches(expression, &b.globals)
	if err != nil || len(result.Unmatched) == 0 {
		return ""
	}
	names := b.globals.Keys()
	for _, unknown := range slices.Sorted(maps.Keys(result.Unmatched)) {
		if found, ok := suggest.Search(unknown, names, true); ok {
			return fmt.Sprintf(" (did you mean %s?)", found)
		}
	}
	return "\nhint: declare its ARG before the first FROM"
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

// resolveBase returns what a FROM starts with: an earlier stage, nothing, or an image.
func (b *graphBuilder) resolveBase(s *graph.Stage) (*graph.From, *docker.DockerOCIImage, error) {
	if j, ok := lastStage(b.file.stages[:s.Index], s.Base); ok && b.options.Images[strings.ToLower(s.Base)] == "" {
		below, err := b.convertStage(j)
		if err != nil {
			return nil, nil, err
		}
		s.Platform = below.Platform
		return &graph.From{Stage: below}, below.Last().Config, nil
	}
	if s.Base == scratch || b.options.Images[strings.ToLower(s.Base)] == scratch {
		s.Platform = b.options.Platform // scratch fits every platform, whatever --platform says
		return &graph.From{}, emptyConfig(s.Platform), nil
	}
	i, err := b.resolveImage(s.Base, s.Platform)
	if b.options.outline && errors.Is(err, ErrUnknownImage) {
		return &graph.From{}, emptyConfig(s.Platform), nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("FROM %s%s: %w", s.Base, b.file.suggestStage(s.Base, s.Index), err)
	}
	return &graph.From{Name: s.Base, Image: i}, &i.Config, nil
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

// emptyConfig returns the configuration of scratch.
func emptyConfig(p oci.Platform) *docker.DockerOCIImage {
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

// defaultShell returns the shell for commands in shell form.
func defaultShell(shell []string, p oci.Platform) []string {
	if len(shell) == 0 && p.OS == windows {
		return []string{"cmd", "/S", "/C"}
	}
	return shell
}

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func (b *graphBuilder) resolveImage(name string, p oci.Platform) (*graph.Image, error) {
	if other, ok := b.options.Images[strings.ToLower(name)]; ok {
		name = other
	}
	return b.options.Resolve(name, p)
}
