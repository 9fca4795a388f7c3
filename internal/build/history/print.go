package history

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/minirun/minirun/internal/build/records"
	"github.com/minirun/minirun/internal/formatter"
	"github.com/minirun/minirun/internal/termtext"
)

// Print writes the inspection as text.
func (i *Inspection) Print(w io.Writer) error {
	line := func(name, value string) {
		if value != "" {
			termtext.Fprintf(w, "%-15s %s\n", name+":", formatter.OneLine(value))
		}
	}
	line("Name", i.Name)
	line("Context", i.Context)
	line("Dockerfile", i.Dockerfile)
	line("VCS Repository", i.VCSRepository)
	line("Target", i.Target)
	line("Platforms", strings.Join(i.Platform, ", "))
	line("Tags", strings.Join(i.Tags, ", "))
	fmt.Fprintln(w)
	line("Started", i.StartedAt.Local().Format(time.DateTime))
	line("Duration", formatDuration(i.Duration))
	if i.Status != records.Completed {
		line("Status", statusWord(i.Status))
	}
	percent := 0
	if i.NumTotalSteps > 0 {
		percent = 100 * i.NumCachedSteps / i.NumTotalSteps
	}
	line("Build Steps", fmt.Sprintf("%d/%d (%d%% cached)", i.NumCompletedSteps, i.NumTotalSteps, percent))
	if i.Image != nil {
		fmt.Fprintln(w)
		line("Image", i.Image.ID)
		line("Digest", i.Image.Digest)
		line("Names", strings.Join(i.Image.Names, ", "))
	}
	i.printTables(w)
	if i.Error != nil {
		termtext.Fprintf(w, "\nError: %s\n", termtext.Multiline(i.Error.Message))
		if i.Error.Sources != "" {
			termtext.Fprintf(w, "\n%s", termtext.Multiline(i.Error.Sources))
		}
		if len(i.Error.Logs) > 0 {
			termtext.Fprintf(w, "\n%s\n", termtext.Multiline(strings.Join(i.Error.Logs, "\n")))
		}
	}
	_, err := io.WriteString(w, termtext.Text("\nPrint build logs: minirun build history logs "+i.Ref+"\n"))
	return err
}

// printTables writes the lists of an inspection.
func (i *Inspection) printTables(w io.Writer) {
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	named := func(header string, list []Pair) {
		if len(list) == 0 {
			return
		}
		termtext.Fprintf(table, "\n%s\tVALUE\n", header)
		for _, p := range list {
			termtext.Fprintf(table, "%s\t%s\n", formatter.OneLine(p.Name), formatter.OneLine(p.Value))
		}
	}
	named("BUILD ARG", i.BuildArgs)
	named("LABEL", i.Labels)
	named("NAMED CONTEXT", i.NamedContexts)
	named("OPTION", i.Options)
	if len(i.Materials) > 0 {
		fmt.Fprintf(table, "\nMATERIAL\tDIGEST\n")
	}
	for _, m := range i.Materials {
		termtext.Fprintf(table, "%s\t%s\n", m.URI, strings.Join(m.Digests, ", "))
	}
	if len(i.Steps) > 0 {
		fmt.Fprintf(table, "\nSTEP\tRESULT\tDURATION\n")
	}
	for _, s := range i.Steps {
		result := s.Status
		if s.Cached {
			result = "cached"
		}
		name := formatter.Shorten(formatter.OneLine(s.Name), 80)
		termtext.Fprintf(table, "%s\t%s\t%s\n", name, result, formatDuration(s.Duration))
	}
	_ = table.Flush() // the next write to w reports an error
}
