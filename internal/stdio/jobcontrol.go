package stdio

import (
	"errors"
	"runtime"

	"golang.org/x/sys/unix"
)

// IgnoreJobControl runs the calling goroutine on a thread that does not receive the
// terminal's job control signals, with which the terminal stops a background job: a
// read fails with EIO, and a write (with tostop, termios(3)) or a change of the settings
// succeeds. minirun is stopped only at points that it chooses: see AwaitForeground and
// package signals, Suspend.
func IgnoreJobControl() (restore func()) {
	runtime.LockOSThread()
	var block, before unix.Sigset_t
	for _, s := range [2]unix.Signal{unix.SIGTTIN, unix.SIGTTOU} {
		block.Val[0] |= 1 << (uint(s) - 1)
	}
	_ = unix.PthreadSigmask(unix.SIG_BLOCK, &block, &before) // fails only for an invalid argument
	return func() {
		_ = unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)
		runtime.UnlockOSThread()
	}
}

// InBackground reports whether reading from a terminal is reserved for another job of
// the shell. ENOTTY: it is not the controlling terminal, which has no jobs.
func (d Descriptor) InBackground() bool {
	foreground, err := unix.IoctlGetInt(int(d), unix.TIOCGPGRP)
	return err == nil && foreground != unix.Getpgrp()
}

// AwaitForeground stops this process while it is a background job of the terminal. It is
// for a process without handlers for signals: SIGTERM terminates it. It returns an error
// if no shell could put the job into the foreground.
func (d Descriptor) AwaitForeground() error {
	for d.InBackground() {
		// Ends a break that was not begun: an operation without an effect for which the
		// terminal requires the foreground (ioctl_tty(2)).
		if err := unix.IoctlSetInt(int(d), unix.TIOCCBRK, 0); err != nil && !errors.Is(err, unix.EINTR) {
			return err
		} else if err == nil && d.InBackground() {
			return unix.EIO // SIGTTOU is ignored
		}
	}
	return nil
}

// TakeForeground makes this process's job the terminal's foreground job again, after a
// child that was. It is not an error if the terminal is not the controlling one.
func (d Descriptor) TakeForeground() {
	defer IgnoreJobControl()()
	_ = unix.IoctlSetPointerInt(int(d), unix.TIOCSPGRP, unix.Getpgrp())
}
