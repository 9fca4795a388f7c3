// Package ownthread runs functions on threads that run nothing else.
package ownthread

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// Run runs f on a thread of its own, which ends with it: with the namespaces that f
// may have entered or made for it, and with f's children that asked for it
// (PR_SET_PDEATHSIG).
func Run(f func() error) error { return run(f, func() {}) }

// RunAndStay is Run on a thread that stays until the process ends: f has children that
// live on, and what they know as the end of their parent is the end of this thread.
func RunAndStay(f func() error) error { return run(f, func() { select {} }) }

func run(f func() error, after func()) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked
		if unix.Gettid() == unix.Getpid() {
			// The main thread cannot end: it would stay in these namespaces, keep them
			// and be what /proc/self shows. While it is this goroutine's, the next
			// goroutine runs on another thread.
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
