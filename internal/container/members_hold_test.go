package container

import (
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// sleeper starts a process that stays until the end of the test.
func sleeper(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Skipf("start sleep: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd.Process.Pid
}

func TestStoppedProcessThatLeftTheTreeIsStillHeld(t *testing.T) {
	first, left := sleeper(t), sleeper(t)
	start, err := startTime(first)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.PidfdOpen(left, 0)
	if err != nil {
		t.Skipf("pidfd_open: %v", err)
	}
	held := map[int]*os.File{left: os.NewFile(uintptr(fd), "pidfd")}
	r := &Record{Pid: first, StartTime: start}
	added, err := r.holdMembers(held)
	if err != nil || added != 1 || held[first] == nil {
		t.Fatalf("holdMembers: added %d, error %v, want the first process", added, err)
	}
	if held[left] == nil {
		t.Error("a process that is stopped already was given up: it would stay stopped")
	}
	for _, f := range held {
		f.Close()
	}
}
