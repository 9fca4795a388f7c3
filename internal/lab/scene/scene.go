// Package scene is what every predicate of package predicate works with: one learner's lab as the kernel
// shows it, the processes in it, its files, and trials of its bundles.
//
//	scene.go     a question and its answers
//	process.go   the learner's processes, which carry the lab's token
//	read.go      the learner's files
//	trial.go     a run of the learner's bundle by the check itself
package scene

import (
	"context"
	"fmt"

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

// Fail returns a failure. The two texts are words.New(…).
func Fail(expected, found words.Text, look string, args ...any) (*Failure, error) {
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

// A Table creates an empty predicate of each kind, by the name that lab.yaml uses.
type Table map[string]func() Predicate
