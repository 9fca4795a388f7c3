package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/engine/config"
	"github.com/minirun/minirun/internal/engine/volumes"
	"github.com/minirun/minirun/internal/image"
)

// Volumes returns the store of volumes.
func (e *Engine) Volumes() volumes.Store {
	return volumes.Store{Dir: filepath.Join(e.Store.Dir, "volumes")}
}

// addMounts adds the mounts of flags, of other containers and of the image, in this order of precedence.
// It returns the volumes in use, also with an error.
func (e *Engine) addMounts(c *specs.Spec, layers image.Stack, ofImage map[string]struct{}, s *Settings) (
	uses []volumes.Use, err error) {
	mounts := slices.Clone(s.Mounts)
	taken := func(target string) bool {
		return slices.ContainsFunc(mounts, func(m volumes.Mount) bool {
			return filepath.Clean(m.Target) == filepath.Clean(target)
		})
	}
	for _, from := range s.VolumesFrom {
		list, err := e.volumesOf(from)
		if err != nil {
			return nil, err
		}
		for _, m := range list {
			if !taken(m.Target) {
				mounts = append(mounts, m)
			}
		}
	}
	for _, target := range slices.Sorted(maps.Keys(ofImage)) {
		if target = filepath.Clean("/" + target); target != "/" && !taken(target) {
			mounts = append(mounts, volumes.Mount{Flag: "the image's volume " + target, Type: volumes.Volume, Target: target})
		}
	}
	resolver := volumes.Resolver{Store: e.Volumes(), Users: e.VolumeUsers, NewName: e.newVolume,
		Fill: func(dir, target string) error { return e.fillVolume(dir, target, layers) }}
	for _, m := range mounts {
		mount, use, err := resolver.Resolve(&m)
		if use != nil {
			uses = append(uses, *use)
		}
		if err != nil {
			return uses, fmt.Errorf("%s: %w", m.Flag, err)
		}
		config.RemoveMount(c, filepath.Clean(m.Target)) // such as /dev/shm
		c.Mounts = append(c.Mounts, mount)
	}
	return uses, nil
}

// volumesOf returns the volumes of another container as mounts.
func (e *Engine) volumesOf(from VolumesFrom) (list []volumes.Mount, err error) {
	flag := "--volumes-from " + from.Container
	r, err := e.Record(from.Container)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	for _, u := range r.Volumes {
		m := volumes.Mount{Flag: flag, Type: volumes.Bind, Source: u.Source, Target: u.Target,
			ReadOnly: u.ReadOnly || from.ReadOnly}
		if u.Name != "" {
			m.Type, m.Source = volumes.Volume, u.Name
		}
		list = append(list, m)
	}
	return list, nil
}

// fillVolume fills a new volume with the image's content at its target.
func (e *Engine) fillVolume(dir, target string, layers image.Stack) error {
	_, st, err := layers.Resolve(target)
	if errors.Is(err, fs.ErrNotExist) || err == nil && st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return os.Mkdir(dir, 0o755)
	}
	if err != nil {
		return err
	}
	return e.help(append([]string{"seed", dir, target}, layers...)...)
}

// VolumeUsers returns the names of the containers that use each volume.
func (e *Engine) VolumeUsers() (map[string][]string, error) {
	ids, err := e.Store.Containers()
	if err != nil {
		return nil, err
	}
	users := map[string][]string{}
	for _, id := range ids {
		r, err := e.Record(id)
		if errors.Is(err, ErrNoContainer) {
			continue // removed meanwhile, or still being created
		}
		if err != nil {
			return nil, err
		}
		for _, u := range r.Volumes {
			if u.Name != "" && !slices.Contains(users[u.Name], id) {
				users[u.Name] = append(users[u.Name], id)
			}
		}
	}
	return users, nil
}

// RemoveVolume removes a volume. The caller has made sure that no container uses it.
func (e *Engine) RemoveVolume(name string) error {
	return e.Volumes().Remove(name, func(dir string) error {
		err := os.RemoveAll(dir)
		if err != nil && os.Geteuid() != 0 {
			return e.help("remove-volume", name)
		}
		return err
	})
}

// removeAnonymous removes the anonymous volumes of a container that no other container uses.
func (e *Engine) removeAnonymous(r *Record) (all error) {
	if r == nil || !slices.ContainsFunc(r.Volumes, func(u volumes.Use) bool { return u.Anonymous }) {
		return nil
	}
	users, err := e.VolumeUsers()
	if err != nil {
		return err
	}
	for _, name := range volumes.Removable(r.Container, r.Volumes, users) {
		if err := e.RemoveVolume(name); err != nil && !errors.Is(err, volumes.ErrNotFound) {
			all = errors.Join(all, err)
		}
	}
	return all
}

// removeWithVolumes removes a container and its anonymous volumes.
func (e *Engine) removeWithVolumes(r *Record) error {
	return errors.Join(e.removeAnonymous(r), e.removeFiles(r.Container))
}

// RemoveWithVolumes is Remove for a container and its anonymous volumes.
func (e *Engine) RemoveWithVolumes(id string, force bool) error {
	r, _ := e.Record(id) // Remove reports the error
	if err := e.Remove(id, force); err != nil {
		return err
	}
	return e.removeAnonymous(r)
}
