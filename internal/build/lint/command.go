package lint

import (
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

// A stageState holds the state of a stage after an instruction.
type stageState struct {
	args        *scope // from ARG
	env         *scope
	overrides   *scope // ARGs that take precedence over ENV, because they came later
	shell       bool   // SHELL has been set, here or in the base image
	workdir     string // absolute; "" as long as only the base image determines it
	anchored    bool   // there was a WORKDIR
	lastCommand map[string]instructions.Command

	packages [][2]string // directories in which a RUN installed packages, with the program
}

// vars returns all variables in order of precedence.
func (s *stageState) vars() scopes { return scopes{s.overrides, s.env, s.args} }

// checkStage checks the instructions of one stage, if they are needed. It returns false if the
// conversion fails there.
func (c *checker) checkStage(i int, b base, needed bool) bool {
	definition := &c.stages[i]
	s := &stageState{
		args: newScope(), overrides: newScope(), env: newScope(), lastCommand: map[string]instructions.Command{},
	}
	c.stageStates = append(c.stageStates, s)
	if !needed {
		return true
	}
	if n, ok := c.findStageByName(b.name, i); ok {
		below := c.stageStates[n]
		s.args, s.env, s.shell, s.workdir, s.anchored = below.args.clone(), below.env.clone(), below.shell,
			below.workdir, below.anchored
	} else {
		c.initFromImage(s, definition, b)
	}
	for _, command := range definition.Commands {
		if c.applyCommand(s, i, command); c.failedAt(command.Location()) {
			return false
		}
	}
	c.checkEntrypointAndCmd(s)
	return true
}

// initFromImage initializes a stage from a base image.
func (c *checker) initFromImage(s *stageState, definition *instructions.Stage, b base) {
	s.env.declare("PATH") // minirun, like BuildKit, sets one in every image
	if b.name == "scratch" {
		return
	}
	want := c.target
	if p, err := platforms.Parse(b.platform); err == nil && b.platform != "" {
		want = platforms.Normalize(p)
	}
	var image *docker.DockerOCIImage
	if c.options.Base != nil {
		image = c.options.Base(b.name, want)
	}
	if image == nil {
		s.env.foreign = true
		return
	}
	c.checkBasePlatform(definition, b.name, want, image.Platform)
	s.shell = len(image.Config.Shell) > 0
	for _, e := range image.Config.Env {
		name, value, _ := strings.Cut(e, "=")
		s.env.set(name, value)
	}
}

// applyCommand expands the variables of an instruction, runs its rules, then applies its effects on
// later instructions.
func (c *checker) applyCommand(s *stageState, index int, command instructions.Command) {
	l, where := c.linterFor(command.Comments()), command.Location()
	if a, ok := command.(*instructions.ArgCommand); ok {
		c.applyArg(l, s, a)
		return
	}
	c.expandCommand(s, command).reportUndefined(l, where)
	if o, ok := command.(*instructions.ExposeCommand); ok {
		c.checkExpose(l, s, o)
	}
	if c.failedAt(where) {
		return
	}
	switch o := command.(type) {
	case *instructions.EnvCommand:
		c.checkKeyValueFormat(l, o.Name(), o.Env, where)
		c.checkSecrets(l, "ENV", envKeys(o), where)
		for _, kv := range o.Env {
			s.overrides.remove(kv.Key)
			s.env.set(kv.Key, kv.Value)
		}
	case *instructions.LabelCommand:
		c.checkKeyValueFormat(l, o.Name(), o.Labels, where)
	case *instructions.ShellCommand:
		s.shell = true
	case *instructions.WorkdirCommand:
		c.applyWorkdir(l, s, o)
	case *instructions.CmdCommand:
		c.checkExecQuotes(l, "CMD", o.PrependShell, o.CmdLine, where)
		c.checkShellForm(l, s, "CMD", o.ShellDependantCmdLine, where)
		c.recordLastCommand(s, command)
	case *instructions.EntrypointCommand:
		c.checkExecQuotes(l, "ENTRYPOINT", o.PrependShell, o.CmdLine, where)
		c.checkShellForm(l, s, "ENTRYPOINT", o.ShellDependantCmdLine, where)
		c.recordLastCommand(s, command)
	case *instructions.HealthCheckCommand:
		c.recordLastCommand(s, command)
	case *instructions.RunCommand:
		c.checkExecQuotes(l, "RUN", o.PrependShell, o.CmdLine, where)
		c.checkAptUpdate(l, o)
		c.checkCd(l, o)
		c.checkLineEnds(l, inlineContents(o.Files), where)
		s.recordInstalled(o)
	case *instructions.AddCommand:
		c.checkSources(l, "Add", o, o.SourcePaths)
	case *instructions.CopyCommand:
		if o.From == "" {
			c.checkSources(l, "Copy", o, o.SourcePaths)
		}
		c.checkCopyFrom(l, index, o)
		c.checkCopyOverInstalled(l, s, o)
		c.checkLineEnds(l, sourceContents(o.SourceContents), where)
	}
}

// expandCommand replaces the variables of an instruction, and records undefined ones.
func (c *checker) expandCommand(s *stageState, command instructions.Command) *expander {
	r := &expander{c: c, vars: s.vars()}
	if e, ok := command.(instructions.SupportsSingleWordExpansion); ok {
		if err := e.Expand(r.expandWord); err != nil { // the build reports it
			return r
		}
	}
	if e, ok := command.(instructions.SupportsSingleWordExpansionRaw); ok {
		c.lex.SkipProcessQuotes = true
		_ = e.ExpandRaw(r.expandWord)
		c.lex.SkipProcessQuotes = false
	}
	return r
}

// applyArg runs the rules of an ARG, whose variables may use those before them, and executes
// it. A default that --build-arg overrides is not checked.
func (c *checker) applyArg(l *linter.Linter, s *stageState, o *instructions.ArgCommand) {
	for _, arg := range o.Args {
		c.checkSecrets(l, "ARG", []string{arg.Key}, o.Location())
		value, ok := c.options.BuildArgs[arg.Key]
		switch {
		case ok:
		case arg.Value != nil:
			r := &expander{c: c, vars: s.vars()}
			var err error
			value, err = r.expandWord(*arg.Value)
			if r.reportUndefined(l, o.Location()); err != nil && c.failedAt(o.Location()) {
				return
			}
			ok = true
		default:
			value, ok = c.globals.Get(arg.Key)
		}
		s.args.declare(arg.Key)
		if ok {
			s.args.set(arg.Key, value)
			s.overrides.set(arg.Key, value)
		}
	}
}

// checkKeyValueFormat checks LegacyKeyValueFormat, once per instruction.
func (c *checker) checkKeyValueFormat(l *linter.Linter, name string, pairs instructions.KeyValuePairs,
	where []parser.Range) {
	rule := &linter.RuleLegacyKeyValueFormat
	if slices.ContainsFunc(pairs, func(kv instructions.KeyValuePair) bool { return kv.NoDelim }) {
		l.Run(rule, where, rule.Format(name))
	}
}

// checkSources runs the rules for the files that COPY and ADD read from the context.
func (c *checker) checkSources(l *linter.Linter, verb string, command instructions.Command, sources []string) {
	c.checkIgnored(l, verb, sources, command.Location())
	c.checkOutsideContext(l, sources, command.Location())
	c.checkListQuotes(l, command, command.Location())
}

// checkShellForm checks JSONArgsRecommended. After a SHELL instruction, shell form is deliberate.
func (c *checker) checkShellForm(l *linter.Linter, s *stageState, name string, o instructions.ShellDependantCmdLine,
	where []parser.Range) {
	rule := &linter.RuleJSONArgsRecommended
	if o.PrependShell && !s.shell {
		c.runWithHint(l, finding{rule, where, rule.Format(name), shellFormHint(name, o.CmdLine)})
	}
}

// recordLastCommand checks MultipleInstructionsDisallowed: instructions that have no effect because a later
// one replaces them.
func (c *checker) recordLastCommand(s *stageState, command instructions.Command) {
	rule := &linter.RuleMultipleInstructionsDisallowed
	name := strings.ToUpper(command.Name())
	if before, ok := s.lastCommand[name]; ok {
		c.linterFor(before.Comments()).Run(rule, before.Location(), rule.Format(name))
	}
	s.lastCommand[name] = command
}

// applyWorkdir checks WorkdirRelativePath, for the first WORKDIR only.
func (c *checker) applyWorkdir(l *linter.Linter, s *stageState, o *instructions.WorkdirCommand) {
	rule := &linter.RuleWorkdirRelativePath
	switch {
	case path.IsAbs(o.Path):
		s.workdir = path.Clean(o.Path)
	case s.workdir != "":
		s.workdir = path.Join(s.workdir, o.Path)
	case !s.anchored:
		c.runWithHint(l, finding{rule, o.Location(), rule.Format(o.Path), workdirHint(o.Path)})
	}
	s.anchored = true
}

// checkExpose checks ExposeProtoCasing and ExposeInvalidFormat. It stops at an invalid port.
func (c *checker) checkExpose(l *linter.Linter, s *stageState, o *instructions.ExposeCommand) {
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

// checkSecrets checks SecretsUsedInArgOrEnv by the names.
func (c *checker) checkSecrets(l *linter.Linter, instruction string, names []string, where []parser.Range) {
	rule := &linter.RuleSecretsUsedInArgOrEnv
	for _, name := range names {
		if secretWords.MatchString(name) && !publicWords.MatchString(name) {
			c.runWithHint(l, finding{rule, where, rule.Format(instruction, name), secretHint(instruction, name)})
		}
	}
}

func envKeys(e *instructions.EnvCommand) (names []string) {
	for _, kv := range e.Env {
		names = append(names, kv.Key)
	}
	return names
}
