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
	"github.com/minirun/minirun/internal/build/progress"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/overlay"
	"github.com/minirun/minirun/internal/namespaces"
)

// runProgram executes the program of a RUN.
func (g *graphSolver) runProgram(ctx context.Context, m *stepState, op *graph.Run, tmp string) error {
	if m.node.Stage.Platform.OS != "linux" {
		return fmt.Errorf(
			"RUN for %s is not supported: only programs for linux can run", platforms.Format(m.node.Stage.Platform),
		)
	}
	s := &executor.Step{
		Op: op, Layers: m.parent.dirs(), Dir: tmp, Platform: m.node.Stage.Platform, Mounts: map[int]executor.Mounted{},
		Secrets: g.shared.Secrets, SSH: g.shared.SSH, Output: stepOutput{g.shared.Sink, m.id},
	}
	for i, mount := range op.Mounts {
		if mount.From != nil {
			s.Mounts[i] = executor.Mounted{Layers: g.snapshotOf(mount.From).dirs()}
		}
	}
	if err := createWorkdir(op, m.parent.dirs(), tmp); err != nil {
		return err
	}
	err := g.shared.Runner.Run(ctx, s)
	if err == nil || ctx.Err() != nil {
		return err
	}
	err = explainStartError(op, append(slices.Clone(s.Layers), filepath.Join(tmp, "fs")), err)
	if g.shared.Failed != nil && canDebug(op, err) {
		g.shared.firstFailure.Do(func() { g.shared.Failed(m.node, s, err) })
	}
	return err
}

// createWorkdir creates the program's working directory if it does not exist: a base image may
// name a missing directory, or an earlier step may have removed it.
func createWorkdir(op *graph.Run, below []string, tmp string) error {
	if op.Cwd == "/" || len(below) == 0 {
		return nil
	}
	if _, st, err := image.Stack(below).Resolve(op.Cwd); err == nil && st != nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return nil
	}
	root, err := overlay.OpenWritable(
		below, filepath.Join(tmp, "fs"), filepath.Join(tmp, "work"), namespaces.Unprivileged(),
	)
	if err != nil {
		return err
	}
	owner, err := image.LookUp(below, op.User)
	if err == nil {
		err = filecopy.Directory(root, op.Cwd, int(owner.UID), int(owner.GID), nil)
	}
	return errors.Join(err, root.Close())
}

// A stepOutput shows what the program of a step writes.
type stepOutput struct {
	sink progress.Sink
	id   int
}

// Write implements io.Writer.
func (o stepOutput) Write(p []byte) (int, error) {
	o.sink.Output(o.id, p)
	return len(p), nil
}
