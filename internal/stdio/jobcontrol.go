package stdio

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// IgnoreJobControl runs the calling goroutine on a thread that does not receive the
// terminal's job control signals. minirun catches SIGTTIN and SIGTTOU to pass them on,
// so a read by a background job would be restarted and signaled forever; with the
// signals blocked it fails with EIO, and a write succeeds (termios(3), tostop).
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
