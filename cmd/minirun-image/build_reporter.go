package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/build"
	"github.com/minirun/minirun/internal/build/executor"
	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/build/lint"
	"github.com/minirun/minirun/internal/build/progress"
	"github.com/minirun/minirun/internal/image/command"
	"github.com/minirun/minirun/internal/language"
	"github.com/minirun/minirun/internal/stdio"
	"github.com/minirun/minirun/internal/termtext"
)

// A buildReporter prints what a build reports in addition to its progress: the linter's findings, the lines
// of the Dockerfile that failed, and how to debug the failure.
type buildReporter struct {
	cli     *cli.Context
	display progress.Display
	runner  *executor.Executor
	chatty  bool // neither quiet nor JSON output was requested

	found *lint.Result
	ran   bool // a RUN failed, and no shell was started

	shell sync.Once // if several fail at the same time, only the first one gets the terminal
}

// isQuiet reports whether only the image's ID is printed, which is the case with --quiet and with
// --progress quiet.
func isQuiet(ctx *cli.Context) bool { return ctx.Bool("quiet") || ctx.String("progress") == "quiet" }

// displayMode returns the mode of the progress display.
func displayMode(ctx *cli.Context) (string, error) {
	mode := ctx.String("progress")
	if !isQuiet(ctx) {
		return mode, nil
	}
	if mode != "auto" && mode != "quiet" && mode != "none" {
		return "", fmt.Errorf("--quiet cannot be combined with --progress %s", mode)
	}
	return "quiet", nil
}

func (t *buildReporter) addFindings(r *lint.Result) {
	t.found = r
	for _, w := range vertexWarnings(r) {
		t.display.Warn(w)
	}
}

// vertexWarnings converts the linter's findings to BuildKit's form.
func vertexWarnings(r *lint.Result) []progress.VertexWarning {
	if r == nil {
		return nil
	}
	name, text := r.Source()
	var out []progress.VertexWarning
	for i := range r.Warnings {
		w := &r.Warnings[i]
		v := progress.VertexWarning{
			Level: 1, Short: []byte(w.Rule + ": " + w.Detail + atLine(w)), URL: w.URL,
			SourceInfo: &progress.SourceInfo{Filename: name, Data: text, Language: "Dockerfile"},
		}
		for _, detail := range []string{w.Description, w.Hint} {
			if detail != "" {
				v.Detail = append(v.Detail, []byte(detail))
			}
		}
		for _, l := range w.Ranges {
			v.Range = append(v.Range, progress.SourceRange{Start: progress.SourceLine{Line: l.First},
				End: progress.SourceLine{Line: l.Last}})
		}
		out = append(out, v)
	}
	return out
}

// atLine formats the position of a finding, if it has one.
func atLine(w *lint.Warning) string {
	if line := w.Line(); line > 0 {
		return fmt.Sprintf(" (line %d)", line)
	}
	return ""
}

// handleFailure starts a shell at the RUN that failed, if the user asked for one.
func (t *buildReporter) handleFailure(n *graph.Node, s *executor.Step, err error) {
	if !t.cli.Bool("debug") {
		t.ran = true
		return
	}
	t.shell.Do(func() {
		t.display.Pause()
		defer t.display.Resume()
		termtext.Fprintf(os.Stderr, "\n%s: %v\n%s\n", n.Text, language.Text(err.Error()),
			language.Text("Starting a shell with the files, environment and directory of the failed step. The build ends "+
				"when you leave it."))
		if err := t.runner.Debug(t.cli.Context, s, os.Stdin); err != nil {
			command.Warn(fmt.Errorf("--debug: %w", err))
		}
	})
}

// printFindings prints the findings, one a line. --check explains them.
func (t *buildReporter) printFindings() {
	if t.found == nil || len(t.found.Warnings) == 0 || !t.chatty {
		return
	}
	heading := "%d warnings found (run minirun build --check for details):"
	if len(t.found.Warnings) == 1 {
		heading = "%d warning found (run minirun build --check for details):"
	}
	fmt.Fprintf(os.Stderr, "\n %s\n", language.Text(fmt.Sprintf(heading, len(t.found.Warnings))))
	for i := range t.found.Warnings {
		w := &t.found.Warnings[i]
		termtext.Fprintf(os.Stderr, " - %s: %s%s\n", w.Rule, language.Text(w.Detail), language.Text(atLine(w)))
		if w.IsMinirunRule && w.Hint != "" { // those of BuildKit's rules are in --check
			termtext.Fprintf(os.Stderr, "   %s\n", language.Text("hint: "+w.Hint))
		}
	}
}

// printError prints the Dockerfile lines that the error of a build refers to, and returns the error
// without them.
func (t *buildReporter) printError(err error) error {
	if t.cli.Context.Err() != nil {
		return err
	}
	lines, cause := build.QuoteError(err)
	if t.found != nil && len(t.found.Warnings) > 0 && t.chatty {
		fmt.Fprintln(os.Stderr)
	}
	if place, quote, ok := strings.Cut(lines, "\n"); ok {
		fmt.Fprint(os.Stderr, language.Text(place)+"\n"+quote)
	}
	if t.ran && t.chatty {
		return fmt.Errorf("%w\nhint: for a shell in the failed step, run %s", cause, t.debugCommand())
	}
	return cause
}

// debugCommand returns the command line with --debug. If standard input is not a terminal, it returns a
// generic form, because the shell needs a terminal, and logs should not contain the values of
// arguments.
func (t *buildReporter) debugCommand() string {
	if !stdio.In.IsTerminal() {
		return "minirun build --debug … on a terminal"
	}
	args := slices.Clone(os.Args)
	at := slices.Index(args, "build") + 1
	args = slices.Insert(args, at, "--debug")
	args[0] = "minirun"
	for i, a := range args {
		if a == "" || strings.ContainsAny(a, " \t\n'\"\\$`*?[](){}<>|&;#~!") {
			args[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
	}
	return strings.Join(args, " ")
}
