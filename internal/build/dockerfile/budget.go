package dockerfile

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/image/imageconfig"
	"github.com/minirun/minirun/internal/overlay"
)

// This file limits the size of what a Dockerfile expands to. A few lines can ask for more
// memory than any machine has: ENV A=$A$A doubles each time, and each of many ENV instructions
// has all variables of those before it.

const (
	maxMemory       = 64 << 20 // bytes of all instructions, expanded
	maxInstructions = 50_000
	maxLayers       = overlay.MaxLayers
)

// MaxPorts is the maximum number of ports in one EXPOSE.
const MaxPorts = 200_000

var errTooLarge = fmt.Errorf("the expanded Dockerfile has more than %d MiB of variables, labels and text\n"+
	"hint: check for variables that grow with each line", maxMemory>>20)

// expandedSize is the number of bytes of a graph's expanded text.
type expandedSize int

// add counts bytes that are kept.
func (s *expandedSize) add(bytes int) error {
	*s += expandedSize(bytes)
	if *s > maxMemory {
		return errTooLarge
	}
	return nil
}

// replacement matches ${NAME/…}, which can insert a text in many places.
var replacement = regexp.MustCompile(`\$\{\w+/`)

// checkSize rejects, before a word is expanded, one that may become too large.
func (e expander) checkSize(word string) error {
	names := strings.Count(word, "$")
	if names == 0 {
		return nil
	}
	longest := 1
	for _, name := range e.env.Keys() {
		value, _ := e.env.Get(name)
		longest = max(longest, len(value))
	}
	size := len(word) + names*longest
	if replacement.MatchString(word) {
		size *= longest
	}
	if size > maxMemory || size < 0 {
		return errTooLarge
	}
	return nil
}

// checkNode counts the size of a node. Its strings must be valid text: nothing else can be stored
// in an image's configuration, or in config.json.
func (b *graphBuilder) checkNode(n *graph.Node) error {
	words := []string{n.Text, n.History.CreatedBy}
	if run, ok := n.Op.(*graph.Run); ok {
		words = append(append(words, run.Argv...), run.Env...)
	}
	for _, w := range words {
		if !utf8.ValidString(w) || strings.IndexByte(w, 0) >= 0 {
			return fmt.Errorf("%s must be UTF-8 without zero bytes, not %.80q", n.Instruction, w)
		}
	}
	bytes := len(n.Text) + len(n.History.CreatedBy) + 100
	if n.Parent == nil || n.Config != n.Parent.Config {
		c := &n.Config.Config
		bytes += 16*(len(c.Env)+len(c.OnBuild)) + 64*(len(c.Labels)+len(c.ExposedPorts)+len(c.Volumes))
	}
	if run, ok := n.Op.(*graph.Run); ok {
		bytes += 16 * len(run.Env)
	}
	return b.size.add(bytes)
}

// checkPorts limits the port ranges of an EXPOSE.
func checkPorts(c *instructions.ExposeCommand) error {
	n := 0
	for _, p := range c.Ports {
		list, err := imageconfig.Ports(p)
		if err != nil {
			return err
		}
		if n += len(list); n > MaxPorts {
			return fmt.Errorf("EXPOSE has more than %d ports", MaxPorts)
		}
	}
	return nil
}

// countLayers counts the layers up to and including a node.
func (b *graphBuilder) countLayers(s *stageBuilder, n *graph.Node) error {
	switch op := n.Op.(type) {
	case nil:
		return nil
	case *graph.From:
		switch {
		case op.Stage != nil:
			s.layers = b.stages[op.Stage.Index].layers
		case op.Image != nil:
			s.layers = len(op.Image.Layers)
		}
	default:
		s.layers++
	}
	if s.layers > maxLayers {
		return fmt.Errorf(
			"%s would create layer %d, but overlayfs supports %d layers\nhint: combine instructions", n.Instruction,
			s.layers, maxLayers,
		)
	}
	return nil
}

// CheckCount limits the number of instructions.
func CheckCount(n *parser.Node) error {
	if len(n.Children) > maxInstructions {
		return fmt.Errorf("%d instructions are more than the maximum of %d", len(n.Children), maxInstructions)
	}
	return nil
}
