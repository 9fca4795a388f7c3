package testbundle

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// Kills returns how many commands a test kills; MINIRUN_KILLS overrides it.
func Kills(t testing.TB) int {
	t.Helper()
	text := os.Getenv("MINIRUN_KILLS")
	if text == "" {
		return 60
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal("MINIRUN_KILLS: ", err)
	}
	return n
}

// StartGroup starts a command in a separate process group, so that KillGroup kills it with its
// children.
func StartGroup(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

// WaitRandomly waits for a random part of the time that a command takes, and returns that part. The
// moment at which a command is killed is random, so this is not a wait for a condition.
func WaitRandomly(longest time.Duration) time.Duration {
	after := rand.N(longest)
	time.Sleep(after)
	return after
}

// KillGroup kills a command and its children, and reports whether it was still running. It does not
// wait for it.
func KillGroup(cmd *exec.Cmd) bool {
	return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) == nil
}
