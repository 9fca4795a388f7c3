package source

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// CommitTime returns when a commit was made that Git has checked out.
func CommitTime(ctx context.Context, ref, commit, cacheDir string) (time.Time, error) {
	r, _, err := ParseGit(ref)
	if err != nil {
		return time.Time{}, err
	}
	dir, err := filepath.Abs(cacheDir)
	if err != nil {
		return time.Time{}, err
	}
	repo := r.git(filepath.Join(dir, "git", key(r.Remote), "repository"))
	out, err := repo.run(ctx, "log", "-1", "--no-show-signature", "--format=%ct", commit)
	if err != nil {
		return time.Time{}, fmt.Errorf("ask for the time of commit %s: %w", commit, err)
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(out), 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("the time of commit %s: %w", commit, err)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// Newest returns the latest time of a file in a directory, zero if it is empty.
func Newest(dir string) (newest time.Time, err error) {
	err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		info, err := d.Info()
		if err == nil && info.ModTime().After(newest) {
			newest = info.ModTime()
		}
		return err
	})
	return newest.UTC(), err
}
