package lint

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	docker "github.com/moby/docker-image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/build/dockerfile"
	"github.com/minirun/minirun/internal/image/imageconfig"
)

// A stage holds the state of a stage after an instruction.
type stage struct {
	args     *scope // from ARG
	env      *scope
	over     *scope // ARGs that take precedence over ENV, because they came later
	shell    bool   // SHELL has been set, here or in the base image
	workdir  string // absolute; "" as long as only the base image determines it
	anchored bool   // there was a WORKDIR
	only     map[string]instructions.Command

	packages [][2]string // directories in which a RUN installed packages, with the program
}

// vars returns all variables in order of precedence.
func (s *stage) vars() scopes { return scopes{s.over, s.env, s.args} }

// stage checks the instructions of one stage, if they are needed. It returns false if the
// conversion fails there.
func (c *checker) stage(i int, b base, needed bool) bool {
	definition := &c.stages[i]
	s := &stage{args: newScope(), over: newScope(), env: newScope(), only: map[string]instructions.Command{}}
	c.done = append(c.done, s)
	if !needed {
		return true
	}
	if n, ok := c.find(b.name, i, false); ok {
		below := c.done[n]
		s.args, s.env, s.shell, s.workdir, s.anchored = below.args.clone(), below.env.clone(), below.shell, below.workdir, below.anchored
	} else {
		c.image(s, definition, b)
	}
	for _, command := range definition.Commands {
		if c.command(s, i, command); c.failedAt(command.Location()) {
			return false
		}
	}
	c.entrypointAndCmd(s)
	return true
}

// image initializes a stage from a base image.
func (c *checker) image(s *stage, definition *instructions.Stage, b base) {
	s.env.declare("PATH") // minirun, like BuildKit, sets one in every image
	if b.name == "scratch" {
		return
	}
	want := c.target
	if p, err := platforms.Parse(b.platform); err == nil && b.platform != "" {
		want = platforms.Normalize(p)
	}
	var image *docker.DockerOCIImage
	if c.o.Base != nil {
		image = c.o.Base(b.name, want)
	}
	if image == nil {
		s.env.foreign = true
		return
	}
	c.basePlatform(definition, b.name, want, image.Platform)
	s.shell = len(image.Config.Shell) > 0
	for _, e := range image.Config.Env {
		name, value, _ := strings.Cut(e, "=")
		s.env.set(name, value)
	}
}

// command expands the variables of an instruction, runs its rules, then applies its effects on
// later instructions.
func (c *checker) command(s *stage, index int, command instructions.Command) {
	l, where := c.at(command.Comments()), command.Location()
	if a, ok := command.(*instructions.ArgCommand); ok {
		c.argument(l, s, a)
		return
	}
	c.expand(s, command).report(l, where)
	if o, ok := command.(*instructions.ExposeCommand); ok {
		c.expose(l, s, o)
	}
	if c.failedAt(where) {
		return
	}
	switch o := command.(type) {
	case *instructions.EnvCommand:
		c.legacy(l, o.Name(), o.Env, where)
		c.secrets(l, "ENV", envKeys(o), where)
		for _, kv := range o.Env {
			s.over.remove(kv.Key)
			s.env.set(kv.Key, kv.Value)
		}
	case *instructions.LabelCommand:
		c.legacy(l, o.Name(), o.Labels, where)
	case *instructions.ShellCommand:
		s.shell = true
	case *instructions.WorkdirCommand:
		c.workdir(l, s, o)
	case *instructions.CmdCommand:
		c.execQuotes(l, "CMD", o.PrependShell, o.CmdLine, where)
		c.shellForm(l, s, "CMD", o.ShellDependantCmdLine, where)
		c.once(s, command)
	case *instructions.EntrypointCommand:
		c.execQuotes(l, "ENTRYPOINT", o.PrependShell, o.CmdLine, where)
		c.shellForm(l, s, "ENTRYPOINT", o.ShellDependantCmdLine, where)
		c.once(s, command)
	case *instructions.HealthCheckCommand:
		c.once(s, command)
	case *instructions.RunCommand:
		c.execQuotes(l, "RUN", o.PrependShell, o.CmdLine, where)
		c.aptUpdate(l, o)
		c.cdAlone(l, o)
		c.windows(l, contentsOf(o.Files), where)
		s.installed(o)
	case *instructions.AddCommand:
		c.sources(l, "Add", o, o.SourcePaths)
	case *instructions.CopyCommand:
		if o.From == "" {
			c.sources(l, "Copy", o, o.SourcePaths)
		}
		c.copyFrom(l, index, o)
		c.overInstalled(l, s, o)
		c.windows(l, dataOf(o.SourceContents), where)
	}
}

// expand replaces the variables of an instruction, and records undefined ones.
func (c *checker) expand(s *stage, command instructions.Command) *reader {
	r := &reader{c: c, vars: s.vars()}
	if e, ok := command.(instructions.SupportsSingleWordExpansion); ok {
		if err := e.Expand(r.word); err != nil { // the build reports it
			return r
		}
	}
	if e, ok := command.(instructions.SupportsSingleWordExpansionRaw); ok {
		c.lex.SkipProcessQuotes = true
		_ = e.ExpandRaw(r.word)
		c.lex.SkipProcessQuotes = false
	}
	return r
}

