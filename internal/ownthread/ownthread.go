// Package ownthread runs functions on dedicated threads.
package ownthread

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// Run runs f on a separate thread, which exits when f returns, together with the
// namespaces that f entered or created for it, and f's children that asked for it
// (PR_SET_PDEATHSIG).
func Run(f func() error) error { return run(f, func() {}) }

// RunAndStay is Run on a thread that stays until the process exits: f has children
// that continue to run, and for them the exit of this thread would be the death of
// their parent.
func RunAndStay(f func() error) error { return run(f, func() { select {} }) }

func run(f func() error, after func()) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked
		if unix.Gettid() == unix.Getpid() {
			// The main thread cannot exit: it would stay in these namespaces, keep
			// them alive and be what /proc/self shows. While it is locked to this
			// goroutine, the next goroutine runs on another thread.
			err := run(f, after)
			runtime.UnlockOSThread()
			done <- err
			return
		}
		done <- f()
		after()
	}()
	return <-done
}
