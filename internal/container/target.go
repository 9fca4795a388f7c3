package container

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/container/child"
	"github.com/minirun/minirun/internal/linkwalk"
	"github.com/minirun/minirun/internal/regularfile"
	"github.com/minirun/minirun/internal/rootfs"
)

// maxTargetQuestions limits the questions about one target: a path has at most half as
// many components, and another process may remove what was created.
const maxTargetQuestions = unix.PathMax

// targetState contains the previous answers about one mount's target.
type targetState struct {
	mount   int
	asked   int
	created bool // a part of it was missing
	last    rootfs.TargetAnswer
}

// answerTarget answers a question about the target of a mount: what to create next, or where
// it is. Nothing is changed here.
func (c *Container) answerTarget(m bootstrap.Message) ([]byte, error) {
	q := rootfs.UnpackTargetQuestion(m.B)
	if q.Mount < 0 || q.Mount >= len(c.Spec.Mounts) {
		return nil, fmt.Errorf("%s asks for mounts[%d], which does not exist", c.Description, q.Mount)
	}
	if q.Opened {
		return child.Continue, c.checkOpened(q, int(m.A))
	}
	if c.targets.asked == 0 || c.targets.mount != q.Mount {
		c.targets = targetState{mount: q.Mount}
	}
	if c.targets.asked++; c.targets.asked > maxTargetQuestions {
		return nil, fmt.Errorf("config.json: mounts[%d].destination: another process keeps removing the directories "+
			"created for %q", q.Mount, c.Spec.Mounts[q.Mount].Destination)
	}
	root, err := c.Proc.Descriptor(int(m.A), "root")
	if err != nil {
		return nil, err
	}
	defer root.Close()
	look := lookupIn(root)
	answer, ok := q.Next(c.targets.last, look)
	if !ok {
		if answer, err = q.Answer(&c.Spec.Mounts[q.Mount], c.copiedLinks[q.Mount], look); err != nil {
			return nil, err
		}
	}
	c.targets.last = answer
	switch {
	case answer.Directory != "":
		c.targets.created = true
	case q.Noted && answer.Path != "":
		answer.Mode = c.findTargetMode(root, answer)
	}
	data, err := answer.Bytes()
	if err != nil {
		return nil, fmt.Errorf("config.json: mounts[%d].destination: %q leads to %q: %w", q.Mount,
			c.Spec.Mounts[q.Mount].Destination, answer.Path, err)
	}
	return data, nil
}

// checkOpened examines the target that the kernel has found by following links which
// minirun may not read.
func (c *Container) checkOpened(q rootfs.TargetQuestion, fd int) error {
	place, err := c.Proc.Descriptor(fd, "target")
	if err != nil {
		return err
	}
	defer place.Close()
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(place.Fd()), &fs); err != nil {
		return &os.PathError{Op: "statfs", Path: c.Spec.Mounts[q.Mount].Destination, Err: err}
	}
	return q.CheckOpened(&c.Spec.Mounts[q.Mount], fs.Type == unix.PROC_SUPER_MAGIC)
}

// findTargetMode returns the mode for a tmpfs: that of the directory that it covers, or
// its default if there was none.
func (c *Container) findTargetMode(root *os.File, answer rootfs.TargetAnswer) uint32 {
	var st unix.Stat_t
	if !c.targets.created {
		fd, err := regularfile.OpenPathIn(int(root.Fd()), answer.Path, 0, resolveExactly)
		if err == nil {
			err = unix.Fstat(fd, &st)
			_ = unix.Close(fd)
		}
		if err == nil {
			return st.Mode & 0o7777
		}
	}
	return rootfs.DefaultTmpfsMode
}

const resolveExactly = unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_SYMLINKS

// lookupIn looks names up below an open root.
func lookupIn(root *os.File) linkwalk.LookupFunc {
	return func(name string) (linkwalk.Kind, string, error) {
		fd, err := regularfile.OpenPathIn(int(root.Fd()), strings.TrimPrefix(name, "/"), unix.O_NOFOLLOW,
			resolveExactly)
		if errors.Is(err, unix.ENOENT) {
			return linkwalk.Missing, "", nil
		}
		if err != nil {
			return 0, "", &os.PathError{Op: "open", Path: name, Err: err}
		}
		defer unix.Close(fd)
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return 0, "", &os.PathError{Op: "stat", Path: name, Err: err}
		}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFDIR:
			return linkwalk.Directory, "", nil
		case unix.S_IFLNK:
			text, err := readLink(fd, name)
			return linkwalk.Link, text, err
		}
		return linkwalk.Other, "", nil
	}
}

// readLink reads the link that an O_PATH descriptor refers to. A magic link of proc
// leads directly to a file, and its text is meaningless.
func readLink(fd int, name string) (string, error) {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return "", &os.PathError{Op: "statfs", Path: name, Err: err}
	}
	if fs.Type == unix.PROC_SUPER_MAGIC {
		return "", &os.PathError{Op: "follow", Path: name, Err: unix.ELOOP}
	}
	text := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", text)
	if err != nil {
		return "", &os.PathError{Op: "readlink", Path: name, Err: err}
	}
	return string(text[:n]), nil
}
