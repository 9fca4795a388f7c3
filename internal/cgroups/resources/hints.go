package resources

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"
)

// explain returns an [Error] for a value that could not be written, with the cause if it
// is known.
func explain(v *Value, err error) error {
	return &Error{Path: v.Source, Err: fmt.Errorf("%w%s", err, hint(v, err))}
}

// controllerError is a failure to enable a controller of the v2 tree.
type controllerError struct{ error }

func (e *controllerError) Unwrap() error { return e.error }

// hint returns what is known about the cause of an error, to append to its text.
func hint(v *Value, err error) string {
	if errors.As(err, new(*controllerError)) {
		return "" // it says why
	}
	isBlock := v.Controller == "blkio" || v.Controller == "io"
	switch {
	case errors.Is(err, fs.ErrNotExist) && v.Controller == "hugetlb":
		return ": this kernel has no huge pages of that size\nhint: see /sys/kernel/mm/hugepages"
	case errors.Is(err, fs.ErrNotExist) && strings.Contains(v.File, "memsw"):
		return ": the kernel does not count swap\nhint: boot it with swapaccount=1"
	case errors.Is(err, fs.ErrNotExist):
		return ": this kernel does not have the file"
	case errors.Is(err, unix.EBUSY) && v.Controller == "memory":
		return ": more than that is in use"
	case errors.Is(err, unix.EINVAL) && (v.File == "memory.limit_in_bytes" || v.File == "memory.memsw.limit_in_bytes"):
		return ": the memory limit cannot be above that of memory and swap together\nhint: change both"
	case errors.Is(err, unix.ENODEV) && isBlock:
		return ": the machine has no whole disk with that number (a partition cannot be limited)\nhint: see lsblk"
	case errors.Is(err, unix.EOPNOTSUPP) && isBlock:
		return ": the disk's I/O scheduler has no weights\nhint: choose bfq in /sys/block/DISK/queue/scheduler"
	case errors.Is(err, unix.EINVAL) && strings.HasPrefix(v.File, "cpu.rt_"):
		return ": the parent cgroup has less realtime time than this left"
	case errors.Is(err, unix.EINVAL) && v.Controller == "cpu":
		return ": quota and period are 1000 to 1000000 microseconds, within the limits of the parent cgroup"
	case (errors.Is(err, unix.EACCES) || errors.Is(err, unix.EINVAL)) && v.Controller == "cpuset":
		return ": the parent cgroup does not have all of these"
	case errors.Is(err, unix.EPERM) && v.Controller == "devices":
		return ": the parent cgroup does not allow it"
	}
	return ""
}
