package history

import (
	"encoding/json"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/minirun/minirun/internal/build/progress"
	"github.com/minirun/minirun/internal/build/records"
	"github.com/minirun/minirun/internal/formatter"
)

// An Inspection is a build with buildx's field names. Steps, Options and Image are specific to
// minirun.
type Inspection struct {
	Name              string
	Ref               string
	Context           string
	Dockerfile        string
	VCSRepository     string `json:",omitempty"`
	Target            string `json:",omitempty"`
	Platform          []string
	NamedContexts     []Pair `json:",omitempty"`
	StartedAt         time.Time
	CompletedAt       *time.Time `json:",omitempty"`
	Duration          time.Duration
	Status            records.Status
	Error             *Failure `json:",omitempty"`
	NumCompletedSteps int
	NumTotalSteps     int
	NumCachedSteps    int
	BuildArgs         []Pair     `json:",omitempty"`
	Labels            []Pair     `json:",omitempty"`
	Tags              []string   `json:",omitempty"`
	Options           []Pair     `json:",omitempty"`
	Materials         []Material `json:",omitempty"`
	Image             *Image     `json:",omitempty"`
	Steps             []Step     `json:",omitempty"`
}

// A Pair is a named value.
type Pair struct{ Name, Value string }

// A Failure is the error of a build.
type Failure struct {
	Name    string   `json:",omitempty"` // of the step
	Message string   `json:",omitempty"`
	Sources string   `json:",omitempty"` // line numbers in the Dockerfile
	Logs    []string `json:",omitempty"` // the step's last lines
}

// A Material is something that a build used, such as a base image.
type Material struct {
	URI     string
	Digests []string
}

// An Image is the result of a build.
type Image struct {
	ID, Digest string
	Names      []string `json:",omitempty"`
}

// A Step is one step of a build.
type Step struct {
	Name      string
	StartedAt time.Time
	Duration  time.Duration
	Cached    bool   `json:",omitempty"`
	Status    string // completed, failed, canceled, running or interrupted
	Error     string `json:",omitempty"`
}

// sortedPairs returns the entries of a map, sorted by name.
func sortedPairs(m map[string]string) (out []Pair) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		out = append(out, Pair{name, m[name]})
	}
	return out
}

// Inspect collects what is recorded about a build.
func Inspect(r *records.Record, now time.Time) (*Inspection, error) {
	i := &Inspection{
		Name: r.Name, Ref: r.ID, Context: r.Context, Dockerfile: r.Dockerfile, VCSRepository: r.Repository,
		Target: r.Target, Platform: r.Platforms, NamedContexts: sortedPairs(r.Contexts),
		StartedAt: r.Started, Duration: r.Duration(now), Status: r.Status,
		BuildArgs: sortedPairs(r.Arguments), Labels: sortedPairs(r.Labels), Tags: r.Tags,
		Options: sortedPairs(r.Options),
	}
	if r.Status != records.Running {
		i.CompletedAt = &r.Completed
	}
	for _, m := range sortedPairs(r.Materials) {
		i.Materials = append(i.Materials, Material{m.Name, []string{m.Value}})
	}
	if r.Image != "" {
		i.Image = &Image{r.Image, r.Digest, r.Names}
	}
	failed, err := i.addSteps(r)
	if err != nil || r.Error == "" {
		return i, err
	}
	i.Error = &Failure{Name: failed, Message: r.Error, Sources: r.Source}
	return i, r.Events(func(events iter.Seq[progress.Event]) error {
		if text := progress.Failures(events); text != "" {
			i.Error.Logs = strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		}
		return nil
	})
}

// addSteps adds the steps and their numbers. It returns the name of the step that failed.
func (i *Inspection) addSteps(r *records.Record) (failed string, err error) {
	steps, err := r.Steps()
	if err != nil {
		return "", err
	}
	i.NumTotalSteps = len(steps)
	for _, s := range steps {
		one := Step{s.Name, s.Started, s.Duration, s.Cached, "running", s.Error}
		switch {
		case s.Cached || s.Ended:
			one.Status = "completed"
			i.NumCompletedSteps++
		case s.Canceled:
			one.Status = "canceled"
		case s.Error != "":
			one.Status, failed = "failed", s.Name
		case r.Status == records.Interrupted:
			one.Status = "interrupted"
		}
		if s.Cached {
			i.NumCachedSteps++
		}
		i.Steps = append(i.Steps, one)
	}
	return failed, nil
}

// WriteTemplate writes the inspection in the format of a Go template.
func (i *Inspection) WriteTemplate(w io.Writer, format string) error {
	text, err := json.Marshal(i)
	if err != nil {
		return err
	}
	var row formatter.Row
	if err := json.Unmarshal(text, &row); err != nil {
		return err
	}
	return formatter.Table{Rows: []formatter.Row{row}}.Write(w, format)
}
