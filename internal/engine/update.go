package engine

import (
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/atomicfile"
	"github.com/minirun/minirun/internal/engine/reconfigure"
)

// Update changes the limits of a container created from an image, also for its next starts. If it is
// running, live changes them in the runtime first.
func (e *Engine) Update(id string, r *specs.LinuxResources, live func() error) error {
	if e.hasProcess(id) {
		if err := live(); err != nil {
			return err
		}
	}
	path := e.file(id, "config.json")
	config, err := os.ReadFile(path)
	if err == nil {
		config, err = reconfigure.Limit(config, r)
	}
	if err != nil {
		return err
	}
	return atomicfile.Write(path, config, 0o600)
}
