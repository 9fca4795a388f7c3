package ownthread

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestRunAndStayKeepsTheThread: the thread continues to exist.
func TestRunAndStayKeepsTheThread(t *testing.T) {
	var tid int
	if err := RunAndStay(func() error { tid = unix.Gettid(); return nil }); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	if err := unix.Tgkill(unix.Getpid(), tid, 0); err != nil || tid == unix.Getpid() {
		t.Errorf("thread %d: %v", tid, err)
	}
}

// TestRunEndsTheThread: the thread is never the main one, and exits when the function returns.
func TestRunEndsTheThread(t *testing.T) {
	failure := errors.New("failure")
	for range 50 {
		var tid int
		if err := Run(func() error { tid = unix.Gettid(); return failure }); !errors.Is(err, failure) {
			t.Fatalf("the function's error is %v", err)
		}
		if tid == unix.Getpid() {
			t.Fatal("the function ran on the main thread")
		}
		for until := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			if err := unix.Tgkill(unix.Getpid(), tid, 0); errors.Is(err, unix.ESRCH) {
				break
			}
			if time.Now().After(until) {
				t.Fatalf("thread %d still exists", tid)
			}
		}
	}
}
