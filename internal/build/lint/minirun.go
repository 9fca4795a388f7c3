package lint

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
)

// minirun's own rules. "# check=skip=" applies to them as to BuildKit's.
var (
	ruleAptGetUpdateAlone = linter.LinterRule[func() string]{
		Name:        "AptGetUpdateAlone",
		Description: "apt-get update should be in the same RUN as the apt-get install that needs it",
		Format: func() string {
			return "The result of this apt-get update is cached, so a later apt-get install may use outdated lists"
		},
	}
	ruleCopyFromWorkdir = linter.LinterRule[func(source, stage, workdir string) string]{
		Name:        "CopyFromWorkdir",
		Description: "Sources of COPY --from are relative to the root of the stage, not to its WORKDIR",
		Format: func(source, stage, workdir string) string {
			return fmt.Sprintf("COPY --from=%s %s copies %s: sources are relative to the root of the stage, not to "+
				"its WORKDIR %s (did you mean %s?)",
				stage, source, path.Join("/", source), workdir, path.Join(workdir, source))
		},
	}
)

func isMinirunRule(rule string) bool {
	return slices.Contains([]string{
		ruleAptGetUpdateAlone.Name, ruleCopyFromWorkdir.Name, ruleCdAlone.Name, ruleExecFormQuotes.Name,
		ruleEntrypointAndCmd.Name,
		ruleCopyOverInstalled.Name, ruleSourceOutsideContext.Name, ruleWindowsLineEnds.Name,
	}, rule)
}

var (
	separators      = regexp.MustCompile(`&&|\|\||[;|&\n]`)
	aptCommand      = regexp.MustCompile(`^\s*(?:sudo\s+)?(?:[A-Za-z_]\w*=\S*\s+)*(?:/usr/bin/)?apt(?:-get)?\s+(.*)`)
	aptUpdate       = regexp.MustCompile(`^(-\S+\s+(\S+=\S+\s+)?)*update\b`)
	harmlessCommand = regexp.MustCompile(`^\s*(?:(?:rm|echo|set|true|:|export|mkdir|sleep)(?:\s|$)|$)`)
)

// checkAptUpdate finds a RUN that updates apt's package lists without using them: none of its other
// commands can.
func (c *checker) checkAptUpdate(l *linter.Linter, o *instructions.RunCommand) {
	if slices.ContainsFunc(instructions.GetMounts(o),
		func(m *instructions.Mount) bool { return m.Type == instructions.MountTypeCache }) {
		return // the lists may be in a cache
	}
	text := strings.Join(o.CmdLine, " ")
	if !o.PrependShell && len(o.CmdLine) == 3 && o.CmdLine[1] == "-c" {
		text = o.CmdLine[2]
	}
	for _, f := range o.Files {
		text += "\n" + f.Data
	}
	updated := false
	for _, command := range separators.Split(text, -1) {
		m := aptCommand.FindStringSubmatch(command)
		switch {
		case m != nil && aptUpdate.MatchString(m[1]):
			updated = true
		case m == nil && strings.HasPrefix(strings.TrimSpace(command), "<<"): // the name of a here-document
		case m != nil && strings.Contains(m[1], "clean"):
		case m != nil || !harmlessCommand.MatchString(command):
			return
		}
	}
	if updated {
		c.runWithHint(l, finding{
			&ruleAptGetUpdateAlone, o.Location(), ruleAptGetUpdateAlone.Format(),
			"write RUN apt-get update && apt-get install …",
		})
	}
}

// checkCopyFrom finds a relative source from a stage that has a WORKDIR: its author probably
// expected it to be relative to that directory.
func (c *checker) checkCopyFrom(l *linter.Linter, index int, o *instructions.CopyCommand) {
	if o.From == "" {
		return
	}
	n, ok := c.findStage(o.From, index)
	if !ok {
		return
	}
	workdir := strings.TrimPrefix(c.stageStates[n].workdir, "/")
	if workdir == "" {
		return
	}
	for _, source := range o.SourcePaths {
		name := path.Clean(source)
		if path.IsAbs(source) || name == workdir || strings.HasPrefix(name, workdir+"/") {
			continue
		}
		l.Run(&ruleCopyFromWorkdir, o.Location(), ruleCopyFromWorkdir.Format(source, o.From, "/"+workdir))
	}
}