// argument runs the rules of an ARG, whose variables may use those before them, and executes
// it. A default that --build-arg overrides is not checked.
func (c *checker) argument(l *linter.Linter, s *stage, o *instructions.ArgCommand) {
	for _, arg := range o.Args {
		c.secrets(l, "ARG", []string{arg.Key}, o.Location())
		value, ok := c.o.BuildArgs[arg.Key]
		switch {
		case ok:
		case arg.Value != nil:
			r := &reader{c: c, vars: s.vars()}
			var err error
			value, err = r.word(*arg.Value)
			if r.report(l, o.Location()); err != nil && c.failedAt(o.Location()) {
				return
			}
			ok = true
		default:
			value, ok = c.globals.Get(arg.Key)
		}
		s.args.declare(arg.Key)
		if ok {
			s.args.set(arg.Key, value)
			s.over.set(arg.Key, value)
		}
	}
}

// legacy checks LegacyKeyValueFormat, once per instruction.
func (c *checker) legacy(l *linter.Linter, name string, pairs instructions.KeyValuePairs, where []parser.Range) {
	rule := &linter.RuleLegacyKeyValueFormat
	if slices.ContainsFunc(pairs, func(kv instructions.KeyValuePair) bool { return kv.NoDelim }) {
		l.Run(rule, where, rule.Format(name))
	}
}

// sources runs the rules for the files that COPY and ADD read from the context.
func (c *checker) sources(l *linter.Linter, verb string, command instructions.Command, sources []string) {
	c.ignored(l, verb, sources, command.Location())
	c.outside(l, sources, command.Location())
	c.listQuotes(l, command, command.Location())
}

// shellForm checks JSONArgsRecommended. After a SHELL instruction, shell form is deliberate.
func (c *checker) shellForm(l *linter.Linter, s *stage, name string, o instructions.ShellDependantCmdLine, where []parser.Range) {
	rule := &linter.RuleJSONArgsRecommended
	if o.PrependShell && !s.shell {
		c.hint = shellFormHint(name, o.CmdLine)
		l.Run(rule, where, rule.Format(name))
		c.hint = ""
	}
}

// once checks MultipleInstructionsDisallowed: instructions that have no effect because a later
// one replaces them.
func (c *checker) once(s *stage, command instructions.Command) {
	rule := &linter.RuleMultipleInstructionsDisallowed
	name := strings.ToUpper(command.Name())
	if before, ok := s.only[name]; ok {
		c.at(before.Comments()).Run(rule, before.Location(), rule.Format(name))
	}
	s.only[name] = command
}

// workdir checks WorkdirRelativePath, for the first WORKDIR only.
func (c *checker) workdir(l *linter.Linter, s *stage, o *instructions.WorkdirCommand) {
	rule := &linter.RuleWorkdirRelativePath
	switch {
	case path.IsAbs(o.Path):
		s.workdir = path.Clean(o.Path)
	case s.workdir != "":
		s.workdir = path.Join(s.workdir, o.Path)
	case !s.anchored:
		c.hint = fmt.Sprintf("It begins at the base image's WORKDIR, which the next version of that may change. Write WORKDIR %s", path.Join("/", o.Path))
		l.Run(rule, o.Location(), rule.Format(o.Path))
		c.hint = ""
	}
	s.anchored = true
}

// expose checks ExposeProtoCasing and ExposeInvalidFormat. It stops at an invalid port.
func (c *checker) expose(l *linter.Linter, s *stage, o *instructions.ExposeCommand) {
	casing, format := &linter.RuleExposeProtoCasing, &linter.RuleExposeInvalidFormat
	ports := 0
	for _, port := range o.Ports {
		words, err := c.lex.ProcessWords(port, s.vars())
		if err != nil {
			return
		}
		for _, word := range words {
			number, protocol, _ := strings.Cut(word, "/")
			parts := strings.Split(number, ":")
			last := len(parts) - 1
			if parts[last] == "" || !slices.Contains([]string{"", "tcp", "udp", "sctp"}, strings.ToLower(protocol)) {
				return
			}
			if protocol != strings.ToLower(protocol) {
				l.Run(casing, o.Location(), casing.Format(word))
			}
			if strings.Join(parts[:max(0, last-1)], ":") != "" || last > 0 && parts[last-1] != "" {
				l.Run(format, o.Location(), format.Format(word))
			}
			list, err := imageconfig.Ports(word)
			if ports += len(list); err != nil || ports > dockerfile.MaxPorts {
				return
			}
		}
	}
}

// The names that BuildKit considers secret: they contain one of these words, and none that
// marks the value as public, a path or a version.
var (
	secretWords = regexp.MustCompile(`(?i)(^|_)(apikey|auth|credentials?|key|passwd|password|pword|secret|token)(_|$)`)
	publicWords = regexp.MustCompile(`(?i)(^|_)(public|file|version)(_|$)`)
)

// secrets checks SecretsUsedInArgOrEnv by the names.
func (c *checker) secrets(l *linter.Linter, instruction string, names []string, where []parser.Range) {
	rule := &linter.RuleSecretsUsedInArgOrEnv
	for _, name := range names {
		if secretWords.MatchString(name) && !publicWords.MatchString(name) {
			c.hint = secretHint(instruction, name)
			l.Run(rule, where, rule.Format(instruction, name))
			c.hint = ""
		}
	}
}

func envKeys(e *instructions.EnvCommand) (names []string) {
	for _, kv := range e.Env {
		names = append(names, kv.Key)
	}
	return names
}
