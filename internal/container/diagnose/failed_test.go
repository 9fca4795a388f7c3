package diagnose

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestStepErrorEndsInCallAndHint: the cause comes first, and the system call only after it.
func TestStepErrorEndsInCallAndHint(t *testing.T) {
	for _, c := range []struct {
		err  StepError
		want string
	}{
		{StepError{What: "a: b", Call: "c()", Errno: unix.EPERM}, "a: b: operation not permitted (c())"},
		{StepError{What: "a: b", Call: "c()", Errno: unix.EPERM, Why: ": d\nhint: e"}, "a: b: operation not permitted: d (c())\nhint: e"},
		{StepError{What: "a: b", Call: "c(" + strings.Repeat("x", 80) + ")", Errno: unix.EPERM, Why: ": d\nhint: e"},
			"a: b: operation not permitted: d\n(c(" + strings.Repeat("x", 80) + "))\nhint: e"},
		{StepError{What: "a: b", Errno: unix.EPERM}, "a: b: operation not permitted"},
	} {
		if got := c.err.Error(); got != c.want || !errors.Is(&c.err, unix.EPERM) {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
