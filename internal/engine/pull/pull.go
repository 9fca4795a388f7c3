// Package pull finds the image of a new container, and gets it from a registry if it is missing.
package pull

import (
	"errors"
	"fmt"

	"github.com/minirun/minirun/internal/image"
)

// Options are the flags of run about pulls.
type Options struct {
	When     string // missing, always or never
	Platform string // OS/ARCHITECTURE[/VARIANT]; "": this machine's
	Quiet    bool
}

// Images finds and pulls images.
type Images struct {
	Store *image.Store
	Help  func(args ...string) error // runs minirun-image
	Warn  func(any)
}

// Open finds an image and its layers; missing ones are pulled and unpacked.
func (s *Images) Open(name string, o Options) (*image.Image, image.Stack, error) {
	pulled := o.When == "always"
	if pulled {
		if err := s.pull(name, o); err != nil {
			return nil, nil, err
		}
	}
	i, err := s.Store.Open(name)
	if err == nil && !pulled && !i.Config.IsForPlatform(o.Platform) {
		err = fmt.Errorf("%w: %s for %s", image.ErrNotFound, name, o.Platform)
	}
	if errors.Is(err, image.ErrNotFound) && o.When != "never" {
		pulled = true
		if err := s.pull(name, o); err != nil {
			return nil, nil, err
		}
		i, err = s.Store.Open(name)
	}
	if errors.Is(err, image.ErrNotFound) { // --pull never
		err = fmt.Errorf("%w\nhint: minirun images lists the images; minirun pull gets one from a registry", err)
	}
	if err != nil {
		return nil, nil, err
	}
	if err := s.CheckPlatform(name, &i.Config, pulled); err != nil {
		return nil, nil, err
	}
	layers, err := s.Store.Layers(i.ID)
	if errors.Is(err, image.ErrNotUnpacked) {
		if err := s.Help("unpack", name); err != nil {
			return nil, nil, err
		}
		layers, err = s.Store.Layers(i.ID)
	}
	return i, layers, err
}

// pull gets an image from a registry.
func (s *Images) pull(name string, o Options) error {
	args := []string{"pull"}
	if o.Quiet {
		args = append(args, "--quiet")
	}
	if o.Platform != "" {
		args = append(args, "--platform", o.Platform)
	}
	return s.Help(append(args, name)...)
}

// CheckPlatform warns about an image for another architecture, unless the pull did,
// and refuses one for another operating system.
func (s *Images) CheckPlatform(name string, c *image.Config, warned bool) error {
	platform := image.ForeignPlatform(c.OS, c.Architecture)
	switch {
	case platform == "":
	case c.OS != "" && c.OS != "linux":
		return fmt.Errorf("image %s is for %s, but this machine runs only images for linux", name, platform)
	case !warned:
		s.Warn(image.PlatformWarning(name, platform))
	}
	return nil
}
