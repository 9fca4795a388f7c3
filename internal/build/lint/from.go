package lint

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
)

// checkStageNames checks ReservedStageName and DuplicateStageName.
func (c *checker) checkStageNames() {
	reserved, duplicate := &linter.RuleReservedStageName, &linter.RuleDuplicateStageName
	seen := map[string]bool{}
	for _, s := range c.stages {
		name := strings.ToLower(s.Name)
		if name == "scratch" || name == "context" {
			c.linterFor(s.Comments).Run(reserved, s.Location, reserved.Format(name))
		}
		if name != "" && seen[name] {
			c.linterFor(s.Comments).Run(duplicate, s.Location, duplicate.Format(name))
		}
		seen[name] = true
	}
}

// evaluateGlobals reads the ARGs before the first FROM. Undefined variables in them are not findings.
func (c *checker) evaluateGlobals(args []instructions.ArgCommand) {
	c.globals = newScope()
	for _, name := range platformNames() {
		c.globals.set(name, "")
	}
	c.globals.set("TARGETSTAGE", cmp.Or(c.options.Target, "default"))
	for prefix, p := range map[string]oci.Platform{"BUILD": platforms.DefaultSpec(), "TARGET": c.target} {
		c.globals.set(prefix+"PLATFORM", platforms.Format(p))
		c.globals.set(prefix+"OS", p.OS)
		c.globals.set(prefix+"ARCH", p.Architecture)
		c.globals.set(prefix+"VARIANT", p.Variant)
	}
	c.defaults = c.globals.clone()
	for i := range args {
		for _, arg := range args[i].Args {
			c.declareGlobal(c.defaults, nil, arg)
			c.declareGlobal(c.globals, c.options.BuildArgs, arg)
		}
	}
}

// declareGlobal evaluates one variable of such an ARG. A default that --build-arg overrides is
// not checked.
func (c *checker) declareGlobal(s *scope, given map[string]string, arg instructions.KeyValuePairOptional) {
	value, ok := given[arg.Key]
	if !ok && arg.Value != nil {
		value, _ = (&expander{c: c, vars: scopes{s}}).expandWord(*arg.Value) // the build reports an error
		ok = true
	}
	s.declare(arg.Key)
	if ok {
		s.set(arg.Key, value)
	}
}

// A base is the expanded name and platform of a FROM.
type base struct{ name, platform string }

// checkAllFrom runs the rules of all FROM lines. It stops at one that is not a valid FROM.
func (c *checker) checkAllFrom() []base {
	bases := make([]base, len(c.stages))
	for i := range c.stages {
		if !c.checkFrom(&c.stages[i], &bases[i]) {
			break
		}
	}
	return bases
}

// checkFrom runs the rules of one FROM. It returns false if the name or platform is missing.
func (c *checker) checkFrom(s *instructions.Stage, b *base) bool {
	l := c.linterFor(s.Comments)
	names, flag := &expander{c: c, vars: scopes{c.globals}}, &expander{c: c, vars: scopes{c.globals}}
	b.name, _ = names.expandWord(s.BaseName)
	undefined := &linter.RuleUndefinedArgInFrom
	report := func(r *expander) {
		for _, name := range r.unknown {
			l.Run(undefined, s.Location, undefined.Format(name, suggestName(name, c.globals.names)))
		}
	}
	report(names)
	bare, _ := (&expander{c: c, vars: scopes{c.defaults}}).expandWord(s.BaseName)
	if rule := &linter.RuleInvalidDefaultArgInFrom; !isImageName(bare) {
		l.Run(rule, s.Location, rule.Format(s.BaseName))
	}
	if b.name == "" {
		return false
	}
	if s.Platform == "" {
		return true
	}
	p, err := c.lex.ProcessWordWithMatches(s.Platform, flag.vars)
	b.platform, _ = flag.expandWord(s.Platform)
	report(flag)
	if _, invalid := platforms.Parse(b.platform); err != nil || invalid != nil {
		return false
	}
	target, _ := c.globals.Get("TARGETPLATFORM")
	_, uses := p.Matched["TARGETPLATFORM"]
	if rule := &linter.RuleRedundantTargetPlatform; uses && len(p.Matched)+len(p.Unmatched) == 1 &&
		p.Result == target {
		l.Run(rule, s.Location, rule.Format(s.Platform))
	}
	constant := len(p.Matched)+len(p.Unmatched) == 0
	if rule := &linter.RuleFromPlatformFlagConstDisallowed; constant && !namesPlatform(s.Name, s.Platform) {
		l.Run(rule, s.Location, rule.Format(s.Platform))
	}
	return true
}

// namesPlatform reports whether a stage's name contains its platform.
func namesPlatform(name, platform string) bool {
	p, err := platforms.Parse(platform)
	if name == "" || err != nil {
		return false
	}
	name = strings.ToLower(name)
	return strings.Contains(name, p.OS) || strings.Contains(name, p.Architecture)
}

// imageName matches an image reference (distribution-spec; the reference grammar of the
// registry): HOST[:PORT]/PATH:TAG@DIGEST.
var imageName = regexp.MustCompile(`^(([A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(:[0-9]+)?/)?` +
	pathComponent + `(/` + pathComponent + `)*` +
	`(:\w[\w.-]{0,127})?(@[a-z0-9]+([+._-][a-z0-9]+)*:[0-9a-fA-F]{32,})?$`)

const pathComponent = `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`

// imageID matches an image ID without an algorithm, a form that no repository name may have.
var imageID = regexp.MustCompile(`^[a-f0-9]{64}$`)

func isImageName(text string) bool { return imageName.MatchString(text) && !imageID.MatchString(text) }

// checkBasePlatform checks InvalidBaseImagePlatform.
func (c *checker) checkBasePlatform(s *instructions.Stage, image string, want, has oci.Platform) {
	rule := &linter.RuleInvalidBaseImagePlatform
	if has.OS == "" || platforms.Only(want).Match(has) {
		return
	}
	c.linterFor(s.Comments).Run(rule, s.Location, rule.Format(image, platforms.Format(want), platforms.Format(has)))
}

// findStageByName looks up the stage that FROM refers to in a later stage.
func (c *checker) findStageByName(name string, before int) (int, bool) {
	for i := before - 1; i >= 0; i-- {
		if c.stages[i].Name != "" && strings.EqualFold(c.stages[i].Name, name) {
			return i, true
		}
	}
	return 0, false
}

// findStage looks up a stage by name or number, as COPY --from does.
func (c *checker) findStage(name string, before int) (int, bool) {
	if i, ok := c.findStageByName(name, before); ok {
		return i, true
	}
	i, err := strconv.Atoi(name)
	return i, err == nil && i >= 0 && i < before
}
