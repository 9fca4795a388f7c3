// Package command implements the commands of minirun-image that list, inspect and remove images, and
// what its other commands share: access to the store, progress, questions.
package command

import (
	"fmt"
	"os"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/internal/language"
)

// OpenShared opens the store for a command that uses it or adds to it. The returned function releases
// it.
func OpenShared(ctx *cli.Context) (*store.Store, func(), error) {
	s, err := store.Open(ctx.String("store"))
	if err != nil {
		return nil, nil, err
	}
	lock, err := s.LockShared(ctx.Context)
	if err != nil {
		return nil, nil, err
	}
	return s, lock.Unlock, nil
}

// OpenExclusive opens the store for a command that removes something.
func OpenExclusive(ctx *cli.Context) (*store.Store, func(), error) {
	s, err := store.Open(ctx.String("store"))
	if err != nil {
		return nil, nil, err
	}
	lock, err := s.LockExclusive(ctx.Context, false)
	if err == syscall.EWOULDBLOCK || lock == nil {
		fmt.Fprintln(os.Stderr, "minirun: "+language.Text("waiting for the image store, which another process is using"))
		lock, err = s.LockExclusive(ctx.Context, true)
	}
	if err != nil {
		return nil, nil, err
	}
	return s, lock.Unlock, nil
}

// ReadOnly returns the store for a command that changes nothing.
func ReadOnly(ctx *cli.Context) *store.Store {
	return &store.Store{Store: &image.Store{Dir: ctx.String("store")}}
}

// OpenUnpacked finds an image and its layers' directories, which it creates if necessary.
func OpenUnpacked(ctx *cli.Context, s *store.Store, name string) (*store.Image, []string, error) {
	i, err := s.OpenImage(name)
	if err != nil {
		return nil, nil, err
	}
	if err := UnpackLayers(ctx, s, i, name); err != nil {
		return nil, nil, fmt.Errorf("unpack %s: %w", name, err)
	}
	layers, err := s.Layers(i.ID())
	return i, layers, err
}

// UnpackLayers unpacks the layers of an image in the store, and shows its progress.
func UnpackLayers(ctx *cli.Context, s *store.Store, i *store.Image, name string) error {
	p := ShowTransfer("Unpacking", "unpack "+name, ctx.Bool("quiet"))
	err := s.Unpack(ctx.Context, i, p.Begin)
	p.Close(err)
	return err
}
