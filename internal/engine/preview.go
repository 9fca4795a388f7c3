package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/minirun/minirun/internal/image"
)

// This file shows what Create would create.

// A Preview is the bundle of a container that does not exist. Its paths are those of a
// temporary store.
type Preview struct {
	Bundle string
	dir    string // temporary
	store  string // where Create would put it
}

// Preview writes the bundle that Create would create from an image in the store.
// Nothing is pulled or unpacked, and the store is not changed.
func (e *Engine) Preview(name string, s *Settings) (p *Preview, err error) {
	plan, err := s.Connection.Plan(s.Hostname)
	if err != nil {
		return nil, err
	}
	lock, err := e.Store.LockShared(context.Background())
	if err != nil {
		return nil, err
	}
	defer lock.Unlock()
	i, layers, err := e.openUnpacked(name)
	if err != nil {
		return nil, err
	}
	if err := e.completeConnection(plan, s.Name, i); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "minirun-preview-")
	if err != nil {
		return nil, err
	}
	p = &Preview{dir: dir, store: e.Store.Dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Remove())
		}
	}()
	other := *e
	other.Store = &image.Store{Dir: dir}
	volumes := 0
	other.newVolume = func() string { // the same in each plan
		volumes++
		return fmt.Sprintf("anonymous-%d", volumes)
	}
	p.Bundle = other.Store.Container(s.Name)
	if err := os.MkdirAll(p.Bundle, 0o711); err != nil {
		return p, err
	}
	_, err = other.createBundle(bundle{p.Bundle, i, layers, plan}, s)
	return p, err
}

// openUnpacked finds an image that is in the store with its layers.
func (e *Engine) openUnpacked(name string) (*image.Image, image.Stack, error) {
	i, err := e.Store.Open(name)
	if errors.Is(err, image.ErrNotFound) {
		return nil, nil, fmt.Errorf("%w in the store: %s\nhint: minirun pull %[2]s", image.ErrNotFound, name)
	}
	if err != nil {
		return nil, nil, err
	}
	if err := e.images().CheckPlatform(name, &i.Config, false); err != nil {
		return nil, nil, err
	}
	layers, err := e.Store.Layers(i.ID)
	if errors.Is(err, image.ErrNotUnpacked) {
		return nil, nil, fmt.Errorf("the layers of image %s are %w\nhint: minirun unpack %[1]s", name, err)
	}
	return i, layers, err
}

// Final replaces the paths of the temporary store in a text with those of the store.
func (p *Preview) Final(text string) string {
	return strings.ReplaceAll(text, p.dir+string(filepath.Separator), p.store+string(filepath.Separator))
}

// Remove removes the bundle.
func (p *Preview) Remove() error { return os.RemoveAll(p.dir) }
