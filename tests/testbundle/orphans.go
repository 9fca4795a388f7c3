package testbundle

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// ReapOrphans reaps the processes that this test's commands left and that have exited. They belong to
// the test, as they would to the first process of the host. No command of the test may be running.
func ReapOrphans(t testing.TB) {
	t.Helper()
	children, err := os.ReadFile("/proc/thread-self/children")
	tasks, errTasks := os.ReadDir("/proc/self/task")
	if err != nil || errTasks != nil {
		t.Fatal(err, errTasks)
	}
	text := string(children)
	for _, task := range tasks {
		more, _ := os.ReadFile("/proc/self/task/" + task.Name() + "/children")
		text += " " + string(more)
	}
	for _, field := range strings.Fields(text) {
		pid, err := strconv.Atoi(field)
		if err == nil {
			_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil) // it may have been listed twice
		}
	}
}
