package store

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// This file contains what prune needs to know about build caches (package build/solver). build/cache
// has a record for each step, which names the layer that the step created. The modification time of
// the record is the time of its last use.

// A buildRecord is the part of a record that is read here.
type buildRecord struct {
	Layer  string    `json:"layer"`
	Parent string    `json:"parent"`
	Text   string    `json:"text"`
	Made   time.Time `json:"made"`
}

// buildLayers returns the directory names of the layers that records refer to.
func (s *Store) buildLayers(ctx context.Context) (map[string]bool, error) {
	out := map[string]bool{}
	return out, s.forEach(ctx, "build/cache", func(name string) error {
		r, err := s.readBuildRecord(name)
		if err == nil && r.Layer != "" {
			out[r.Layer] = true
		}
		return err
	})
}

// readBuildRecord reads a record. A damaged one refers to no layer.
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

// ForgetBuilds removes build cache records that have not been used for the given time, and
// everything that only they refer to. If it is 0, all records and all cache mounts are removed.
// Sweep then removes their layers, unless an image has them. The caller must hold the store's lock
// exclusively.
func (s *Store) ForgetBuilds(ctx context.Context, unused time.Duration) (n int, err error) {
	limit := time.Now().Add(-unused)
	for _, dir := range []string{"cache", "blobs", "files", "last"} {
		err := s.forEach(ctx, "build/"+dir, func(name string) error {
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
	return n, errors.Join(os.RemoveAll(filepath.Join(s.Dir, "build", "cache-mounts")),
		os.RemoveAll(filepath.Join(s.Dir, "build", "memo")))
}
