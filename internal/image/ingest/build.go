package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// This file owns what prune must know of builds' caches (package build/solve):
// build/cache has a record for each step, which names the layer that the step has
// made. Its time of modification is when it was last of use.

// A buildRecord is the part of a record that is read here.
type buildRecord struct {
	Layer  string    `json:"layer"`
	Parent string    `json:"parent"`
	Text   string    `json:"text"`
	Made   time.Time `json:"made"`
}

// buildLayers are the layers that records name, by the names of their directories.
func (s *Store) buildLayers(ctx context.Context) (map[string]bool, error) {
	out := map[string]bool{}
	return out, s.each(ctx, "build/cache", func(name string) error {
		r, err := s.readBuildRecord(name)
		if err == nil && r.Layer != "" {
			out[r.Layer] = true
		}
		return err
	})
}

// readBuildRecord reads one; a damaged one names nothing.
func (s *Store) readBuildRecord(name string) (r buildRecord, err error) {
	text, err := os.ReadFile(filepath.Join(s.Dir, "build", "cache", name))
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	_ = json.Unmarshal(text, &r)
	return r, nil
}

// ForgetBuilds removes the records of builds' caches that have not been of use for
// some time, with what is only known of them; if it is 0, all of it, and all cache
// mounts. Sweep then takes their layers away, where no image has them. The store must
// be held alone.
func (s *Store) ForgetBuilds(ctx context.Context, unused time.Duration) (n int, err error) {
	limit := time.Now().Add(-unused)
	for _, dir := range []string{"cache", "blobs", "files", "last"} {
		err := s.each(ctx, "build/"+dir, func(name string) error {
			path := filepath.Join(s.Dir, "build", dir, name)
			info, err := os.Lstat(path)
			if err != nil || info.ModTime().After(limit) {
				return err
			}
			if dir == "cache" {
				n++
			}
			return os.Remove(path)
		})
		if err != nil {
			return n, err
		}
	}
	if unused > 0 {
		return n, nil
	}
	return n, errors.Join(os.RemoveAll(filepath.Join(s.Dir, "build", "cache-mounts")), os.RemoveAll(filepath.Join(s.Dir, "build", "memo")))
}
