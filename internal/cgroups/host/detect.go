package host

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/containerd/cgroups/v3"
	"golang.org/x/sys/unix"
)

// mountRoot is where cgroup file systems are mounted, on every distribution.
const mountRoot = "/sys/fs/cgroup"

// ErrUnavailable means that the host has no cgroup filesystem mounted.
var ErrUnavailable = errors.New("no cgroup filesystem is mounted on " + mountRoot)

// Detect reads /sys/fs/cgroup, /proc/self/cgroup and, unless the host is all v2,
// /proc/self/mountinfo, each once. It returns [ErrUnavailable] if the host has no cgroups.
//
// The kind of host comes from containerd/cgroups. Its reader of /proc/self/cgroup uses
// package os, whose poller costs more than the reading, so it only serves as the
// reference of a test.
func Detect() (*Host, error) {
	mode := cgroups.Mode()
	if mode == cgroups.Unavailable {
		return nil, ErrUnavailable
	}
	table, err := readProc("/proc/self/cgroup")
	if err != nil {
		return nil, fmt.Errorf("find the cgroups of this process: %w", err)
	}
	v1, v2 := parseProcCgroup(table)
	if mode == cgroups.Unified {
		// The mount point on a v2 host is known, so the mount table, which can be
		// thousands of lines long, need not be read.
		tree := &Hierarchy{Mount: mountRoot, Root: "/", Current: v2}
		tree.Controllers, err = V2Controllers(tree.Mount)
		return &Host{Mode: V2, V2: tree}, err
	}
	mounts, err := readProc("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("find the cgroup hierarchies: %w", err)
	}
	h := parseMountinfo(mounts, v1, v2)
	if len(h.V1) == 0 && h.V2 == nil {
		return nil, ErrUnavailable
	}
	if h.V2 != nil {
		h.V2.Controllers, err = V2Controllers(h.V2.Mount)
	}
	return h, err
}

// V2Controllers returns the controllers that a v2 tree mounted on mount can enable.
func V2Controllers(mount string) ([]string, error) {
	text, err := readProc(mount + "/cgroup.controllers")
	if err != nil {
		return nil, fmt.Errorf("find the controllers of the v2 tree: %w", err)
	}
	return strings.Fields(text), nil
}

// readProc is os.ReadFile without the runtime's poller. Unlike cgroup files, tables of
// /proc come in pieces of any size: only a read(2) of 0 bytes is the end.
func readProc(path string) (string, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer func() { _ = unix.Close(fd) }()
	buf := make([]byte, 0, 4096)
	for {
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, len(buf))
		}
		n, err := unix.Read(fd, buf[len(buf):cap(buf)])
		if n > 0 {
			buf = buf[:len(buf)+n]
		}
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return "", &fs.PathError{Op: "read", Path: path, Err: err}
		case n == 0:
			return string(buf), nil
		}
	}
}
