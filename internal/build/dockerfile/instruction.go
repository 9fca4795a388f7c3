package dockerfile

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/image/imageconfig"
)

// convertTrigger executes an ONBUILD of the base image.
func (b *graphBuilder) convertTrigger(s *stageBuilder, text string) error {
	parsed, err := parser.Parse(strings.NewReader(text))
	if err != nil {
		return err
	}
	if len(parsed.AST.Children) != 1 {
		return errors.New("an ONBUILD trigger must be one instruction")
	}
	c, err := instructions.ParseCommand(parsed.AST.Children[0])
	if err != nil {
		return err
	}
	if err := b.convert(s, c); err != nil {
		return err
	}
	n := s.last()
	n.OnBuild, n.First, n.Last = true, s.stage.Nodes[0].First, s.stage.Nodes[0].Last
	return nil
}

// convert creates the node of an instruction.
func (b *graphBuilder) convert(s *stageBuilder, c instructions.Command) error {
	if _, one := c.(*instructions.ArgCommand); !one { // each of its variables may use those before it
		if err := b.expandVariables(s, c); err != nil {
			return err
		}
	}
	first, last := lineRange(c.Location())
	n := &graph.Node{Instruction: strings.ToUpper(c.Name()), First: first, Last: last}
	switch c := c.(type) {
	case *instructions.RunCommand:
		return b.convertRun(s, n, c)
	case *instructions.CopyCommand:
		return b.convertCopy(s, n, c)
	case *instructions.AddCommand:
		return b.convertAdd(s, n, c)
	case *instructions.WorkdirCommand:
		return b.convertWorkdir(s, n, c)
	case *instructions.ArgCommand:
		return b.convertArg(s, n, c)
	}
	n.Config = cloneConfig(s.last().Config)
	if err := b.applyConfig(s, n, c); err != nil {
		return err
	}
	n.Text = describeInstruction(c, &n.Config.Config)
	if _, ok := c.(*instructions.OnbuildCommand); !ok { // it is not executed yet
		n.History = oci.History{CreatedBy: n.Text, EmptyLayer: true}
	}
	return b.addNode(s, n)
}

// applyConfig executes an instruction that changes only the configuration.
func (b *graphBuilder) applyConfig(s *stageBuilder, n *graph.Node, c instructions.Command) error {
	config := &n.Config.Config
	switch c := c.(type) {
	case *instructions.MaintainerCommand:
		n.Config.Author = c.Maintainer
		return nil
	case *instructions.EnvCommand:
		for _, kv := range c.Env {
			s.vars.shadow(kv.Key)
		}
	case *instructions.CmdCommand:
		s.cmdSet = true
		config.ArgsEscaped = true // for Windows only by the specification; BuildKit's images have it too
	case *instructions.EntrypointCommand:
		if !s.cmdSet { // the base image's CMD was written for another program
			config.Cmd = nil
		}
	case *instructions.ExposeCommand:
		words, err := b.expandWords(s, c.Ports)
		if err != nil {
			return err
		}
		c.Ports = words
		if err := checkPorts(c); err != nil {
			return err
		}
	case *instructions.StopSignalCommand:
		if err := checkSignal(c.Signal); err != nil {
			return err
		}
	case *instructions.OnbuildCommand:
		word, _, _ := strings.Cut(strings.TrimSpace(c.Expression), " ")
		if slices.Contains([]string{"ONBUILD", "FROM", "MAINTAINER"}, strings.ToUpper(word)) {
			return fmt.Errorf("%s isn't allowed as an ONBUILD trigger", strings.ToUpper(word))
		}
	}
	if _, ok := c.(*instructions.ShellCommand); ok {
		return imageconfig.Apply(config, c)
	}
	shell := config.Shell
	config.Shell = defaultShell(shell, s.stage.Platform)
	err := imageconfig.Apply(config, c)
	config.Shell = shell
	return err
}

// expandWords expands variables, each of which may become several words.
func (b *graphBuilder) expandWords(s *stageBuilder, in []string) (out []string, err error) {
	for _, w := range in {
		list, err := b.expander(&s.vars).words(w)
		if err != nil {
			return nil, err
		}
		out = append(out, list...)
	}
	return out, nil
}

// checkSignal accepts numbers, names with and without SIG, and real-time signals.
func checkSignal(text string) error {
	if n, err := strconv.Atoi(text); err == nil {
		if n < 1 || n > 64 {
			return fmt.Errorf("STOPSIGNAL %s is not a signal number (1 to 64)", text)
		}
		return nil
	}
	name := strings.TrimPrefix(strings.ToUpper(text), "SIG")
	if strings.HasPrefix(name, "RTMIN") || strings.HasPrefix(name, "RTMAX") || unix.SignalNum("SIG"+name) != 0 {
		return nil
	}
	return fmt.Errorf("STOPSIGNAL %q is not the name of a signal", text)
}

// convertWorkdir creates the directory if it does not exist. An empty path, such as that of a
// variable without a value, is the current directory.
func (b *graphBuilder) convertWorkdir(s *stageBuilder, n *graph.Node, c *instructions.WorkdirCommand) error {
	n.Config = cloneConfig(s.last().Config)
	switch {
	case strings.HasPrefix(c.Path, "/"):
		n.Config.Config.WorkingDir = c.Path // kept as written, as in BuildKit
	case c.Path != "" || n.Config.Config.WorkingDir == "":
		n.Config.Config.WorkingDir = s.absolutePath(c.Path)
	}
	if dir := path.Clean(n.Config.Config.WorkingDir); dir != "/" { // / always exists
		n.Op = &graph.Workdir{Path: dir, User: n.Config.Config.User}
	}
	n.Text = "WORKDIR " + cmp.Or(c.Path, ".")
	n.History = oci.History{CreatedBy: "WORKDIR " + n.Config.Config.WorkingDir}
	return b.addNode(s, n)
}

// absolutePath makes a path absolute, starting at WORKDIR.
func (s *stageBuilder) absolutePath(name string) string {
	if !strings.HasPrefix(name, "/") {
		dir := s.last().Config.Config.WorkingDir
		if s.stage.Platform.OS == windows {
			dir = toSlashes(dir)
		}
		name = path.Join("/", dir, name)
	}
	return path.Clean(name)
}

// toSlashes returns a Windows path without its drive, as in a layer.
func toSlashes(name string) string {
	if len(name) > 1 && name[1] == ':' {
		name = name[2:]
	}
	return strings.ReplaceAll(name, `\`, "/")
}

// convertArg declares variables, which does not change the image.
func (b *graphBuilder) convertArg(s *stageBuilder, n *graph.Node, c *instructions.ArgCommand) error {
	parts, err := b.declareArgs(&s.vars, &b.globals, c)
	if err != nil {
		return err
	}
	b.recordArgs(s, n, c)
	n.Text = "ARG " + strings.Join(parts, " ")
	n.History = oci.History{CreatedBy: n.Text, EmptyLayer: true}
	return b.addNode(s, n)
}
