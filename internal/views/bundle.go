package views

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/minirun/minirun/internal/engine"
)

// WithBundle calls use with a bundle that has the files of an image, which any runtime
// can run, and removes the bundle.
func WithBundle(ctx context.Context, e *engine.Engine, image string, use func(bundle string) error) (err error) {
	if e.Helper == "" {
		return errors.New("images need minirun-image, which is not installed next to minirun")
	}
	dir, err := os.MkdirTemp("", "minirun-bundle-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	bundle := filepath.Join(dir, "bundle")
	cmd := exec.CommandContext(ctx, e.Helper, "--store", e.Store.Dir, "bundle", image, bundle)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("write a bundle from image %s: see the messages above: %w", image, err)
	}
	return use(bundle)
}
