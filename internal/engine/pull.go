package engine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/minirun/minirun/internal/image"
)

// pullOptions are the flags of run about pulls.
type pullOptions struct {
	when     string // missing, always or never
	platform string // OS/ARCHITECTURE[/VARIANT]; "": this machine's
	quiet    bool
}

// openImage finds an image and its layers; missing ones are pulled and unpacked.
func (e *Engine) openImage(name string, o pullOptions) (*image.Image, image.Stack, error) {
	pulled := o.when == "always"
	if pulled {
		if err := e.pull(name, o); err != nil {
			return nil, nil, err
		}
	}
	i, err := e.Store.Open(name)
	if err == nil && !pulled && !i.Config.IsForPlatform(o.platform) {
		err = fmt.Errorf("%w: %s for %s", image.ErrNotFound, name, o.platform)
	}
	if errors.Is(err, image.ErrNotFound) && o.when != "never" {
		pulled = true
		if err := e.pull(name, o); err != nil {
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

// pull gets an image from a registry.
func (e *Engine) pull(name string, o pullOptions) error {
	args := []string{"pull"}
	if o.quiet {
		args = append(args, "--quiet")
	}
	if o.platform != "" {
		args = append(args, "--platform", o.platform)
	}
	return e.help(append(args, name)...)
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
