package store

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/dirsize"
	"github.com/minirun/minirun/internal/flock"
)

// This file lists what builds have in the store, for du and prune:
//
//	build/cache         records of steps, two for most layers           regular
//	build/cache-mounts  directories of RUN --mount=type=cache           exec.cachemount
//	build/http          files of ADD, a directory for each URL          source.http
//	build/git           repositories and the trees of their commits     source.git.checkout
//	build/memo …        digests of files, lists of files, packed layers internal

// The types of a CacheEntry, with BuildKit's names.
const (
	StepEntry     = "regular"
	MountEntry    = "exec.cachemount"
	HTTPEntry     = "source.http"
	GitEntry      = "source.git.checkout"
	InternalEntry = "internal"
)

// A CacheEntry is one item that builds have in the store.
type CacheEntry struct {
	ID          string
	Type        string
	Description string
	Parents     []string // the layer below, if the step depends on one
	Created     time.Time
	Used        time.Time // time of last use
	Size        int64
	Mutable     bool
	Shared      bool // an image or a container also has the layer: prune only removes the record of the step
	InUse       bool // a running step uses it

	paths []string // removed together with the entry
}

// BuildCache lists what builds have in the store, largest first.
func (s *Store) BuildCache(ctx context.Context) (out []*CacheEntry, err error) {
	for _, list := range []func(context.Context) ([]*CacheEntry, error){s.stepEntries, s.mountEntries, s.sourceEntries,
		s.internalEntries} {
		entries, err := list(ctx)
		if err != nil {
			return nil, err
		}
		out = append(out, entries...)
	}
	slices.SortStableFunc(out, func(a, b *CacheEntry) int { return int(min(1, max(-1, b.Size-a.Size))) })
	return out, nil
}

