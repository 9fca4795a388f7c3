// Package predicate asks the kernel whether what a lab demands is true. Each predicate reads /proc,
// cgroups, mounts, layers or sockets itself, or runs the learner's bundle and looks at the processes. It
// never believes a command line, printed text or a runtime's own record: those can be imitated.
//
//	predicate.go   how lab.yaml names predicates, and what a failed one reports
//	process.go     the learner's processes, which carry the lab's token
//	*.go           one file for each subject
package predicate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/minirun/minirun/internal/lab/course"
	"github.com/minirun/minirun/internal/lab/words"
)

// A Predicate is one question. Its fields are those of lab.yaml.
type Predicate interface {
	// Holds returns nil if the answer is yes. An error means that it could not be asked.
	Holds(ctx context.Context, s *Scene) (*Failure, error)
}

// A Failure is why the answer is no.
type Failure struct {
	Expected, Found words.Text
	Look            string // a command that shows what was found
}

// fail returns a failure. The two texts are words.New(…).
func fail(expected, found words.Text, look string, args ...any) (*Failure, error) {
	return &Failure{Expected: expected, Found: found, Look: fmt.Sprintf(look, args...)}, nil
}

// Skipped is the error of a predicate that cannot be asked on this machine, which is not the learner's fault.
type Skipped struct{ Reason words.Text }

func (s *Skipped) Error() string { return fmt.Sprintf(s.Reason.Format, s.Reason.Args...) }

// A Scene is where the questions are asked: one learner's lab.
type Scene struct {
	Dir    string            // the learner's files
	Root   string            // the runtime's directory of the lab
	Store  string            // images and containers of the lab
	Values map[string]string // of this learner
	// Minirun is the command line of minirun for this lab.
	Minirun []string
	// Runtime is the command line of the runtime that trials use, in place of minirun: the learner's own.
	Runtime []string
	// Work is a directory for the trials' files. It is removed with all that is below it.
	Work string
	// Env is the environment of trials.
	Env []string
	// PrivateMounts is set if the runtime is the learner's: what it mounts by mistake is not on the host.
	PrivateMounts bool
	// Start has the start state's files, to compare with.
	Start string
}

// A table creates an empty predicate of each kind, by the name that lab.yaml uses.
type table map[string]func() Predicate

// tables has the predicates of each subject; their files begin with the same words.
var tables = []table{general, processes, resources, security, images, networks}

// general has what most labs ask.
var general = table{
	"container": func() Predicate { return &container{} },
	"namespace": func() Predicate { return &namespace{} },
	"status":    func() Predicate { return &status{} },
	"argv":      func() Predicate { return &argv{} },
	"limit":     func() Predicate { return &limit{} },
	"counter":   func() Predicate { return &counter{} },
	"mount":     func() Predicate { return &mount{} },
	"file":      func() Predicate { return &file{} },
	"idmap":     func() Predicate { return &idmap{} },
	"hostname":  func() Predicate { return &hostname{} },
	"kernel":    func() Predicate { return &kernel{} },
	"starts":    func() Predicate { return &starts{} },
	"stops":     func() Predicate { return &stops{} },
}

// Kinds returns the names of all predicates.
func Kinds() (all []string) {
	for _, t := range tables {
		all = slices.AppendSeq(all, maps.Keys(t))
	}
	slices.Sort(all)
	return all
}

// find returns the function that creates a predicate, nil if there is none.
func find(kind string) func() Predicate {
	for _, t := range tables {
		if create := t[kind]; create != nil {
			return create
		}
	}
	return nil
}

// A Check is a predicate with the name that wrong solutions and --json refer to.
type Check struct {
	ID        string
	Kind      string
	Predicate Predicate
}

// Parse returns the checks of a lab, with the learner's values in them.
func Parse(l *course.Lab, values map[string]string) (out []Check, err error) {
	seen := map[string]bool{}
	for i := range l.Checks {
		c, err := parse(&l.Checks[i], values)
		if err != nil {
			return nil, fmt.Errorf("checks[%d]: %w", i, err)
		}
		if seen[c.ID] {
			return nil, fmt.Errorf("checks[%d]: id %s is used twice", i, c.ID)
		}
		seen[c.ID] = true
		out = append(out, c)
	}
	return out, nil
}

// fill replaces {{name}} in a check. The braces must be in quotes in YAML, but what replaces them may be a
// number: the type is that of the new text.
func fill(node *yaml.Node, values map[string]string) {
	if node.Kind == yaml.ScalarNode && strings.Contains(node.Value, "{{") {
		node.Value, node.Tag, node.Style = course.Fill(node.Value, values), "", 0
	}
	for _, below := range node.Content {
		fill(below, values)
	}
}

// parse parses one check: a mapping with id and the name of one predicate.
func parse(node *yaml.Node, values map[string]string) (c Check, err error) {
	var fields map[string]yaml.Node
	if err := node.Decode(&fields); err != nil {
		return c, err
	}
	for key, value := range fields {
		if key == "id" {
			c.ID = value.Value
			continue
		}
		create := find(key)
		if create == nil {
			return c, fmt.Errorf("unknown predicate %q (there are: %s)", key, strings.Join(Kinds(), ", "))
		}
		if c.Predicate != nil {
			return c, fmt.Errorf("%s and %s: a check has one predicate", c.Kind, key)
		}
		fill(&value, values)
		text, err := yaml.Marshal(&value)
		if err != nil {
			return c, err
		}
		c.Kind, c.Predicate = key, create()
		d := yaml.NewDecoder(bytes.NewReader(text))
		d.KnownFields(true)
		if err := d.Decode(c.Predicate); err != nil {
			return c, fmt.Errorf("%s: %w", key, err)
		}
	}
	if c.ID == "" || c.Predicate == nil {
		return c, errors.New("id or the predicate is missing")
	}
	return c, nil
}
