package lint

import (
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// Own rules for Dockerfiles that build, but probably not as intended.
var (
	ruleCdAlone = linter.LinterRule[func() string]{
		Name:        "CdAlone",
		Description: "cd has no effect on the instructions after its RUN",
		Format:      func() string { return "cd affects only this RUN: the next instruction starts in the WORKDIR again" },
	}
	ruleExecFormQuotes = linter.LinterRule[func() string]{
		Name:        "ExecFormQuotes",
		Description: "The exec form is a JSON list, with the quotes \"",
		Format:      func() string { return "This list is read as plain text, not as JSON, because its quotes are not \"" },
	}
	ruleEntrypointAndCmd = linter.LinterRule[func(why string) string]{
		Name:        "EntrypointAndCmd",
		Description: "CMD becomes the arguments of ENTRYPOINT only if both are in exec form",
		Format:      func(why string) string { return why },
	}
	ruleCopyOverInstalled = linter.LinterRule[func(dir, program string) string]{
		Name:        "CopyOverInstalled",
		Description: "COPY of the whole context should not overwrite installed packages",
		Format: func(dir, program string) string {
			return fmt.Sprintf("This copies %s from the context, possibly for another system, over what %s installed",
				dir, program)
		},
	}
	ruleSourceOutsideContext = linter.LinterRule[func(source, instead string) string]{
		Name:        "SourceOutsideContext",
		Description: "Sources are inside the context, and .. does not leave it",
		Format: func(source, instead string) string {
			return fmt.Sprintf("%s is %s in the context, because .. does not leave it", source, instead)
		},
	}
	ruleWindowsLineEnds = linter.LinterRule[func() string]{
		Name:        "WindowsLineEnds",
		Description: "Here-documents keep the line endings of the Dockerfile",
		Format: func() string {
			return "This here-document has Windows line endings (CRLF), and so will the file or script created from it"
		},
	}
)

var cdCommand = regexp.MustCompile(`^\s*cd\s+(\S+)\s*$`)

// checkCd finds a RUN whose last command is cd, which has no effect on later ones.
func (c *checker) checkCd(l *linter.Linter, o *instructions.RunCommand) {
	text := strings.Join(o.CmdLine, " ")
	if !o.PrependShell || len(o.Files) > 0 || strings.ContainsAny(text, "()`") {
		return
	}
	all := separators.Split(text, -1)
	if m := cdCommand.FindStringSubmatch(all[len(all)-1]); m != nil {
		c.runWithHint(l, finding{&ruleCdAlone, o.Location(), ruleCdAlone.Format(), "write WORKDIR " + m[1]})
	}
}

// quoteReplacer replaces typographic and foreign quotes with those of JSON.
var quoteReplacer = strings.NewReplacer("“", `"`, "”", `"`, "„", `"`, "«", `"`, "»", `"`, "‘", `"`, "’", `"`, "'",
	`"`)

// checkExecQuotes finds an instruction in shell form that would be a list in exec form if its
// quotes were JSON's.
func (c *checker) checkExecQuotes(l *linter.Linter, name string, shell bool, words []string, where []parser.Range) {
	text := strings.TrimSpace(strings.Join(words, " "))
	if !shell || !strings.HasPrefix(text, "[") {
		return
	}
	right := quoteReplacer.Replace(text)
	var list []string
	if right != text && json.Unmarshal([]byte(right), &list) == nil {
		c.runWithHint(l, finding{&ruleExecFormQuotes, where, ruleExecFormQuotes.Format(), "write " + name + " " + right})
	}
}

// checkListQuotes finds the same in COPY and ADD.
func (c *checker) checkListQuotes(l *linter.Linter, command instructions.Command, where []parser.Range) {
	name := strings.ToUpper(command.Name())
	if name != "COPY" && name != "ADD" {
		return
	}
	words := strings.Fields(fmt.Sprint(command))[1:]
	for len(words) > 0 && strings.HasPrefix(words[0], "--") {
		words = words[1:]
	}
	c.checkExecQuotes(l, name, true, words, where)
}

// checkEntrypointAndCmd checks a stage's last ENTRYPOINT and CMD.
func (c *checker) checkEntrypointAndCmd(s *stageState) {
	entry, _ := s.lastCommand["ENTRYPOINT"].(*instructions.EntrypointCommand)
	cmd, _ := s.lastCommand["CMD"].(*instructions.CmdCommand)
	if entry == nil || cmd == nil || len(entry.CmdLine) == 0 || len(cmd.CmdLine) == 0 {
		return
	}
	rule := &ruleEntrypointAndCmd
	switch {
	case entry.PrependShell:
		c.runWithHint(c.linterFor(entry.Comments()), finding{
			rule, entry.Location(),
			rule.Format("ENTRYPOINT is in shell form, so CMD and the arguments to run do not reach its program"),
			"write ENTRYPOINT " + formatExecForm(entry.CmdLine),
		})
	case cmd.PrependShell:
		c.runWithHint(c.linterFor(cmd.Comments()), finding{
			rule, cmd.Location(),
			rule.Format("CMD is in shell form, so ENTRYPOINT receives /bin/sh, -c and the command as arguments"),
			"write CMD " + formatExecForm(cmd.CmdLine),
		})
	}
}

// formatExecForm returns a shell command as an exec-form list: its words, or sh -c exec if it needs
// a shell.
func formatExecForm(words []string) string {
	text := strings.Join(words, " ")
	list, plain := splitWords(text)
	if !plain {
		list = []string{"/bin/sh", "-c", "exec " + text}
	}
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	_ = e.Encode(list) // a list of strings: cannot fail
	return strings.ReplaceAll(strings.TrimSpace(out.String()), `","`, `", "`)
}

// splitWords splits a command into words. plain is set if it needs a shell for its quotes only.
func splitWords(text string) (words []string, plain bool) {
	quote, begun := rune(0), false
	var word strings.Builder
	for _, r := range text + " " {
		switch {
		case strings.ContainsRune("$`\\", r) && quote != '\'',
			quote == 0 && strings.ContainsRune("|&;<>()*?~{}[]#", r):
			return nil, false
		case r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote, begun = r, true
		case quote == 0 && (r == ' ' || r == '\t' || r == '\n'):
			if begun {
				words = append(words, word.String())
			}
			word.Reset()
			begun = false
		default:
			word.WriteRune(r)
			begun = true
		}
	}
	return words, quote == 0
}

// installers are programs that install packages below their working directory.
var installers = []struct{ run, dir string }{
	{`(npm|pnpm)\s+(install|ci|i)\b`, "node_modules"}, {`yarn(\s+install)?\s*($|&&|;|--)`, "node_modules"},
	{`composer\s+install\b`, "vendor"}, {`bundle\s+install\b`, "vendor"},
}

// recordInstalled records the packages that a RUN installs.
func (s *stageState) recordInstalled(o *instructions.RunCommand) {
	text := strings.Join(o.CmdLine, " ")
	for _, i := range installers {
		if found := regexp.MustCompile(`(^|[;&|]\s*)(` + i.run + `)`).FindStringSubmatch(text); found != nil {
			s.packages = append(s.packages, [2]string{i.dir, strings.TrimRight(strings.TrimSpace(found[2]), "&; -")})
		}
	}
}

// checkCopyOverInstalled finds a COPY of the whole context that contains a directory of packages
// installed before.
func (c *checker) checkCopyOverInstalled(l *linter.Linter, s *stageState, o *instructions.CopyCommand) {
	if c.options.Exists == nil || o.From != "" || !slices.ContainsFunc(o.SourcePaths,
		func(p string) bool { return path.Clean("/"+p) == "/" }) {
		return
	}
	for _, p := range s.packages {
		ignored := false
		if c.options.Ignored != nil {
			ignored, _ = c.options.Ignored(p[0], true)
		}
		if !ignored && c.options.Exists(p[0]) {
			rule := &ruleCopyOverInstalled
			c.runWithHint(l, finding{rule, o.Location(), rule.Format(p[0], p[1]), "add " + p[0] + " to .dockerignore"})
			return
		}
	}
}

// checkOutsideContext finds sources that refer to the parent of the context.
func (c *checker) checkOutsideContext(l *linter.Linter, sources []string, where []parser.Range) {
	for _, source := range sources {
		if name := path.Clean(source); (name == ".." || strings.HasPrefix(name, "../")) && !isRemote(source) {
			c.runWithHint(l, finding{
				&ruleSourceOutsideContext, where, ruleSourceOutsideContext.Format(source, path.Join("/", name)),
				"use the parent directory as the context (minirun build -f DIR/Dockerfile ..), or --build-context",
			})
		}
	}
}

// checkLineEnds finds here-documents with carriage returns.
func (c *checker) checkLineEnds(l *linter.Linter, contents []string, where []parser.Range) {
	if slices.ContainsFunc(contents, func(text string) bool { return strings.Contains(text, "\r\n") }) {
		c.runWithHint(l, finding{
			&ruleWindowsLineEnds, where, ruleWindowsLineEnds.Format(),
			"convert the Dockerfile with dos2unix (in git: Dockerfile text eol=lf in .gitattributes)",
		})
	}
}
