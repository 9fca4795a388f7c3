// Package hostfacts looks up what a plan depends on and config.json does not contain:
// properties of the host, and the files at the paths in the specification. Each file
// serves one consumer: rootfs.go and layers.go package rootfs, process.go package process,
// cgroup.go package cgroups. Nothing is changed here.
package hostfacts

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/namespaces"
)

// A Query is the container, and the command, for which facts are looked up.
type Query struct {
	Spec *specs.Spec

	ID, Bundle  string
	Directory   string   // the container's state directory
	Layers      []string // --layer, lowest first
	Ephemeral   bool
	NoPivot     bool
	NoKeyring   bool
	PreserveFDs int

	StartsLater bool // another command starts the program
	Attended    bool // minirun stays until the program exits
	OtherHost   bool // the plan is only shown: this process's user and limits do not matter
	Warn        func(any)
}

// Rootless reports whether the user who runs the container is not root.
func (q *Query) Rootless() bool { return !q.OtherHost && IsRootless() }

func (q *Query) inUserNamespace() bool { return !q.OtherHost && namespaces.InUserNamespace() }

// FindBundle returns the bundle as an absolute path that is a directory.
func FindBundle(bundle string) (string, error) {
	abs, err := filepath.Abs(bundle)
	if err != nil {
		return "", fmt.Errorf("bundle %s: %w", bundle, err)
	}
	info, err := os.Stat(abs)
	if err == nil && !info.IsDir() {
		err = errors.New("not a directory")
	}
	if err != nil {
		return "", fmt.Errorf("bundle %s: %w", bundle, err)
	}
	return abs, nil
}

// IsRootless reports whether this process is not root, not even of a user namespace.
func IsRootless() bool { return os.Geteuid() != 0 }
