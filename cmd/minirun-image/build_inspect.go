package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/atomicfile"
	"github.com/minirun/minirun/internal/build/progress"
	"github.com/minirun/minirun/internal/build/records"
	"github.com/minirun/minirun/internal/termtext"
)

// An inspection is a build with buildx's field names. Steps, Options and Image are specific to
// minirun.
type inspection struct {
	Name              string
	Ref               string
	Context           string
	Dockerfile        string
	VCSRepository     string `json:",omitempty"`
	Target            string `json:",omitempty"`
	Platform          []string
	NamedContexts     []pair `json:",omitempty"`
	StartedAt         time.Time
	CompletedAt       *time.Time `json:",omitempty"`
	Duration          time.Duration
	Status            records.Status
	Error             *inspectedError `json:",omitempty"`
	NumCompletedSteps int
	NumTotalSteps     int
	NumCachedSteps    int
	BuildArgs         []pair          `json:",omitempty"`
	Labels            []pair          `json:",omitempty"`
	Tags              []string        `json:",omitempty"`
	Options           []pair          `json:",omitempty"`
	Materials         []inspectedFrom `json:",omitempty"`
	Image             *inspectedImage `json:",omitempty"`
	Steps             []inspectedStep `json:",omitempty"`
}

type pair struct{ Name, Value string }

type inspectedError struct {
	Name    string   `json:",omitempty"` // of the step
	Message string   `json:",omitempty"`
	Sources string   `json:",omitempty"` // line numbers in the Dockerfile
	Logs    []string `json:",omitempty"` // the step's last lines
}

type inspectedFrom struct {
	URI     string
	Digests []string
}

type inspectedImage struct {
	ID, Digest string
	Names      []string `json:",omitempty"`
}

type inspectedStep struct {
	Name      string
	StartedAt time.Time
	Duration  time.Duration
	Cached    bool   `json:",omitempty"`
	Status    string // completed, failed, canceled, running or interrupted
	Error     string `json:",omitempty"`
}

func pairsOf(m map[string]string) (out []pair) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		out = append(out, pair{name, m[name]})
	}
	return out
}

// inspectBuild collects what is known about a build.
func inspectBuild(r *records.Record, now time.Time) (*inspection, error) {
	i := &inspection{
		Name: r.Name, Ref: r.ID, Context: r.Context, Dockerfile: r.Dockerfile, VCSRepository: r.Repository, Target: r.Target, Platform: r.Platforms,
		NamedContexts: pairsOf(r.Contexts), StartedAt: r.Started, Duration: r.Duration(now), Status: r.Status,
		BuildArgs: pairsOf(r.Arguments), Labels: pairsOf(r.Labels), Tags: r.Tags, Options: pairsOf(r.Options),
	}
	if r.Status != records.Running {
		i.CompletedAt = &r.Completed
	}
	for _, m := range pairsOf(r.Materials) {
		i.Materials = append(i.Materials, inspectedFrom{m.Name, []string{m.Value}})
	}
	if r.Image != "" {
		i.Image = &inspectedImage{r.Image, r.Digest, r.Names}
	}
	steps, err := r.Steps()
	if err != nil {
		return nil, err
	}
	failed := ""
	for _, s := range steps {
		one := inspectedStep{s.Name, s.Started, s.Duration, s.Cached, "running", s.Error}
		i.NumTotalSteps++
		switch {
		case s.Cached:
			i.NumCachedSteps++
			fallthrough
		case s.Ended:
			one.Status = "completed"
			i.NumCompletedSteps++
		case s.Canceled:
			one.Status = "canceled"
		case s.Error != "":
			one.Status, failed = "failed", s.Name
		case r.Status == records.Interrupted:
			one.Status = "interrupted"
		}
		i.Steps = append(i.Steps, one)
	}
	if r.Error == "" {
		return i, nil
	}
	i.Error = &inspectedError{Name: failed, Message: r.Error, Sources: r.Source}
	return i, r.Events(func(events iter.Seq[progress.Event]) error {
		if text := progress.Failures(events); text != "" {
			i.Error.Logs = strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		}
		return nil
	})
}