// RemoveBuildCache removes entries. For steps it removes only the records; Sweep removes the
// layers. The caller must hold the store's lock exclusively.
func (s *Store) RemoveBuildCache(ctx context.Context, entries []*CacheEntry) error {
	for _, e := range entries {
		for _, path := range e.paths {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := os.RemoveAll(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// stepEntries returns the layers of steps.
func (s *Store) stepEntries(ctx context.Context) ([]*CacheEntry, error) {
	needed, err := s.countReferences()
	if err != nil {
		return nil, err
	}
	shared := map[string]bool{}
	for chain := range needed.layers {
		shared[filepath.Base(s.Layer(chain.String()))] = true
	}
	var out []*CacheEntry
	byLayer := map[string]*CacheEntry{}
	return out, s.forEachExisting(ctx, "build/cache", func(path string, info fs.FileInfo) error {
		r, err := s.readBuildRecord(filepath.Base(path))
		if err != nil {
			return err
		}
		e := byLayer[r.Layer]
		if e == nil {
			e = &CacheEntry{ID: r.Layer, Type: StepEntry, Description: r.Text, Created: r.Made, Shared: shared[r.Layer]}
			if r.Parent != "" {
				e.Parents = []string{r.Parent}
			}
			if r.Layer == "" { // the record is damaged
				e.ID, e.Description, e.Created = strings.TrimSuffix(filepath.Base(path),
					".json"), "damaged record", info.ModTime()
			} else {
				e.Size = dirsize.Sum(filepath.Join(s.Dir, "layers", r.Layer, "fs"))
				byLayer[r.Layer] = e
			}
			out = append(out, e)
		}
		e.used(info)
		e.paths = append(e.paths, path)
		return nil
	})
}

func (e *CacheEntry) used(info fs.FileInfo) {
	if t := info.ModTime(); t.After(e.Used) {
		e.Used = t
	}
}

// forEachExisting calls do for every entry of a directory in the store. A missing directory is treated
// as empty.
func (s *Store) forEachExisting(ctx context.Context, dir string, do func(path string, info fs.FileInfo) error) error {
	err := s.forEach(ctx, dir, func(name string) error {
		path := filepath.Join(s.Dir, dir, name)
		info, err := os.Lstat(path)
		if err == nil {
			err = do(path, info)
		}
		return ignoreMissing(err) // another process may remove it
	})
	return ignoreMissing(err)
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// mountEntries returns the directories of cache mounts (package build/executor). The directory of each
// identity contains fs and lock, fs.1 and lock.1, and so on.
func (s *Store) mountEntries(ctx context.Context) (out []*CacheEntry, err error) {
	return out, s.forEachExisting(ctx, "build/cache-mounts", func(dir string, info fs.FileInfo) error {
		identity, err := os.ReadFile(filepath.Join(dir, "id"))
		if err != nil {
			return err
		}
		id, _, _ := strings.Cut(string(identity), "\n")
		mounts, err := filepath.Glob(filepath.Join(dir, "fs*"))
		for _, fsys := range mounts {
			suffix := strings.TrimPrefix(filepath.Base(fsys), "fs")
			e := &CacheEntry{
				ID: filepath.Base(dir)[:32] + suffix, Type: MountEntry, Description: "cache mount " + id, Mutable: true,
				Size: dirsize.Sum(fsys), paths: []string{fsys},
			}
			if lock, err := os.Lstat(filepath.Join(dir, "lock"+suffix)); err == nil {
				e.Created = lock.ModTime() // the lock file is never written to
			}
			if used, err := os.Lstat(filepath.Join(dir, "id")); err == nil {
				e.used(used) // every step writes to it
			}
			if e.InUse = isHeld(filepath.Join(dir, "lock"+suffix)); len(mounts) == 1 {
				e.paths = []string{dir}
			}
			out = append(out, e)
		}
		return err
	})
}

// isHeld reports whether a process holds a lock.
func isHeld(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	return flock.IsHeld(f, unix.LOCK_EX)
}

// sourceEntries returns the files and repositories that were fetched (package build/source).
func (s *Store) sourceEntries(ctx context.Context) (out []*CacheEntry, err error) {
	err = s.forEachExisting(ctx, "build/http", func(dir string, info fs.FileInfo) error {
		e := newEntry(dir, info, HTTPEntry, "http url")
		var meta struct {
			URL string `json:"url"`
		}
		if text, err := os.ReadFile(filepath.Join(dir, "meta.json")); err == nil && json.Unmarshal(text, &meta) == nil {
			e.Description += " " + meta.URL
		}
		out = append(out, e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, s.forEachExisting(ctx, "build/git", func(dir string, info fs.FileInfo) error {
		e := newEntry(dir, info, GitEntry, "git repository")
		if remote, err := os.ReadFile(filepath.Join(dir, "remote")); err == nil {
			e.Description += " " + string(remote)
		}
		out = append(out, e)
		return nil
	})
}

// newEntry returns the entry for a directory that is removed as a whole.
func newEntry(path string, info fs.FileInfo, kind, description string) *CacheEntry {
	id := filepath.Base(path)
	if _, err := hex.DecodeString(id); err == nil && len(id) > 32 {
		id = id[:32]
	}
	return &CacheEntry{
		ID: id, Type: kind, Description: description, Mutable: true, Size: dirsize.Sum(path),
		Created: info.ModTime(), Used: info.ModTime(), paths: []string{path},
	}
}

// internalEntries returns what builds store to avoid reading files again and to explain their
// decisions.
func (s *Store) internalEntries(ctx context.Context) (out []*CacheEntry, err error) {
	path := filepath.Join(s.Dir, "build", "memo")
	if info, err := os.Lstat(path); err == nil {
		out = append(out, newEntry(path, info, InternalEntry, "digests of context files"))
	}
	for dir, description := range map[string]string{"blobs": "digests of packed layers",
		"files": "lists of files that steps read", "last": "inputs of the last builds"} {
		e := &CacheEntry{ID: dir, Type: InternalEntry, Description: description, Mutable: true}
		err := s.forEachExisting(ctx, "build/"+dir, func(path string, info fs.FileInfo) error {
			if e.Created.IsZero() || info.ModTime().Before(e.Created) {
				e.Created = info.ModTime()
			}
			e.used(info)
			e.Size += info.Size()
			e.paths = append(e.paths, path)
			return nil
		})
		if err != nil {
			return nil, err
		}
		if len(e.paths) > 0 {
			out = append(out, e)
		}
	}
	return out, nil
}
