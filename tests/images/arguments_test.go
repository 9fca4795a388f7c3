package images

import (
	"strings"
	"testing"
)

// What follows the container's command is the program's, whatever it means to minirun
// or to the library that reads its command line.
func TestArgumentsOfTheProgramReachIt(t *testing.T) {
	s := loaded(t, runs("sleep", "1000"))
	id := name("arguments")
	s.do("run", "-d", "--name", id, "busybox")
	defer s.do("rm", "-f", id)
	for _, words := range []string{
		"--generate-bash-completion", "a --generate-bash-completion", "--help", "-h", "--version", "-v", "help", "run", "-- a", "-- --generate-bash-completion",
		"--rm --name x", "-it", "--root /", "=", "-", "--",
	} {
		args := strings.Fields(words)
		for verb, flags := range map[string][]string{"run": {"run", "--rm", "--name", name("a"), "busybox"}, "exec": {"exec", id}} {
			if got := s.do(append(append(flags, "echo"), args...)...); got != words {
				t.Errorf("%s … echo %s: %q", verb, words, got)
			}
		}
	}
	for _, last := range []string{"--generate-bash-completion", "--help"} {
		if r := s.Minirun("run", "--rm", "--name", name("a"), "busybox", last); r.Status != 127 {
			t.Errorf("%s as the program: status %d: %s%s", last, r.Status, r.Stdout, r.Stderr)
		}
	}
}

// TestWrongUseOfImageCommands: the error begins with the command, and nothing given is
// ignored.
func TestWrongUseOfImageCommands(t *testing.T) {
	s := newStore(t)
	for line, want := range map[string]string{
		"store frobnicate":    `store: unknown subcommand "frobnicate"`,
		"store check a":       `store check: unexpected argument "a"`,
		"images --frobnicate": "images: flag provided but not defined: -frobnicate",
		"tag a --frobnicate":  "tag: flag provided but not defined: -frobnicate",
		"tag a":               "tag: missing argument: NAME",
		"tag a b c":           `tag: unexpected argument "c"`,
		"rmi":                 "rmi: missing argument: IMAGE",
	} {
		r := s.Minirun(strings.Fields(line)...)
		if r.Status != 1 || r.Stdout != "" || !strings.HasPrefix(r.Stderr, "minirun: "+want) {
			t.Errorf("minirun %s: status %d, output %q, error %q", line, r.Status, r.Stdout, r.Stderr)
		}
	}
	if out := s.do("help", "pull"); !strings.Contains(out, "minirun pull") {
		t.Errorf("help pull: %q", out)
	}
	if out := s.do("images", "busybox", "--quiet"); out != "" {
		t.Errorf("images NAME --quiet in an empty store: %q", out)
	}
}
