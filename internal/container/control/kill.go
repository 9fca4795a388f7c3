// Package control has the commands for a container that exists and need only its record:
// kill, pause, resume, update, list, state, events.
package control

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/debuglog"
)

// Kill sends a signal to a container's first process, or to all its processes.
func Kill(root, id string, signal unix.Signal, all bool) error {
	r, err := record.Read(root, id)
	if err != nil {
		return err
	}
	// Without its own PID namespace, processes that the first process leaves running
	// are not killed by the kernel.
	if all || signal == unix.SIGKILL && !r.EndsWithFirst() {
		return r.SignalAll(signal, all)
	}
	pidfd, err := r.OpenProcess()
	if err != nil {
		return err
	}
	if pidfd == nil {
		return record.ErrNotRunning
	}
	defer pidfd.Close()
	debuglog.Printf("send %s to process %d", unix.SignalName(signal), r.Pid)
	err = unix.PidfdSendSignal(int(pidfd.Fd()), signal, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return record.ErrNotRunning
	}
	if err != nil {
		return fmt.Errorf("send %s to process %d: %w", unix.SignalName(signal), r.Pid, err)
	}
	if signal == unix.SIGKILL {
		return r.Thaw()
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
