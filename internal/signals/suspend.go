package signals

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// Suspend stops this process as the default action of SIGTSTP, SIGTTIN or SIGTTOU does,
// until SIGCONT. It returns at once if the caller ignores the signal, or if no shell
// could continue the process: the kernel does not stop an orphaned process group
// (setpgid(2)).
//
// A system call that the terminal answers with the signal would do the same, but is
// restarted: a background job would be stopped again before it could react to SIGTERM.
func Suspend(s unix.Signal) { suspend(s, func() {}) }

// SuspendJob is Suspend for all processes of this one's job, as the terminal does it.
func SuspendJob(s unix.Signal) {
	suspend(s, func() { _ = unix.Kill(0, s) })
}

// suspend stops this process, and calls others for the other ones of its job, while this
// one ignores the signal.
func suspend(s unix.Signal, others func()) {
	var before action
	if err := sigaction(s, nil, &before); err != nil || before.handler == ignored {
		return
	}
	_, _, restorer := addresses()
	if err := sigaction(s, &action{ignored, saRestart | saRestorer, restorer, 0}, nil); err != nil {
		return
	}
	others()
	if err := sigaction(s, &action{0, saRestart | saRestorer, restorer, 0}, nil); err != nil {
		return
	}
	// For this thread, so that the call does not return before it was stopped.
	runtime.LockOSThread()
	_ = unix.Tgkill(unix.Getpid(), unix.Gettid(), s)
	runtime.UnlockOSThread()
	_ = sigaction(s, &before, nil)
}
