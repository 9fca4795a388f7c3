package container

import (
	"errors"
	"fmt"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/container/hooks"
	"github.com/minirun/minirun/internal/container/openfiles"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/spec"
)

// openFiles opens the files that the parent opens for the plan.
func (c *Container) openFiles() ([]*os.File, error) {
	nodes, err := openfiles.DeviceNodes(c.Plan.Files, c.options.directory())
	if err != nil {
		return nil, err
	}
	defer openfiles.CloseNodes(nodes) // those that are left after an error
	var out []*os.File
	for i, f := range c.Plan.Files {
		if f.Open == plan.Device {
			out = append(out, nodes[i])
			delete(nodes, i)
			continue
		}
		opened, err := c.openFile(f)
		var located *spec.Error
		if errors.As(err, &located) {
			return out, err
		}
		if err != nil {
			return out, fmt.Errorf("config.json: %s: %s: %w", f.Source, f.Name, err)
		}
		out = append(out, opened)
	}
	return out, nil
}

func (c *Container) openFile(f plan.File) (*os.File, error) {
	switch f.Open {
	case plan.Pipe:
		return c.inside.OpenInput(f, c.OCIState(specs.StateCreating, 0))
	case plan.MapIDs:
		return openfiles.IDMap(f.Maps)
	case plan.Append:
		return hooks.OpenOutput(f.Path)
	case plan.Init:
		return bootstrap.InitImage(f.Plan)
	case plan.Memory:
		return c.inside.OpenOutput(f)
	}
	for _, j := range c.setup.Joins {
		if j.Path == f.Path {
			return c.openNamespace(j)
		}
	}
	return os.Open(f.Path)
}

// openNamespace opens a namespace to join. A network namespace that turns out to be
// minirun's own must not be changed by linux.sysctl.
func (c *Container) openNamespace(j namespaces.Join) (*os.File, error) {
	f, err := namespaces.OpenNamespace(j.Path, j.Flag)
	if err != nil || j.Flag != unix.CLONE_NEWNET {
		return f, err
	}
	k := spec.NetworkSysctl(c.Spec.Linux)
	if k == "" {
		return f, nil
	}
	own, err := os.Stat("/proc/thread-self/ns/net")
	if err == nil {
		var joined os.FileInfo
		if joined, err = f.Stat(); err == nil && os.SameFile(own, joined) {
			err = &spec.Error{Path: fmt.Sprintf("linux.sysctl[%q]", k),
				Want: "needs a network namespace that is not the host's, and " + j.Path + " is the host's"}
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
