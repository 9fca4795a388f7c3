package security

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestIsProgramSkipsAnInterpreter: a script's argv begins with its interpreter, but a shell that runs the
// program as a child is not the program.
func TestIsProgramSkipsAnInterpreter(t *testing.T) {
	for _, c := range []struct {
		argv string
		want bool
	}{
		{"serve\x00--name\x00ada\x00", true},
		{"/bin/serve\x00--name\x00ada\x00", true},
		{"/bin/sh\x00/bin/serve\x00--name\x00ada\x00", true},
		{"/bin/sh\x00-c\x00serve --name ada\x00", false},
		{"/bin/sh\x00-c\x00serve\x00--name\x00ada\x00", false},
		{"/bin/serve\x00--name\x00ada\x00--quiet\x00", false},
		{"/bin/serve\x00--name\x00\x00", false},
		{"", false},
	} {
		if got := isProgram(splitArguments([]byte(c.argv)), "serve", []string{"--name", "ada"}); got != c.want {
			t.Errorf("%q: %v", c.argv, got)
		}
	}
}

// TestHandlesReadsTheSignalMask: bit 14 of SigCgt is SIGTERM.
func TestHandlesReadsTheSignalMask(t *testing.T) {
	for mask, want := range map[string]bool{"0000000000004000": true, "0000000000008002": false, "": false} {
		if got := handles(map[string]string{"SigCgt": mask}, unix.SIGTERM); got != want {
			t.Errorf("%q: %v", mask, got)
		}
	}
}
