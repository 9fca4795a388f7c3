// Package observer is the interface to those who watch the start of a container:
// `run --explain`, `step` and `run --trace` (package trace).
package observer

import (
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/stdio"
)

// An Observer observes the start of a container while it happens. `run --explain`, `step`
// and `run --trace` are observers. Without one none of this runs.
type Observer interface {
	// Born is called when the plan is known, before its process is created. It returns
	// the plan to run instead, made by [plan.Plan.Observe] or [plan.Plan.Stamp].
	Born(b Start) *plan.Observed
	// Stopped is called before step next of an observed plan, when step last has
	// returned result: -errno if it failed, last is -1 before the first. The process
	// waits until it returns; an error ends the container.
	Stopped(at Stop) error
	// Stamped receives the times of a stamped plan.
	Stamped(times []time.Time)
	// Did is called after each action of minirun itself.
	Did(a Action)
}

// A Start describes what is known before the first process is created.
type Start struct {
	ID         string
	Spec       *specs.Spec
	Plan       *plan.Plan
	Cloneflags uintptr
}

// A Stop describes where an observed process waits. Indexes are of the plan in Start.
type Stop struct {
	Pid, Last, Next int
	Result          int64
	// Wait waits until a descriptor is readable. A signal that asks to exit is an
	// error.
	Wait func(fd int) error
	// AwaitForeground stops minirun while it is a background job of a terminal. A signal
	// that asks to exit is an error.
	AwaitForeground func(terminal stdio.Descriptor) error
}

// A Kind distinguishes the actions that an observer treats differently.
type Kind int

// The kinds of actions.
const (
	SetUp          Kind = iota // a part of the set-up, or of the deletion
	ProgramStarted             // the program has been executed
	ProgramExited              // the action lasted as long as the program
)

// An Action is something that minirun, not the new process, has done.
type Action struct {
	Kind              Kind
	What, Why, Source string
	Begin             time.Time
	Values            []Written // the values written to files
}

// Written is a value in a file of the host.
type Written struct {
	File, Value, Source string
	Program             bool   // Value is the rules of a program that is attached to the directory File
	Unit                uint64 // the file's number is rounded down to a multiple of this; 0: no rounding
}
