package record

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// sleeper starts a process that runs until the end of the test.
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
	start, err := ReadStartTime(first)
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

// TestUncheckedProcessesAreNotHeld: a process that was opened before an error was not compared with
// a second list. It may be an unrelated process, and must not be signalled.
func TestUncheckedProcessesAreNotHeld(t *testing.T) {
	const children = 60
	cmd := exec.Command("sh", "-c", "for i in $(seq "+strconv.Itoa(children)+"); do sleep 60 & done; echo ready; wait")
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
		_ = cmd.Wait()
	})
	if _, err := out.Read(make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	start, err := ReadStartTime(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	// Enough descriptors for the list of processes, and for a few of the processes.
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	few := before
	few.Cur = uint64(len(fds) + 20)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	held := map[int]*os.File{}
	r := &Record{Pid: cmd.Process.Pid, StartTime: start}
	added, err := r.holdMembers(held)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(err, unix.EMFILE) || added != 0 || len(held) != 0 {
		t.Errorf("%d added, %d held, error %v; want none, and no descriptor left", added, len(held), err)
	}
	closePidfds(held)
}
