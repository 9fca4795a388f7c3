// Package predicate asks the kernel whether what a lab demands is true. Each predicate reads /proc,
// cgroups, mounts, layers or sockets itself, or runs the learner's bundle and looks at the processes. It
// never believes a command line, printed text or a runtime's own record: those can be imitated.
//
//	predicate.go   how lab.yaml names predicates
//	*.go           one file for each subject; images and security are separate packages
package predicate

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/minirun/minirun/internal/lab/course"
	"github.com/minirun/minirun/internal/lab/predicate/images"
	"github.com/minirun/minirun/internal/lab/predicate/security"
	"github.com/minirun/minirun/internal/lab/scene"
)

// tables has the predicates of each subject.
var tables = []scene.Table{general, processes, resources, security.Security, images.Images, networks}

// general has what most labs ask.
var general = scene.Table{
	"container": func() scene.Predicate { return &container{} },
	"namespace": func() scene.Predicate { return &namespace{} },
	"status":    func() scene.Predicate { return &status{} },
	"argv":      func() scene.Predicate { return &argv{} },
	"limit":     func() scene.Predicate { return &limit{} },
	"counter":   func() scene.Predicate { return &counter{} },
	"mount":     func() scene.Predicate { return &mount{} },
	"file":      func() scene.Predicate { return &file{} },
	"idmap":     func() scene.Predicate { return &idmap{} },
	"hostname":  func() scene.Predicate { return &hostname{} },
	"kernel":    func() scene.Predicate { return &kernel{} },
	"plan":      func() scene.Predicate { return &planned{} },
	"starts":    func() scene.Predicate { return &starts{} },
	"stops":     func() scene.Predicate { return &stops{} },
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
func find(kind string) func() scene.Predicate {
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
	Predicate scene.Predicate
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
