package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/docker/buildx/bake"
	"github.com/docker/buildx/util/buildflags"
)

// A job is one run of minirun build.
type job struct {
	name       string
	args       []string // of minirun build, without those that depend on other jobs or on the location of files
	context    string   // the context
	dockerfile string   // the Dockerfile, for standard input; "": it is in a file

	needs  map[string]string // names of contexts → the targets whose images they are
	linked bool              // not requested: other targets need it
	call   *call             // nil: it is built

	// Set by runJobs.
	done     chan struct{} // closed at the end
	stderr   *targetWriter // its standard error; nil: that of this program
	err      error
	metadata map[string]any
	output   []byte // output of a call that prints JSON
}

// plan returns a job for each target, dependencies first. It omits targets that are needed
// only by targets that are not built.
func (d *definition) plan() ([]*job, error) {
	users := d.users()
	jobs := map[string]*job{}
	for name, t := range d.targets {
		j, err := d.newJob(name, t, users[name])
		if err != nil {
			return nil, fmt.Errorf("target %s: %w", name, err)
		}
		jobs[name] = j
	}
	if err := checkStandardOutput(d.targets); err != nil {
		return nil, err
	}
	var out []*job
	seen := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		if seen[name] {
			return
		}
		seen[name] = true
		j := jobs[name]
		for _, context := range slices.Sorted(maps.Keys(j.needs)) {
			visit(j.needs[context])
		}
		if !j.linked || slices.ContainsFunc(users[name], func(user string) bool { return jobs[user].call == nil }) {
			out = append(out, j)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(jobs)) {
		visit(name)
	}
	return out, nil
}

// users returns the targets that need each target's image.
func (d *definition) users() map[string][]string {
	out := map[string][]string{}
	for name, in := range d.inputs {
		for _, c := range in.NamedContexts {
			if other, ok := strings.CutPrefix(c.Path, targetPrefix); ok {
				out[other] = append(out[other], name)
			}
		}
	}
	return out
}

func (d *definition) newJob(name string, t *bake.Target, users []string) (*job, error) {
	in := d.inputs[name]
	if err := checkSupported(t); err != nil {
		return nil, err
	}
	a := newFlagList(t, in)
	j := &job{
		name: name, context: in.ContextPath, dockerfile: in.DockerfileInline, needs: map[string]string{},
		linked: d.linked[name], done: make(chan struct{}),
	}
	if strings.HasPrefix(j.context, targetPrefix) {
		return nil, fmt.Errorf("context: %s: a target can only be used in contexts", j.context)
	}
	for context, c := range in.NamedContexts {
		if other, ok := strings.CutPrefix(c.Path, targetPrefix); ok {
			j.needs[context] = other
		}
	}
	var err error
	if j.call, err = parseCall(deref(t.Call)); err != nil {
		return nil, err
	}
	if j.call != nil {
		j.args = slices.Concat(a.words, j.call.words)
		return j, nil
	}
	a.addBuildFlags(t)
	a.addOutputFlags(t, j.linked, len(users) > 0)
	if len(users) > 0 && len(t.Platforms) == 0 {
		a.add("platform", strings.Join(d.platforms(users), ","))
	}
	j.args = a.words
	return j, nil
}

// addOutputFlags adds names and outputs. A target that others need is also stored as an image. If it
// was not requested itself, it gets no name and no other output.
func (a *flagList) addOutputFlags(t *bake.Target, linked, needed bool) {
	if linked {
		return
	}
	a.addList("tag", t.Tags)
	a.addList("output", formatAll(t.Outputs))
	if needed && len(t.Outputs) > 0 {
		a.words = append(a.words, "--load")
	}
}

// platforms returns the platforms of targets.
func (d *definition) platforms(names []string) (out []string) {
	for _, name := range names {
		out = append(out, d.targets[name].Platforms...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// checkStandardOutput rejects two archives on standard output.
func checkStandardOutput(targets map[string]*bake.Target) error {
	var names []string
	for name, t := range targets {
		if slices.ContainsFunc(t.Outputs, usesStandardOutput) {
			names = append(names, name)
		}
	}
	if len(names) < 2 {
		return nil
	}
	slices.Sort(names)
	return fmt.Errorf("targets %s: only one archive can be written to standard output\nhint: use dest=FILE",
		strings.Join(names, ", "))
}

func usesStandardOutput(e *buildflags.ExportEntry) bool {
	file := e.Type == "tar" || e.Type == "oci" || e.Type == "docker" && e.Destination == "-"
	return file && (e.Destination == "" || e.Destination == "-")
}

// checkNeeds returns an error if a target that this one needs was not built.
func (j *job) checkNeeds(others map[string]*job) error {
	for _, context := range slices.Sorted(maps.Keys(j.needs)) {
		if other := others[j.needs[context]]; other.err != nil {
			return fmt.Errorf("%w: it needs target %s", errNotBuilt, other.name)
		}
	}
	return nil
}
