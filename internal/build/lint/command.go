package lint

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// A stage is what is known behind an instruction of one.
type stage struct {
	args    *scope // of ARG
	env     *scope
	shell   bool   // SHELL has been set
	workdir string // absolute; "" while only the base image knows
	only    map[string]instructions.Command
}

// vars are all variables; the environment wins.
func (s *stage) vars() *scope {
	out := s.env.clone()
	for _, name := range s.args.names {
		if out.has(name) {
			continue
		}
		out.declare(name)
		if v, ok := s.args.Get(name); ok {
			out.set(name, v)
		}
	}
	return out
}

// stage goes through one stage, or only looks at its FROM.
func (c *checker) stage(i int, needed bool) {
	definition := &c.stages[i]
	base, platform := c.from(definition)
	s := &stage{args: newScope(), env: newScope(), only: map[string]instructions.Command{}}
	c.done = append(c.done, s)
	if !needed {
		return
	}
	if n, ok := c.find(base, i, false); ok {
		below := c.done[n]
		s.args, s.env, s.shell, s.workdir = below.args.clone(), below.env.clone(), below.shell, below.workdir
	} else {
		c.image(s, base)
		c.basePlatform(definition, base, platform)
	}
	for _, command := range definition.Commands {
		c.command(s, i, command)
	}
}

// image begins with a base image.
func (c *checker) image(s *stage, name string) {
	s.env.declare("PATH") // minirun, as BuildKit, gives every image one
	if name == "scratch" {
		return
	}
	var env []string
	if c.o.BaseEnv != nil {
		env = c.o.BaseEnv(name)
	}
	s.env.foreign = env == nil
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		s.env.set(name, value)
	}
}

// command runs the rules of one instruction, then carries out what it means for the
// next ones.
func (c *checker) command(s *stage, index int, command instructions.Command) {
	l, where := c.at(command.Comments()), command.Location()
	if a, ok := command.(*instructions.AddCommand); ok {
		c.ignored(l, s, "Add", a.SourcePaths, where)
	}
	if a, ok := command.(*instructions.CopyCommand); ok && a.From == "" {
		c.ignored(l, s, "Copy", a.SourcePaths, where)
	}
	r := &reader{c: c, vars: s.vars()}
	if e, ok := command.(instructions.SupportsSingleWordExpansion); ok {
		_ = e.Expand(r.word) // words that cannot be expanded stay: the build has the error
	}
	if e, ok := command.(instructions.SupportsSingleWordExpansionRaw); ok {
		c.lex.RawQuotes, c.lex.RawEscapes = true, true
		_ = e.ExpandRaw(r.word)
		c.lex.RawQuotes, c.lex.RawEscapes = false, false
	}
	r.report(l, where)

	switch o := command.(type) {
	case *instructions.ArgCommand:
		c.secrets(l, "ARG", argKeys(o), where)
		c.declare(s.args, c.globals, c.o.BuildArgs, o)
	case *instructions.EnvCommand:
		c.secrets(l, "ENV", envKeys(o), where)
		for _, kv := range o.Env {
			s.env.set(kv.Key, kv.Value)
		}
	case *instructions.ShellCommand:
		s.shell = true
	case *instructions.WorkdirCommand:
		c.workdir(l, s, o)
	case *instructions.ExposeCommand:
		c.expose(l, o)
	case *instructions.CmdCommand:
		c.shellForm(l, s, "CMD", o.PrependShell, where)
		c.once(s, command)
	case *instructions.EntrypointCommand:
		c.shellForm(l, s, "ENTRYPOINT", o.PrependShell, where)
		c.once(s, command)
	case *instructions.HealthCheckCommand:
		c.once(s, command)
	case *instructions.RunCommand:
		c.aptUpdate(l, o)
	case *instructions.CopyCommand:
		c.copyFrom(l, index, o)
	}
}

// shellForm: JSONArgsRecommended. Who has set SHELL means it.
func (c *checker) shellForm(l *linter.Linter, s *stage, name string, shell bool, where []parser.Range) {
	rule := &linter.RuleJSONArgsRecommended
	if shell && !s.shell {
		l.Run(rule, where, rule.Format(name))
	}
}

// once: MultipleInstructionsDisallowed, on those that do not count.
func (c *checker) once(s *stage, command instructions.Command) {
	rule := &linter.RuleMultipleInstructionsDisallowed
	name := strings.ToUpper(command.Name())
	if before, ok := s.only[name]; ok {
		c.at(before.Comments()).Run(rule, before.Location(), rule.Format(name))
	}
	s.only[name] = command
}

// workdir: WorkdirRelativePath.
func (c *checker) workdir(l *linter.Linter, s *stage, o *instructions.WorkdirCommand) {
	rule := &linter.RuleWorkdirRelativePath
	switch {
	case path.IsAbs(o.Path):
		s.workdir = path.Clean(o.Path)
	case s.workdir != "":
		s.workdir = path.Join(s.workdir, o.Path)
	default:
		l.Run(rule, o.Location(), rule.Format(o.Path))
	}
}

// expose: ExposeProtoCasing, ExposeInvalidFormat.
func (c *checker) expose(l *linter.Linter, o *instructions.ExposeCommand) {
	casing, format := &linter.RuleExposeProtoCasing, &linter.RuleExposeInvalidFormat
	for _, port := range o.Ports {
		number, protocol, _ := strings.Cut(port, "/")
		if protocol != strings.ToLower(protocol) {
			l.Run(casing, o.Location(), casing.Format(port))
		}
		if strings.Contains(number, ":") {
			l.Run(format, o.Location(), format.Format(port))
		}
	}
}

var (
	secretWords = regexp.MustCompile(`(?i)(^|_)(api_?key|auth|credentials?|key|pass|passphrase|passwd|password|pword|pwd|secret|token)(_|$)`)
	publicWords = regexp.MustCompile(`(?i)(^|_)public(_|$)`)
)

// secrets: SecretsUsedInArgOrEnv, by what the names say.
func (c *checker) secrets(l *linter.Linter, instruction string, names []string, where []parser.Range) {
	rule := &linter.RuleSecretsUsedInArgOrEnv
	for _, name := range names {
		if secretWords.MatchString(name) && !publicWords.MatchString(name) {
			l.Run(rule, where, rule.Format(instruction, name))
		}
	}
}

func argKeys(a *instructions.ArgCommand) (names []string) {
	for _, kv := range a.Args {
		names = append(names, kv.Key)
	}
	return slices.Compact(names)
}

func envKeys(e *instructions.EnvCommand) (names []string) {
	for _, kv := range e.Env {
		names = append(names, kv.Key)
	}
	return slices.Compact(names)
}
