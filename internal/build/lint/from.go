package lint

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
)

// stageNames: ReservedStageName, DuplicateStageName.
func (c *checker) stageNames() {
	reserved, duplicate := &linter.RuleReservedStageName, &linter.RuleDuplicateStageName
	seen := map[string]bool{}
	for _, s := range c.stages {
		name := strings.ToLower(s.Name)
		if name == "scratch" || name == "context" {
			c.at(s.Comments).Run(reserved, s.Location, reserved.Format(name))
		}
		if name != "" && seen[name] {
			c.at(s.Comments).Run(duplicate, s.Location, duplicate.Format(name))
		}
		seen[name] = true
	}
}

// global reads the ARGs before the first FROM.
func (c *checker) global(args []instructions.ArgCommand) {
	c.globals = newScope()
	for _, name := range platformNames() {
		c.globals.set(name, "")
	}
	target := platforms.DefaultSpec()
	if p, err := platforms.Parse(c.o.Platform); err == nil && c.o.Platform != "" {
		target = p
	}
	for prefix, p := range map[string]platforms.Platform{"BUILD": platforms.DefaultSpec(), "TARGET": target} {
		c.globals.set(prefix+"PLATFORM", platforms.Format(p))
		c.globals.set(prefix+"OS", p.OS)
		c.globals.set(prefix+"ARCH", p.Architecture)
		c.globals.set(prefix+"VARIANT", p.Variant)
	}
	c.bare = c.globals.clone()
	for i := range args {
		a, without := &args[i], args[i]
		without.Args = slices.Clone(a.Args)
		_ = without.Expand((&reader{c: c, vars: scopes{c.bare}}).word)
		c.declare(c.bare, nil, nil, &without)
		r := &reader{c: c, vars: scopes{c.globals}}
		_ = a.Expand(r.word) // words that cannot be expanded stay
		r.report(c.at(a.Comments()), a.Location())
		c.declare(c.globals, nil, c.o.BuildArgs, a)
	}
}

// declare carries ARG out, in a stage with what is global.
func (c *checker) declare(s, global *scope, given map[string]string, a *instructions.ArgCommand) {
	for _, arg := range a.Args {
		s.declare(arg.Key)
		value, ok := given[arg.Key]
		switch {
		case ok:
			s.set(arg.Key, value)
		case arg.Value != nil:
			s.set(arg.Key, *arg.Value)
		case global != nil:
			if v, ok := global.Get(arg.Key); ok {
				s.set(arg.Key, v)
			}
		}
	}
}

// from runs the rules of FROM and returns the base's name, expanded.
func (c *checker) from(s *instructions.Stage) (base, platform string) {
	l := c.at(s.Comments)
	names, flag := &reader{c: c, vars: scopes{c.globals}}, &reader{c: c, vars: scopes{c.globals}}
	base, _ = names.word(s.BaseName)
	platform, _ = flag.word(s.Platform)

	undefined := &linter.RuleUndefinedArgInFrom
	for _, name := range slices.Concat(names.unknown, flag.unknown) {
		l.Run(undefined, s.Location, undefined.Format(name, similar(name, c.globals.names)))
	}
	if len(names.unknown) == 0 && strings.Contains(s.BaseName, "$") {
		bare, _ := (&reader{c: c, vars: scopes{c.bare}}).word(s.BaseName)
		if rule := &linter.RuleInvalidDefaultArgInFrom; !isName(bare) {
			l.Run(rule, s.Location, rule.Format(s.BaseName))
		}
	}
	if rule := &linter.RuleRedundantTargetPlatform; redundant.MatchString(s.Platform) {
		l.Run(rule, s.Location, rule.Format(s.Platform))
	}
	if rule := &linter.RuleFromPlatformFlagConstDisallowed; s.Platform != "" && !strings.Contains(s.Platform, "$") && !namesPlatform(s.Name, s.Platform) {
		l.Run(rule, s.Location, rule.Format(s.Platform))
	}
	return base, platform
}

// redundant is the target's platform, with or without another one in its stead.
var redundant = regexp.MustCompile(`^\$(TARGETPLATFORM|\{TARGETPLATFORM(:?-.*)?\})$`)

// namesPlatform says whether a stage's name tells that it is for one platform.
func namesPlatform(name, platform string) bool {
	p, err := platforms.Parse(platform)
	if name == "" || err != nil {
		return false
	}
	name = strings.ToLower(name)
	return strings.Contains(name, p.OS) || strings.Contains(name, p.Architecture) || strings.Contains(name, strings.ReplaceAll(platform, "/", "-"))
}

// imageName is a reference (distribution-spec; the reference grammar of the registry).
var imageName = regexp.MustCompile(`^(([A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(:[0-9]+)?/)?[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*(:\w[\w.-]{0,127})?(@[a-z0-9]+([+._-][a-z0-9]+)*:[0-9a-fA-F]{32,})?$`)

func isName(text string) bool { return imageName.MatchString(text) }

// basePlatform: InvalidBaseImagePlatform.
func (c *checker) basePlatform(s *instructions.Stage, image, expected string) {
	if c.o.BasePlatform == nil || image == "scratch" {
		return
	}
	rule := &linter.RuleInvalidBaseImagePlatform
	want, err := platforms.Parse(cmp.Or(expected, c.o.Platform, platforms.DefaultString()))
	if err != nil {
		return
	}
	actual := c.o.BasePlatform(image, platforms.Format(want))
	got, err := platforms.Parse(actual)
	if actual == "" || err != nil || platforms.Only(want).Match(got) {
		return
	}
	c.at(s.Comments).Run(rule, s.Location, rule.Format(image, platforms.Format(want), platforms.Format(got)))
}

// find looks up which stage a name, or a number, means for one that comes behind it.
func (c *checker) find(name string, before int, numbers bool) (int, bool) {
	for i := before - 1; i >= 0; i-- {
		if c.stages[i].Name != "" && strings.EqualFold(c.stages[i].Name, name) {
			return i, true
		}
	}
	if i, err := strconv.Atoi(name); numbers && err == nil && i >= 0 && i < before {
		return i, true
	}
	return 0, false
}
