package executor

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestErrorFromLog: the error of a container is the last one in the log. Whether the program could
// not be executed is a number there; the message does not decide.
func TestErrorFromLog(t *testing.T) {
	const text = `{"level":"error","msg":"first"}
{"level":"warning","msg":"a warning"}
not JSON
`
	foreign := "s390x"
	if runtime.GOARCH == foreign {
		foreign = "arm64"
	}
	for _, c := range []struct {
		name, last, arch string
		message          string // the beginning
		start            bool
	}{
		{"no program", `{"level":"error","msg":"process.args: second"}`, foreign, "process.args: second", false},
		{"not found", `{"level":"error","msg":"second","program_errno":2}`, foreign, "second", true},
		{"exec format error", `{"level":"error","msg":"second","program_errno":8}`, foreign, "second", true},
		{"exec format error on the same architecture", `{"level":"error","msg":"second","program_errno":8}`, runtime.GOARCH,
			"second", true},
		{"only warnings after it", "", foreign, "first", false},
	} {
		entry, ok := lastError([]byte(text + c.last + "\n"))
		if !ok {
			t.Errorf("%s: no error", c.name)
			continue
		}
		err := entry.err(c.arch)
		var start *StartError
		if !strings.HasPrefix(err.Error(), c.message) || errors.As(err, &start) != c.start {
			t.Errorf("%s: %T %v, want %q, a StartError: %t", c.name, err, err, c.message, c.start)
		}
		explained := strings.Contains(err.Error(), foreign)
		if explained != (c.arch == foreign && entry.ProgramErrno == unix.ENOEXEC) {
			t.Errorf("%s: the architecture is explained: %t: %v", c.name, explained, err)
		}
	}
	if _, ok := lastError([]byte(`{"level":"warning","msg":"a"}`)); ok {
		t.Error("a warning is an error")
	}
}