func historyInspect(ctx *cli.Context) error {
	if ctx.Args().First() == "attachment" {
		return errors.New("build history inspect attachment is not supported (attestations are in the image: --provenance, --sbom)")
	}
	r, err := oneBuild(ctx)
	if err != nil {
		return err
	}
	i, err := inspectBuild(r, time.Now())
	if err != nil {
		return err
	}
	w := ctx.App.Writer
	switch format := ctx.String("format"); format {
	case "json":
		return writeJSON(w, i)
	case "pretty":
		return i.print(w)
	default:
		text, err := json.Marshal(i)
		if err != nil {
			return err
		}
		var one row
		if err := json.Unmarshal(text, &one); err != nil {
			return err
		}
		return writeTemplate(w, format, nil, []row{one})
	}
}

// print writes the inspection as text.
func (i *inspection) print(w io.Writer) error {
	line := func(name, value string) {
		if value != "" {
			termtext.Fprintf(w, "%-15s %s\n", name+":", oneLine(value))
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
	line("Duration", took(i.Duration))
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
func (i *inspection) printTables(w io.Writer) {
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	named := func(header string, list []pair) {
		if len(list) == 0 {
			return
		}
		termtext.Fprintf(table, "\n%s\tVALUE\n", header)
		for _, p := range list {
			termtext.Fprintf(table, "%s\t%s\n", oneLine(p.Name), oneLine(p.Value))
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
		name := []rune(oneLine(s.Name))
		if len(name) > 80 {
			name = append(name[:79], '…')
		}
		termtext.Fprintf(table, "%s\t%s\t%s\n", string(name), result, took(s.Duration))
	}
	_ = table.Flush() // the next write to w reports an error
}

func historyExport(ctx *cli.Context) error {
	if err := checkBuilder(ctx); err != nil {
		return err
	}
	book := bookOf(ctx)
	list, err := namedBuilds(ctx, book)
	switch {
	case err != nil:
		return err
	case ctx.Bool("all") && len(list) > 0:
		return errors.New("build history export: --all cannot be combined with BUILD")
	case ctx.Bool("all"):
		list, err = book.List()
	case len(list) == 0:
		var last *records.Record
		last, err = book.Find("")
		list = append(list, last)
	}
	if err != nil {
		return err
	}
	name := ctx.String("output")
	if name == "-" {
		if isTerminal(os.Stdout) {
			return errors.New("build history export: refusing to write an archive to a terminal\nhint: redirect standard output, or use --output FILE")
		}
		return writeArchive(ctx.App.Writer, list)
	}
	f, err := atomicfile.Create(name, 0o600) // it contains the values of build arguments
	if err != nil {
		return err
	}
	return f.Done(writeArchive(f, list))
}

// writeArchive writes the output of inspect and logs for each build.
func writeArchive(w io.Writer, list []*records.Record) error {
	archive := tar.NewWriter(w)
	for _, r := range list {
		i, err := inspectBuild(r, time.Now())
		if err != nil {
			return err
		}
		var record, log, events bytes.Buffer
		err = errors.Join(writeJSON(&record, i), r.Events(func(list iter.Seq[progress.Event]) error { return progress.Replay("plain", &log, list) }),
			r.Events(func(list iter.Seq[progress.Event]) error { return progress.Replay("rawjson", &events, list) }))
		if err != nil {
			return err
		}
		for name, content := range map[string][]byte{"build.json": record.Bytes(), "log.txt": log.Bytes(), "log.jsonl": events.Bytes()} {
			h := &tar.Header{Name: path.Join(r.ID, name), Mode: 0o600, Size: int64(len(content)), ModTime: r.Started, Format: tar.FormatPAX}
			err := archive.WriteHeader(h)
			if err == nil {
				_, err = archive.Write(content)
			}
			if err != nil {
				return err
			}
		}
	}
	return archive.Close()
}
