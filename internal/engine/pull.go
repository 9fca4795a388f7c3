package engine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/minirun/minirun/internal/image"
)

// openImage finds an image and its layers; missing ones are pulled and unpacked.
func (e *Engine) openImage(name, pull string) (*image.Image, image.Stack, error) {
	pulled := pull == "always"
	if pulled {
		if err := e.help("pull", name); err != nil {
			return nil, nil, err
		}
	}
	i, err := e.Store.Open(name)
	if errors.Is(err, image.ErrNotFound) && pull != "never" {
		pulled = true
		if err := e.help("pull", name); err != nil {
			return nil, nil, err
		}
		i, err = e.Store.Open(name)
	}
	if err != nil {
		return nil, nil, err
	}
	if err := e.checkPlatform(name, &i.Config, pulled); err != nil {
		return nil, nil, err
	}
	layers, err := e.Store.Layers(i.ID)
	if errors.Is(err, image.ErrNotUnpacked) {
		if err := e.help("unpack", name); err != nil {
			return nil, nil, err
		}
		layers, err = e.Store.Layers(i.ID)
	}
	return i, layers, err
}

// checkPlatform warns about an image for another architecture, unless the pull did,
// and refuses one for another operating system.
func (e *Engine) checkPlatform(name string, c *image.Config, warned bool) error {
	platform := image.ForeignPlatform(c.OS, c.Architecture)
	switch {
	case platform == "":
	case c.OS != "" && c.OS != "linux":
		return fmt.Errorf("image %s is for %s, but this machine runs only images for linux", name, platform)
	case !warned:
		e.Warn(image.PlatformWarning(name, platform))
	}
	return nil
}

const installHint = "hint: make install puts both in one directory"

// help runs minirun-image.
func (e *Engine) help(args ...string) error {
	if e.Helper == "" {
		return fmt.Errorf("%s needs minirun-image, which is not installed next to minirun\n%s", args[0], installHint)
	}
	cmd := exec.Command(e.Helper, append([]string{"--store", e.Store.Dir}, args...)...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("minirun %s failed: see its messages above: %w", args[0], err)
	}
	return nil
}
