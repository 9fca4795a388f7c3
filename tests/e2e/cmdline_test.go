package e2e

import (
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestFlagsAfterTheID: every command that takes an ID also accepts its flags after it, but everything
// after the program's name belongs to the program.
func TestFlagsAfterTheID(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("sleep", "1000"))
	b.Write()
	run := func(args ...string) testbundle.Result {
		t.Helper()
		r := b.Minirun(args...)
		if r.Status != 0 {
			t.Errorf("%s: status %d: %s", strings.Join(args, " "), r.Status, r.Stderr)
		}
		return r
	}
	detached := func(args ...string) {
		t.Helper()
		cmd := b.Command(args...)
		if err := cmd.Run(); err != nil {
			t.Errorf("%s: %v", strings.Join(args, " "), err)
		}
	}
	detached("create", b.ID, "--bundle", b.Dir)
	run("start", b.ID)
	run("update", b.ID, "--pids-limit", "77")
	if out := run("events", b.ID, "--stats").Stdout; !strings.Contains(out, `"limit":77`) {
		t.Errorf("update ID --pids-limit 77: events ID --stats: %s", out)
	}
	run("exec", b.ID, "--cwd", "/bin", "pwd").Prints(t, "/bin")
	run("exec", b.ID, "echo", "--cwd", "-t").Prints(t, "--cwd -t")
	run("exec", b.ID, "--", "echo", "--", "-t").Prints(t, "-- -t")
	run("ps", "--format", "json", b.ID)
	run("inspect", b.ID, "--format", "json")
	run("kill", b.ID, "--all", "KILL")
	run("delete", b.ID, "--force")
	detached("run", b.ID, "--detach", "--bundle", b.Dir)
	run("delete", b.ID, "--force")
	b.Minirun("delete", b.ID, "--bogus").Fails(t, "delete: unknown flag --bogus")
	b.Minirun("update", b.ID, "--memory").Fails(t, "update: flag needs an argument: --memory")
	// Podman looks for these words to determine whether a container can be restored into a pod.
	b.Minirun("restore", "--lsm-mount-context").Fails(t, "flag needs an argument")
}

// TestEmptyArguments: "$UNSET" in a script is not the same as a missing argument, for which run
// generates an ID.
func TestEmptyArguments(t *testing.T) {
	b := testbundle.New(t)
	b.Write()
	b.Wd = b.Dir
	for _, args := range [][]string{
		{"run", ""}, {"run", "--bundle", b.Dir, ""}, {"run", "", b.Dir}, {"run", "-d", b.ID, ""}, {"create", ""}, {"create", "-b", b.Dir, ""}, {"create", b.ID, ""},
		{"start", ""}, {"state", ""}, {"kill", ""}, {"kill", "", "TERM"}, {"delete", ""}, {"delete", "--force", ""}, {"exec", "", "true"}, {"pause", ""},
	} {
		if r := b.Minirun(args...); r.Status <= 0 || !strings.Contains(r.Stderr, "empty") {
			t.Errorf("minirun %q: status %d, output %q, error %q", args, r.Status, r.Stdout, r.Stderr)
		}
	}
}

// TestWrongUseNamesTheCommand: an error about the command line begins with the name of the command
// that was called, and no argument is ignored.
func TestWrongUseNamesTheCommand(t *testing.T) {
	b := testbundle.New(t)
	for line, want := range map[string]string{
		"create":          "create: missing argument: BUNDLE",
		"step -b b a c":   `step: unexpected argument "c"`,
		"plan":            "plan: missing argument: BUNDLE",
		"run":             "run: missing argument: BUNDLE",
		"delete":          "delete: missing argument: ID",
		"state a b":       `state: unexpected argument "b"`,
		"events a b":      `events: unexpected argument "b"`,
		"exec":            "exec: missing argument: ID",
		"spec a":          `spec: unexpected argument "a"`,
		"doctor a":        `doctor: unexpected argument "a"`,
		"list a":          `list: unexpected argument "a"`,
		"frobnicate":      `unknown command "frobnicate"`,
		"help frobnicate": `unknown command "frobnicate"`,
	} {
		r := b.Minirun(strings.Fields(line)...)
		if r.Status != 1 || r.Stdout != "" || !strings.HasPrefix(r.Stderr, "minirun: "+want) {
			t.Errorf("minirun %s: status %d, output %q, error %q", line, r.Status, r.Stdout, r.Stderr)
		}
	}
	for _, line := range []string{"help", "help delete", "delete --help"} {
		if r := b.Minirun(strings.Fields(line)...); r.Status != 0 || !strings.Contains(r.Stdout, "USAGE") {
			t.Errorf("minirun %s: status %d: %s%s", line, r.Status, r.Stdout, r.Stderr)
		}
	}
}

// TestFlagsForImagesAreRefused: config.json defines the container of a bundle, so flags for images
// are rejected, not ignored. --interactive and --rm are accepted because they request the default.
func TestFlagsForImagesAreRefused(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("echo", "hello"))
	b.Write()
	for _, flags := range []string{"--memory=1g", "-m 1g", "-t", "--name=x", "-v /:/x", "--pull=missing", "-d --rm", "--keep --rm"} {
		r := b.Minirun(append(append([]string{"run"}, strings.Fields(flags)...), b.ID, b.Dir)...)
		if r.Status != 1 || r.Stdout != "" || !strings.Contains(r.Stderr, "minirun: --") && !strings.Contains(r.Stderr, "minirun: run: --") {
			t.Errorf("run %s: status %d: %s%s", flags, r.Status, r.Stdout, r.Stderr)
		}
	}
	b.Minirun("run", "-i", "--rm", b.ID, b.Dir).Prints(t, "hello")
	b.Minirun("run", b.ID, "-i", "--rm", "--bundle", b.Dir).Prints(t, "hello")
}
