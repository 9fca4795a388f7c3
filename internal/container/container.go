// Package container implements the life cycle of a container in OCI's terms: create,
// start, kill, delete (runtime.md, "Lifecycle").
//
//	Create   spec.Load → state directory and intent record → cgroups →
//	         compile → bootstrap.Start → serve its questions until Ready
//	Start    one byte; the process continues to execve
//	Wait     the pidfd
//	Delete   what the intent record names, whatever state it is in
//
// The plan describes what happens inside; this package acts from outside and records
// what has to be undone. The record is on disk before the first thing that it names
// exists.
package container

import (
	"os"
	"path/filepath"

	"github.com/minirun/minirun/internal/container/hostfacts"
	"github.com/minirun/minirun/internal/container/observer"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/runtimedir"
	"github.com/minirun/minirun/internal/signals"
)

// Options are the command line's settings for one container.
type Options struct {
	Root   string // state directory of all containers
	ID     string
	Bundle string

	PidFile       string
	ConsoleSocket string
	PidFDSocket   string // gets the pidfd of the container's first process
	NotifySocket  string // NOTIFY_SOCKET: where to report that the program is ready
	PreserveFDs   int    // descriptors 3 … that the program inherits, if they are open
	Inherited     []int  // descriptors from 3 on that belong to the caller, not to minirun
	NoPivot       bool
	NoKeyring     bool
	Layers        []string // --layer, lowest first, below root.path itself
	Ephemeral     bool     // root.path is a read-only layer, writes are discarded
	SystemdCgroup bool
	NoCgroup      bool // the container stays in minirun's own cgroup, without limits

	// Observer, if not nil, observes the start while it happens. Only for [Run].
	Watch observer.Observer

	// Hold, if not nil, is called before the program is executed, which waits until it
	// returns; an error ends the container. Only for [Run].
	Hold func(observer.Stop) error

	// Warn receives problems that do not stop the container: a *spec.Warning, or the
	// error of a poststop hook.
	Warn func(any)
}

// A purpose is what a command does with the container that it creates.
type purpose struct {
	starts    bool           // it also starts the program: see answerEarly
	attends   bool           // it stays until the container exits
	signals   *signals.Queue // of a command that attends; nil: they terminate minirun
	otherHost *otherHost     // the plan is only shown; nil: it runs on this host

	findResctrl func() (string, error) // returns the mount point of resctrl
}

func (o *Options) directory() string { return filepath.Join(o.Root, o.ID) }

// DefaultRoot is the state directory if --root is not given. Root of a whole system in
// a user namespace, which identifies itself as such, is not the user of a rootless
// engine.
func DefaultRoot() string {
	dir := os.Getenv("XDG_RUNTIME_DIR")
	switch {
	case dir != "" && (hostfacts.IsRootless() || namespaces.InUserNamespace() && os.Getenv("USER") != "root"):
	case hostfacts.IsRootless():
		dir = runtimedir.Find()
	default:
		dir = ""
	}
	if dir == "" {
		return "/run/minirun"
	}
	return filepath.Join(dir, "minirun")
}
