package bundle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/atomicfile"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/spec"
)

// A Bundle is what is written to a directory.
type Bundle struct {
	Config    *specs.Spec
	Layers    []string // unpacked layers, lowest first
	UseLayers bool     // refer to the layers instead of copying them, for minirun
}

// Write writes the bundle to a new or empty directory.
func (b Bundle) Write(ctx context.Context, dir string) error {
	if err := atomicfile.CheckDirectory(dir); err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	// Accessible only to its owner: the root file system in it may contain set-user-ID programs,
	// and keeps its mode.
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	rootfs := filepath.Join(dir, "rootfs")
	var err error
	if b.UseLayers {
		image.SetLayers(b.Config, b.Layers, "")
		err = os.Mkdir(rootfs, 0o755)
	} else {
		err = CopyRootfs(ctx, b.Layers, rootfs)
	}
	if err != nil {
		return err
	}
	text, err := spec.Marshal(b.Config)
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, "config.json"), text, 0o644)
}
