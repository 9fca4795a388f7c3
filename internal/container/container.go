// Package container is the life cycle of a container in OCI's words: create,
// start, kill, delete (runtime.md, "Lifecycle").
//
//	Create   spec.Load → state directory and intent record → cgroups →
//	         compile → bootstrap.Start → serve its questions until Ready
//	Start    one byte; the process goes on to execve
//	Wait     the pidfd
//	Delete   what the intent record names, whatever has become of it
//
// The plan says what happens inside; this package acts from outside and keeps
// the record of what there is to undo. The record is on disk before the first
// thing it names exists.
package container

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/signals"
)

// Options are what the command line says about one container.
type Options struct {
	Root   string // state directory of all containers
	ID     string
	Bundle string

	PidFile       string
	ConsoleSocket string
	PidFDSocket   string // gets the pidfd of the container's first process
	NotifySocket  string // NOTIFY_SOCKET: where to report that the program is ready
	PreserveFDs   int    // descriptors 3 … that the program inherits, where they are open
	Inherited     []int  // descriptors from 3 on that are the caller's and not minirun's own
	NoPivot       bool
	NoKeyring     bool
	Layers        []string // --layer, lowest first, below root.path's own place
	Ephemeral     bool     // root.path is a read-only layer, writes are thrown away
	SystemdCgroup bool
	NoCgroup      bool // the container stays in minirun's own cgroup, without limits

	resctrl      func() (string, error) // where the resctrl file system is; nil: look for it
	imagined     *imagined              // of a plan that is only shown
	startsAtOnce bool                   // Start follows Create: see answerAhead
	attends      bool                   // minirun stays until the container ends
	signals      *signals.Queue         // of run in the foreground; nil: they end minirun
	terminal     int                    // of the caller, if it is connected with the container's

	// Watch, if not nil, is shown the start while it happens. For [Run] alone.
	Watch Watch

	// Warn takes what does not stop the container: a *spec.Warning, or the
	// error of a poststop hook.
	Warn func(any)
}

// MaxPreserveFDs bounds Options.PreserveFDs: each takes a step of fork.
const MaxPreserveFDs = 1 << 16

func (o *Options) directory() string { return filepath.Join(o.Root, o.ID) }

// DefaultRoot is the state directory when --root is not given. Root of a whole
// system in a user namespace, which calls itself so, is no user with an engine.
func DefaultRoot() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" && (rootless() || namespaces.InUserNamespace() && os.Getenv("USER") != "root") {
		return filepath.Join(dir, "minirun")
	}
	return "/run/minirun"
}

// CheckID refuses names that are no plain directory name: runc's rule, letters,
// digits and _ + - . but not "." and "..".
func CheckID(id string) error {
	if id == "" {
		return fmt.Errorf("container ID: must not be empty")
	}
	if id == "." || id == ".." || len(id) > 1024 {
		return fmt.Errorf("container ID %q: not usable as a name", id)
	}
	for _, c := range []byte(id) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && c != '_' && c != '+' && c != '-' && c != '.' {
			return fmt.Errorf("container ID %q: only letters, digits and _ + - . are allowed", id)
		}
	}
	return nil
}
