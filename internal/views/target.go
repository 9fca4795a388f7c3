// Package views finds what plan, step and compare show: a bundle, a container, or an
// image.
//
//	target.go  what the arguments name
//	plan.go    the plan of any of them
//	bundle.go  a bundle that any runtime can run, from an image
package views

import (
	"fmt"
	"slices"
	"strings"

	"github.com/minirun/minirun/internal/container/control"
	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/engine"
	"github.com/minirun/minirun/internal/runtarget"
)

// A Target is what arguments name. Container is set if it is an existing container,
// whose bundle is Bundle.
type Target struct {
	runtarget.Target
	Container bool
}

// Find decides what arguments name: a path or a bundle, then a container, then as run
// does ([runtarget.Decide]). Nothing is pulled for a view. bundleOf returns the bundle of
// a container.
func Find(q runtarget.Question, f runtarget.Facts, bundleOf func(id string) (string, bool)) (Target, error) {
	args := q.Arguments
	if q.Bundle == "" && len(args) == 1 && args[0] != "" &&
		!runtarget.NamesBundle(runtarget.Question{Arguments: []string{args[0], ""}}, f) {
		if bundle, ok := bundleOf(args[0]); ok {
			return Target{runtarget.Target{ID: args[0], Bundle: bundle}, true}, nil
		}
	}
	t, err := runtarget.Decide(q, f)
	switch {
	case err != nil || t.Image == "":
	case !t.Stored:
		err = fmt.Errorf("%s: %s is neither a bundle nor a container, and the store has no such image\n"+
			"hint: minirun pull %[2]s", q.Command, t.Image)
	default:
		err = checkMisplacedFlag(q)
	}
	return Target{Target: t}, err
}

// viewFlags are the flags of views that are easily typed after an image, where they would
// be arguments of its program.
var viewFlags = [...]string{"summary", "only", "format", "cgroups", "diff", "at", "until"}

func checkMisplacedFlag(q runtarget.Question) error {
	if len(q.Arguments) < 2 {
		return nil
	}
	flag := q.Arguments[1]
	name, isFlag := strings.CutPrefix(flag, "--")
	name, _, _ = strings.Cut(name, "=")
	if !isFlag || !slices.Contains(viewFlags[:], name) {
		return nil
	}
	return fmt.Errorf("%s: %s after the image %s would be an argument of its program\nhint: minirun %[1]s %[2]s … %[3]s",
		q.Command, flag, q.Arguments[0])
}

// BundleOf returns the bundle of a container that exists, or that was created from an
// image and has exited.
func BundleOf(e *engine.Engine, id string) (bundle string, ok bool) {
	if record.CheckID(id) != nil {
		return "", false
	}
	if _, err := e.Record(id); err == nil {
		return e.Store.Container(id), true
	}
	state, err := control.State(e.Root, id)
	if err != nil {
		return "", false
	}
	return state.Bundle, true
}
