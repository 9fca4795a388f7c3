package source

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// CommitTime returns the time of a commit that CheckoutGit has checked out.
func CommitTime(ctx context.Context, ref, commit, cacheDir string) (time.Time, error) {
	r, _, err := ParseGit(ref)
	if err != nil {
		return time.Time{}, err
	}
	dir, err := filepath.Abs(cacheDir)
	if err != nil {
		return time.Time{}, err
	}
	return r.newGit(filepath.Join(dir, "git", cacheKey(r.Remote),
		repositoryName(objectFormat(commit)))).commitTime(ctx, commit)
}

// commitTime returns the time of a commit in a repository.
func (g *git) commitTime(ctx context.Context, commit string) (time.Time, error) {
	out, err := g.run(ctx, "log", "-1", "--no-show-signature", "--format=%ct", commit)
	if err != nil {
		return time.Time{}, fmt.Errorf("read the time of commit %s: %w", commit, err)
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(out), 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("the time of commit %s: %w", commit, err)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// setTimes sets the time of a directory and of everything in it.
func setTimes(dir string, when time.Time) error {
	stamp, err := unix.TimeToTimespec(when)
	if err != nil {
		return fmt.Errorf("set times to %s: %w", when, err)
	}
	return filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := unix.UtimesNanoAt(unix.AT_FDCWD, name, []unix.Timespec{stamp, stamp},
			unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return &fs.PathError{Op: "set the time of", Path: name, Err: err}
		}
		return nil
	})
}

// NewestTime returns the latest time of a file in a directory, zero if it is empty.
func NewestTime(dir string) (newest time.Time, err error) {
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
