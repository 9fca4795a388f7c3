package container

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups/group"
	"github.com/minirun/minirun/internal/debuglog"
)

// errNotRunning has runc's wording: containerd looks for it.
var errNotRunning = errors.New("container not running")

// Kill sends a signal to a container's first process, or to all its processes.
func Kill(root, id string, signal unix.Signal, all bool) error {
	r, err := readRecord(root, id)
	if err != nil {
		return err
	}
	// Without its own PID namespace, processes that the first process leaves running
	// are not killed by the kernel.
	if all || signal == unix.SIGKILL && !r.endsWithFirst() {
		return r.killAll(signal, all)
	}
	pidfd, err := r.open()
	if err != nil {
		return err
	}
	if pidfd == nil {
		return errNotRunning
	}
	defer pidfd.Close()
	debuglog.Printf("send %s to process %d", unix.SignalName(signal), r.Pid)
	err = unix.PidfdSendSignal(int(pidfd.Fd()), signal, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return errNotRunning
	}
	if err != nil {
		return fmt.Errorf("send %s to process %d: %w", unix.SignalName(signal), r.Pid, err)
	}
	if signal == unix.SIGKILL {
		return r.thaw()
	}
	return nil
}

// killAll signals all processes of the container, including those that its first
// process has left running. It is an error if there are none, unless all was requested.
func (r *Record) killAll(signal unix.Signal, all bool) error {
	if len(r.Cgroups) == 0 {
		n, err := r.signalMembers(signal)
		if n == 0 && !all && (err == nil || errors.Is(err, errLostProcesses)) {
			return errNotRunning
		}
		return err
	}
	cgroup := group.Open(r.Cgroups)
	pids, err := cgroup.TreeProcesses()
	if err != nil {
		return err
	}
	if len(pids) == 0 && !all {
		return errNotRunning
	}
	debuglog.Printf("send %s to the processes %v of the container's cgroup", unix.SignalName(signal), pids)
	if err := cgroup.Kill(signal); err != nil {
		return err
	}
	if signal == unix.SIGKILL {
		return r.thaw()
	}
	return nil
}

// ParseSignal parses a signal's name, with or without SIG, or its number.
func ParseSignal(text string) (unix.Signal, error) {
	if n, err := strconv.Atoi(text); err == nil {
		if n < 0 || n > 64 {
			return 0, fmt.Errorf("signal %d: must be from 0 to 64", n)
		}
		return unix.Signal(n), nil
	}
	name := strings.ToUpper(text)
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	if s := unix.SignalNum(name); s != 0 {
		return s, nil
	}
	for _, base := range [2]struct {
		name string
		n    int
	}{{"SIGRTMIN", 34}, {"SIGRTMAX", 64}} { // the C library's numbers, as in kill -l
		rest, ok := strings.CutPrefix(name, base.name)
		if !ok {
			continue
		}
		offset, err := strconv.Atoi(strings.TrimPrefix(rest, "+"))
		if n := base.n + offset; (rest == "" || err == nil) && n >= 34 && n <= 64 {
			return unix.Signal(n), nil
		}
	}
	return 0, fmt.Errorf("signal %q: not known: give a name as in kill -l, or a number", text)
}
