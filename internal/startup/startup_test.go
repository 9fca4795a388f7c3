package startup

import (
	"runtime"
	"runtime/debug"
	"testing"
	"unsafe"
)

// TestStackGrowsOnce: a deep call moves a goroutine's stack to a larger allocation, but not after
// growStack.
func TestStackGrowsOnce(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // garbage collection shrinks stacks
	without, with := make(chan bool), make(chan bool)
	go func() { without <- moves() }()
	go func() {
		growStack(false)
		with <- moves()
	}()
	if !<-without {
		t.Error("a deep call does not move the stack: it is not deep enough for this test")
	}
	if <-with {
		t.Error("the stack moves after growStack")
	}
	if runtime.MemProfileRate != 0 {
		t.Errorf("runtime.MemProfileRate is %d, not 0", runtime.MemProfileRate)
	}
}

func moves() bool {
	var here byte
	before := uintptr(unsafe.Pointer(&here))
	deep(100)
	return before != uintptr(unsafe.Pointer(&here))
}

//go:noinline
func deep(n int) byte {
	var room [200]byte
	if n > 0 {
		room[n] = deep(n - 1)
	}
	return room[n/2]
}
