package diagnose

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// A StepError reports a step of a plan that failed.
type StepError struct {
	What  string // what requested the step, and its name
	Call  string // the system call with its arguments
	Errno unix.Errno
	Why   string // from ExplainStep; may be empty
}

// messageWidth is the width of a line of a message, with the name of the program in front.
const messageWidth = 100 - len("minirun: ")

// Error says what failed and why. The system call comes last, on a separate line if it is long, and
// before the hint.
func (e *StepError) Error() string {
	why, hint, _ := strings.Cut(e.Why, "\n")
	if hint != "" {
		hint = "\n" + hint
	}
	text, call := fmt.Sprintf("%s: %v%s", e.What, e.Errno, why), "("+e.Call+")"
	if e.Call == "" { // the record of an earlier version
		return text + hint
	}
	separator := " "
	if utf8.RuneCountInString(text+call) >= messageWidth {
		separator = "\n"
	}
	return text + separator + call + hint
}

// HasHint reports whether the text has a hint, so that no other is added (package hint).
func (e *StepError) HasHint() bool {
	_, _, has := strings.Cut(e.Why, "\n")
	return has
}

func (e *StepError) Unwrap() error { return e.Errno }
