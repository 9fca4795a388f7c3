package record

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/wait"
)

// ReadStartTime returns when a process was started, in clock ticks since boot.
func ReadStartTime(pid int) (uint64, error) {
	fields, err := statFields(pid)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(fields[19], 10, 64)
}

// statFields are the fields of /proc/PID/stat after the name (proc_pid_stat(5)).
func statFields(pid int) ([]string, error) {
	fd, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/stat", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	buf := make([]byte, 1024)
	n, err := unix.Read(fd, buf)
	unix.Close(fd)
	if err != nil {
		return nil, err
	}
	data := string(buf[:n])
	// The name in parentheses may contain anything, even parentheses.
	_, rest, ok := strings.Cut(data[strings.LastIndexByte(data, ')')+1:], " ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 20 {
		return nil, fmt.Errorf("/proc/%d/stat is malformed", pid)
	}
	return fields, nil
}

// OpenProcess returns a pidfd of the container's process, or nil if it no longer exists.
func (r *Record) OpenProcess() (*os.File, error) {
	if r.Pid <= 0 {
		return nil, nil
	}
	fd, err := unix.PidfdOpen(r.Pid, 0)
	if IsNoProcess(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("pidfd_open %d: %w", r.Pid, err)
	}
	f := os.NewFile(uintptr(fd), "pidfd")
	// The descriptor holds the process now, so there is no race with the check.
	if t, err := ReadStartTime(r.Pid); err != nil || t != r.StartTime || wait.HasExited(fd) {
		f.Close()
		return nil, nil
	}
	return f, nil
}

// IsNoProcess reports whether pidfd_open(2) has found no process with that PID: ESRCH,
// or EINVAL while one exits, or, if the number now belongs to a thread, EINVAL too,
// and ENOENT since Linux 6.9.
func IsNoProcess(err error) bool {
	return errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT)
}

// Reap waits for a child process that exited.
func Reap(pid int) error {
	for {
		_, err := unix.Wait4(pid, nil, 0, nil)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
