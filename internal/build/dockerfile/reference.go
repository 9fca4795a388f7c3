package dockerfile

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/build/graph"
)

// This file resolves --from: the name or number of a stage, the name of a context, or an image.

// resolveFrom returns the file system that --from names: that of a stage (by name or number), of a
// context or of an image. A context has no node: its name is returned.
func (b *graphBuilder) resolveFrom(s *stageBuilder, from string) (*graph.Node, string, error) {
	if b.options.Images[strings.ToLower(from)] == scratch { // --build-context NAME=docker-image://scratch
		from = scratch
	}
	if slices.Contains(b.options.Contexts, from) {
		return nil, from, nil
	}
	i, ok, err := b.stageNumber(from, s.stage.Index)
	if err != nil {
		return nil, "", err
	}
	if ok {
		return b.resolveStage(s, from, i)
	}
	key := from + " " + platforms.Format(s.stage.Platform)
	if n, ok := b.images[key]; ok {
		return n, "", nil
	}
	if from == scratch {
		b.images[key] = b.emptyImage(from, s.stage.Platform)
		return b.images[key], "", nil
	}
	image, err := b.resolveImage(from, s.stage.Platform)
	if errors.Is(err, ErrUnknownImage) {
		return b.emptyImage(from, s.stage.Platform), "", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf(
			"--from=%s is not a stage%s, so it must be an image: %w", from, b.file.suggestStage(from, len(b.file.stages)),
			err,
		)
	}
	n := b.emptyImage(from, s.stage.Platform)
	n.Op, n.Config = &graph.From{Name: from, Image: image}, cloneConfig(&image.Config)
	b.images[key] = n
	return n, "", nil
}

// resolveStage returns the file system of the stage at an index, for --from in an earlier one.
func (b *graphBuilder) resolveStage(s *stageBuilder, from string, index int) (*graph.Node, string, error) {
	if index > s.stage.Index {
		return nil, "", fmt.Errorf(
			"cannot copy from stage %q: it needs to be defined before current stage %q, but is defined later (line %d)", from,
			b.file.stageLabel(s.stage.Index), firstLine(b.file.stages[index].Location),
		)
	}
	source, err := b.convertStage(index)
	if errors.Is(err, ErrUnknownImage) { // in a check, where nothing is read from it
		return b.emptyImage(from, s.stage.Platform), "", nil
	}
	if err != nil {
		return nil, "", err
	}
	return source.Last(), "", nil
}

// stageNumber returns which stage --from in the stage at index names, if any. Naming its own
// stage is an error, and so is a number that no stage has.
func (b *graphBuilder) stageNumber(from string, index int) (i int, ok bool, err error) {
	_, replaced := b.options.Images[strings.ToLower(from)]
	i, ok = lastStage(b.file.stages, from)
	if n, err := strconv.Atoi(from); err == nil && !ok {
		if i, ok = n, n >= 0 && n < len(b.file.stages); !ok {
			return 0, false, fmt.Errorf(
				"invalid stage index in --from=%s: stages are counted from 0, and this is stage %d", from, index,
			)
		}
	}
	if ok && !replaced && i == index {
		return 0, false, fmt.Errorf(
			"circular dependency detected on stage: --from=%s names the stage of this instruction", from,
		)
	}
	return i, ok && !replaced, nil
}

// checkReferences returns the first error in a --from, even in stages that are not needed.
func (b *graphBuilder) checkReferences() error {
	for i, s := range b.file.stages {
		for _, command := range s.Commands {
			var references []string
			switch c := command.(type) {
			case *instructions.CopyCommand:
				if err := checkNoVariables(c.From); err != nil {
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
				if from == "" || slices.Contains(b.options.Contexts, from) {
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

// checkNoVariables returns an error if a --from contains variables.
func checkNoVariables(from string) error {
	if !strings.Contains(from, "$") {
		return nil
	}
	return fmt.Errorf(
		"variable expansion is not supported for --from, "+
			"define a new stage with FROM using ARG from global scope as a workaround\n"+
			"hint: write FROM %s AS NAME and --from=NAME",
		from,
	)
}

// emptyImage returns a placeholder for an unknown file system.
func (b *graphBuilder) emptyImage(name string, p oci.Platform) *graph.Node {
	return &graph.Node{
		ID:          b.nextID(),
		Instruction: "FROM",
		Text:        "FROM " + name,
		Op:          &graph.From{Name: name},
		Config:      emptyConfig(p),
	}
}
