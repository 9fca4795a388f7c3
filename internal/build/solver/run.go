package solver

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/containerd/platforms"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/build/executor"
	"github.com/minirun/minirun/internal/build/filecopy"
	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/overlay"
	"github.com/minirun/minirun/internal/namespaces"
)

// run executes the program of a RUN.
func (v *solving) run(ctx context.Context, m *making, op *graph.Run, aside string) error {
	if system := m.n.Stage.Platform.OS; system != "linux" {
		return fmt.Errorf("RUN for %s: programs of %s cannot be run here, only those of linux", platforms.Format(m.n.Stage.Platform), system)
	}
	s := &executor.Step{
		Op: op, Layers: m.parent.dirs(), Dir: aside, Platform: m.n.Stage.Platform, Mounts: map[int]executor.Mounted{},
		Secrets: v.Secrets, SSH: v.SSH, Output: output{v, m.id},
	}
	for i, mount := range op.Mounts {
		if mount.From != nil {
			s.Mounts[i] = executor.Mounted{Layers: v.of(mount.From).dirs()}
		}
	}
	if err := inDirectory(op, m.parent.dirs(), aside); err != nil {
		return err
	}
	err := v.Runner.Run(ctx, s)
	if err == nil || ctx.Err() != nil {
		return err
	}
	err = whyNot(op, append(slices.Clone(s.Layers), filepath.Join(aside, "fs")), err)
	if v.Failed != nil && canLook(op, err) {
		v.first.Do(func() { v.Failed(m.n, s, err) })
	}
	return err
}

// inDirectory creates the program's working directory if it does not exist: a base image may
// name a missing directory, or an earlier step may have removed it.
func inDirectory(op *graph.Run, below []string, aside string) error {
	if op.Cwd == "/" || len(below) == 0 {
		return nil
	}
	if _, st, err := image.Stack(below).Resolve(op.Cwd); err == nil && st != nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return nil
	}
	root, err := overlay.OpenWritable(below, filepath.Join(aside, "fs"), filepath.Join(aside, "work"), namespaces.Unprivileged())
	if err != nil {
		return err
	}
	who, err := image.LookUp(below, op.User)
	if err == nil {
		err = filecopy.Directory(root, op.Cwd, int(who.UID), int(who.GID), nil)
	}
	return errors.Join(err, root.Close())
}

type output struct {
	v  *solving
	id int
}

// Write implements io.Writer.
func (o output) Write(p []byte) (int, error) {
	o.v.Sink.Output(o.id, p)
	return len(p), nil
}
