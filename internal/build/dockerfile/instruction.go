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

// trigger executes an ONBUILD of the base image.
func (d *draft) trigger(text string) error {
	parsed, err := parser.Parse(strings.NewReader(text))
	if err != nil {
		return err
	}
	if len(parsed.AST.Children) != 1 {
		return errors.New("must be one instruction")
	}
	c, err := instructions.ParseCommand(parsed.AST.Children[0])
	if err != nil {
		return err
	}
	if err := d.instruction(c); err != nil {
		return err
	}
	n := d.last()
	n.OnBuild, n.First, n.Last = true, d.stage.Nodes[0].First, d.stage.Nodes[0].Last
	return nil
}

// expand replaces the variables of an instruction.
func (d *draft) expand(c instructions.Command) error {
	e := d.b.expander(&d.vars)
	if x, ok := c.(instructions.SupportsSingleWordExpansion); ok {
		if err := x.Expand(e.word); err != nil {
			return err
		}
	}
	if x, ok := c.(instructions.SupportsSingleWordExpansionRaw); ok { // here-documents: quotes in them are literal
		raw := *d.b.lex
		raw.SkipProcessQuotes = true
		e.lex = &raw
		return x.ExpandRaw(e.word)
	}
	return nil
}

// instruction creates the node of an instruction.
func (d *draft) instruction(c instructions.Command) error {
	if _, one := c.(*instructions.ArgCommand); !one { // each of its variables may use those before it
		if err := d.expand(c); err != nil {
			return err
		}
	}
	first, last := lines(c.Location())
	n := &graph.Node{Instruction: strings.ToUpper(c.Name()), First: first, Last: last}
	switch c := c.(type) {
	case *instructions.RunCommand:
		return d.execute(n, c)
	case *instructions.CopyCommand:
		return d.copyFiles(n, c)
	case *instructions.AddCommand:
		return d.addFiles(n, c)
	case *instructions.WorkdirCommand:
		return d.workdir(n, c)
	case *instructions.ArgCommand:
		return d.argument(n, c)
	}
	n.Config = clone(d.last().Config)
	if err := d.change(n, c); err != nil {
		return err
	}
	n.Text = describe(c, &n.Config.Config)
	if _, later := c.(*instructions.OnbuildCommand); !later { // it is not executed yet
		n.History = oci.History{CreatedBy: n.Text, EmptyLayer: true}
	}
	return d.add(n)
}

// change executes an instruction that changes only the configuration.
func (d *draft) change(n *graph.Node, c instructions.Command) error {
	config := &n.Config.Config
	switch c := c.(type) {
	case *instructions.MaintainerCommand:
		n.Config.Author = c.Maintainer
		return nil
	case *instructions.EnvCommand:
		for _, kv := range c.Env {
			d.vars.hide(kv.Key)
		}
	case *instructions.CmdCommand:
		d.cmd = true
		config.ArgsEscaped = true // for Windows only by the specification; BuildKit's images have it too
	case *instructions.EntrypointCommand:
		if !d.cmd { // the base image's CMD was written for another program
			config.Cmd = nil
		}
	case *instructions.ExposeCommand:
		words, err := d.words(c.Ports)
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
	if _, own := c.(*instructions.ShellCommand); own {
		return imageconfig.Apply(config, c)
	}
	shell := config.Shell
	config.Shell = shellOf(shell, d.stage.Platform)
	err := imageconfig.Apply(config, c)
	config.Shell = shell
	return err
}

// words expands variables, each of which may become several words.
func (d *draft) words(in []string) (out []string, err error) {
	for _, w := range in {
		list, err := d.b.expander(&d.vars).words(w)
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
			return fmt.Errorf("STOPSIGNAL %s: signals are numbered from 1 to 64", text)
		}
		return nil
	}
	name := strings.TrimPrefix(strings.ToUpper(text), "SIG")
	if strings.HasPrefix(name, "RTMIN") || strings.HasPrefix(name, "RTMAX") || unix.SignalNum("SIG"+name) != 0 {
		return nil
	}
	return fmt.Errorf("STOPSIGNAL %s: no signal has this name", text)
}

// workdir creates the directory if it does not exist. An empty path, such as that of a
// variable without a value, is the current directory.
func (d *draft) workdir(n *graph.Node, c *instructions.WorkdirCommand) error {
	n.Config = clone(d.last().Config)
	switch {
	case strings.HasPrefix(c.Path, "/"):
		n.Config.Config.WorkingDir = c.Path // kept as written, as in BuildKit
	case c.Path != "" || n.Config.Config.WorkingDir == "":
		n.Config.Config.WorkingDir = d.absolute(c.Path)
	}
	if dir := path.Clean(n.Config.Config.WorkingDir); dir != "/" { // / always exists
		n.Op = &graph.Workdir{Path: dir, User: n.Config.Config.User}
	}
	n.Text = "WORKDIR " + cmp.Or(c.Path, ".")
	n.History = oci.History{CreatedBy: "WORKDIR " + n.Config.Config.WorkingDir}
	return d.add(n)
}

// absolute makes a path absolute, starting at WORKDIR.
func (d *draft) absolute(name string) string {
	if !strings.HasPrefix(name, "/") {
		dir := d.last().Config.Config.WorkingDir
		if d.stage.Platform.OS == windows {
			dir = withSlashes(dir)
		}
		name = path.Join("/", dir, name)
	}
	return path.Clean(name)
}

// withSlashes returns a Windows path without its drive, as in a layer.
func withSlashes(name string) string {
	if len(name) > 1 && name[1] == ':' {
		name = name[2:]
	}
	return strings.ReplaceAll(name, `\`, "/")
}

// argument declares variables, which does not change the image.
func (d *draft) argument(n *graph.Node, c *instructions.ArgCommand) error {
	parts, err := d.b.declare(&d.vars, &d.b.args, c)
	if err != nil {
		return err
	}
	d.noteArguments(n, c)
	n.Text = "ARG " + strings.Join(parts, " ")
	n.History = oci.History{CreatedBy: n.Text, EmptyLayer: true}
	return d.add(n)
}
