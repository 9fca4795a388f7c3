package devices

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/minirun/minirun/internal/spec"
)

// AddToBundle adds devices to the config.json of a bundle: those of `run --device NAME`.
func AddToBundle(dir string, names []string) error {
	c, _, err := spec.Load(dir)
	if err != nil {
		return err
	}
	registry, err := Open(Directories)
	if err != nil {
		return err
	}
	var devices []string
	for _, name := range names {
		found, err := registry.Select(&Allow{All: true}, name, true)
		if err != nil {
			return fmt.Errorf("--device %s: %w", name, err)
		}
		devices = append(devices, found...)
	}
	if err := registry.Inject(c, devices); err != nil {
		return err
	}
	text, err := spec.Compact(c)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "config.json"), text, 0o600)
}
