// Package runtarget decides whether the arguments of run and create name a bundle or an image.
//
// The decision is a pure function of the arguments and of what exists ([Facts]), in this order:
//
//  1. --bundle is given: its value is the bundle, the argument is the ID.
//  2. The second of two arguments is a bundle: the first one is the ID.
//  3. The first argument is a bundle, or is written as a path: ./x, ../x, /x or x/.
//  4. The working directory is a bundle, and the only argument is a valid ID, as in runc.
//  5. The first argument names an image in the store.
//  6. The only argument is an existing directory: a bundle without a usable config.json.
//  7. A bundle or an image has a similar name: it is suggested.
//  8. The first argument can be an image in a registry.
//
// A directory is a bundle if its config.json contains "ociVersion": many programs have files of
// that name.
//
//	runtarget.go  the decision
//	mistakes.go   the errors for arguments that name nothing
//	host.go       the facts
package runtarget

import (
	"fmt"
	"slices"
	"strings"

	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/image"
)

// A PathKind is what a path names.
type PathKind int

// The kinds of path.
const (
	Nothing       PathKind = iota
	File                   // not a directory
	Directory              // without config.json
	ForeignConfig          // a directory whose config.json belongs to another program
	Bundle
)

// Facts are what the decision depends on. Each is looked up only if it is needed.
type Facts interface {
	Path(path string) PathKind
	HasImage(name string) bool // in the store
	Images() []string          // the names of the images in the store, as users write them
	Subdirectories(path string) []string
}

// A Question is a command line of run or create.
type Question struct {
	Command    string // run or create
	Bundle     string // --bundle
	Arguments  []string
	AlwaysPull bool // --pull always: the registry decides which images exist
}

// A Target is what the arguments name: a bundle, or else an image.
type Target struct {
	ID     string // "" if none is given
	Bundle string
	Image  string
	Stored bool // the image is in the store
}

// A UsageError is a command line that names nothing, or too much.
type UsageError string

func (e UsageError) Error() string { return string(e) }

// Decide returns what a command line names. With an error, Image is set if the arguments are not
// those of a bundle.
func Decide(q Question, f Facts) (Target, error) {
	if err := checkArguments(q); err != nil {
		return Target{}, err
	}
	args := q.Arguments
	if NamesBundle(q, f) {
		return bundleTarget(q, f)
	}
	first := args[0]
	if f.HasImage(first) {
		return Target{Image: first, Stored: true}, nil
	}
	if len(args) == 2 && args[1] == "" { // it may be the bundle
		return Target{}, UsageError(emptyArgument)
	}
	if len(args) == 2 && isPath(args[1]) && f.Path(args[1]) == ForeignConfig && record.CheckID(first) == nil {
		return Target{ID: first, Bundle: args[1]}, nil // the loader reports what is missing in it
	}
	if err := explainPath(q, f); err != nil {
		return Target{Image: first}, err
	}
	if len(args) == 1 && f.Path(first) == ForeignConfig { // the loader reports what is missing in it
		return Target{Bundle: first}, nil
	}
	return Target{Image: first}, checkReference(q, f)
}

const emptyArgument = "an argument is empty: an ID, a bundle or an image must have a name"

// checkArguments refuses command lines that are wrong whatever exists.
func checkArguments(q Question) error {
	args := q.Arguments
	switch {
	case slices.Contains(args, "") && (q.Bundle != "" || args[0] == ""): // "$UNSET" in a script
		return UsageError(emptyArgument)
	case len(args) == 0 && q.Bundle == "":
		return UsageError("missing argument: BUNDLE or IMAGE")
	case len(args) > 1 && q.Bundle != "":
		return UsageError(fmt.Sprintf("unexpected argument %q: --bundle is given, so the only argument is the ID", args[1]))
	}
	return nil
}

// NamesBundle reports whether rules 1 to 4 apply. Flags may then follow the arguments, while words
// after an image belong to its program.
func NamesBundle(q Question, f Facts) bool {
	args := q.Arguments
	switch {
	case q.Bundle != "":
		return true
	case len(args) == 0:
		return false
	case len(args) == 2 && args[1] != "" && f.Path(args[1]) == Bundle:
		return true
	case isPath(args[0]), f.Path(args[0]) == Bundle:
		return true
	}
	return len(args) == 1 && record.CheckID(args[0]) == nil && f.Path(".") == Bundle
}

// bundleTarget returns the target of a command line that names a bundle.
func bundleTarget(q Question, f Facts) (Target, error) {
	args := q.Arguments
	switch {
	case q.Bundle != "" && len(args) == 0:
		return Target{Bundle: q.Bundle}, nil
	case q.Bundle != "":
		return Target{ID: args[0], Bundle: q.Bundle}, nil
	case len(args) == 2 && f.Path(args[1]) == Bundle:
		return Target{ID: args[0], Bundle: args[1]}, nil
	case len(args) > 1:
		if err := checkBundle(q, args[0], f); err != nil {
			return Target{}, err
		}
		return Target{}, UsageError(fmt.Sprintf("unexpected argument %q: a bundle takes no arguments", args[1]))
	case isPath(args[0]) || f.Path(args[0]) == Bundle:
		return Target{Bundle: args[0]}, checkBundle(q, args[0], f)
	}
	return Target{ID: args[0], Bundle: "."}, nil
}

// isPath reports whether an argument is written as a path, which no image name is.
func isPath(text string) bool {
	return text == "." || text == ".." || strings.HasPrefix(text, "./") || strings.HasPrefix(text, "../") ||
		strings.HasPrefix(text, "/") || strings.HasSuffix(text, "/")
}

// isHubName reports whether a name without a registry has at most two components, which is all
// that Docker Hub has.
func isHubName(text string, n image.Name) bool {
	return strings.HasPrefix(text, n.Registry+"/") || strings.Count(n.Repository, "/") <= 1
}
