package predicate

import "testing"

// TestExecutes: a binary is its own file, a script is the interpreter's argument, and a word further on
// is only data.
func TestExecutes(t *testing.T) {
	const script = "/app/start.sh"
	for _, c := range []struct {
		exe  string
		cwd  string
		argv []string
		want bool
	}{
		{script, "/", []string{"anything"}, true},
		{"/bin/busybox", "/", []string{"/bin/sh", script}, true},
		{"/bin/busybox", "/app", []string{"/bin/sh", "./start.sh"}, true},
		{"/bin/busybox", "/srv", []string{"/bin/sh", "./start.sh"}, false},
		{"/bin/busybox", "/", []string{"/bin/sh", "-e", script}, true},
		{"/bin/busybox", "/", []string{script}, true}, // a link to it
		{"/lib64/ld-linux-x86-64.so.2", "/", []string{"ld", script, "3"}, true},
		{"/bin/busybox", "/", []string{"sh", "-c", "sleep 3", script}, false},
		{"/bin/busybox", "/app", []string{"sleep", "3"}, false},
		{"", "", nil, false},
	} {
		if got := executes(c.exe, c.cwd, c.argv, script); got != c.want {
			t.Errorf("executes(%q, %q, %q) = %v", c.exe, c.cwd, c.argv, got)
		}
	}
}
