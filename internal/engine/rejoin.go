package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/container/control"
	"github.com/minirun/minirun/internal/engine/config"
	"github.com/minirun/minirun/internal/spec"
)

// processOf returns the first process of a running container whose processes another one shares.
func (e *Engine) processOf(id string) (int, error) {
	if _, err := e.Record(id); err != nil {
		return 0, fmt.Errorf("--pid container:%s: %w", id, err)
	}
	state, err := control.State(e.Root, id)
	if err != nil || state.Pid == 0 {
		return 0, fmt.Errorf("--pid container:%s: container %[1]s is not running\nhint: minirun start %[1]s", id)
	}
	return state.Pid, nil
}

// rejoin updates the configuration of a container that shares the processes of another one, whose first
// process changes whenever it starts.
func (e *Engine) rejoin(r *Record) error {
	other, joins := strings.CutPrefix(r.Namespaces.PID, "container:")
	if !joins {
		return nil
	}
	pid, err := e.processOf(other)
	if err != nil {
		return err
	}
	dir := e.Store.Container(r.Container)
	c, _, err := spec.Load(dir)
	if err != nil {
		return err
	}
	config.JoinNamespace(c, specs.PIDNamespace, pid)
	text, err := spec.Compact(c)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "config.json"), text, 0o600)
}
