package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/tests/testbundle"
)

// ignoringAll returns a command that runs with every signal ignored that a shell can ignore, which is
// more than nohup(1) does.
func ignoringAll(cmd *exec.Cmd) *exec.Cmd {
	const script = `i=1; while [ $i -le 64 ]; do trap '' $i 2>/dev/null; i=$((i+1)); done; exec "$@"`
	cmd.Args = append([]string{"sh", "-c", script, "sh"}, cmd.Args...)
	cmd.Path = "/bin/sh"
	return cmd
}

// TestIgnoredSignalsAreNotInherited: under nohup, hooks of every kind, the program and a process of
// exec start with the default action for each signal.
func TestIgnoredSignalsAreNotInherited(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("cp /proc/self/status /host/program; exec sleep 100"))
	addMount(specs.Mount{Destination: "/host", Source: b.Host, Options: []string{"bind"}})(b.Spec)
	copyStatus := func(program, dir, kind string) []specs.Hook {
		return []specs.Hook{{Path: program, Args: []string{"cp", "/proc/self/status", filepath.Join(dir, kind)}}}
	}
	b.Spec.Hooks = &specs.Hooks{
		Prestart:        copyStatus("/bin/cp", b.Host, "prestart"),
		CreateRuntime:   copyStatus("/bin/cp", b.Host, "createRuntime"),
		CreateContainer: copyStatus("/bin/cp", b.Host, "createContainer"),
		StartContainer:  copyStatus("/bin/busybox", "/host", "startContainer"),
		Poststart:       copyStatus("/bin/cp", b.Host, "poststart"),
		Poststop:        copyStatus("/bin/cp", b.Host, "poststop"),
	}
	b.Write()
	for _, args := range [][]string{
		{"create", b.ID, b.Dir}, {"start", b.ID}, {"exec", b.ID, "cp", "/proc/self/status", "/host/exec"}, {"delete", "--force", b.ID},
	} {
		if args[0] == "exec" {
			await(t, filepath.Join(b.Host, "program"))
		}
		cmd := ignoringAll(b.Command(args...))
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil { // with /dev/null: the container outlives the command
			t.Fatalf("%s: %v", args[0], err)
		}
	}
	for _, name := range []string{"prestart", "createRuntime", "createContainer", "startContainer", "program", "poststart", "exec", "poststop"} {
		text, err := os.ReadFile(filepath.Join(b.Host, name))
		if err != nil {
			t.Error(err)
			continue
		}
		if !strings.Contains(string(text), "\nSigIgn:\t0000000000000000\n") {
			t.Errorf("%s ignores signals:\n%s", name, signalLines(string(text)))
		}
	}
	testbundle.Reap()
}

func signalLines(status string) string {
	var lines []string
	for line := range strings.Lines(status) {
		if strings.HasPrefix(line, "Sig") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// TestIgnoredSignalsAreNotForwarded: minirun still ignores the signals that its caller ignored, such
// as the hang-up that nohup protects it from.
func TestIgnoredSignalsAreNotForwarded(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("trap 'exit 9' HUP INT; touch /host/begun; while [ ! -e /host/end ]; do sleep 0.05; done; exit 7"))
	addMount(specs.Mount{Destination: "/host", Source: b.Host, Options: []string{"bind"}})(b.Spec)
	b.Write()
	cmd := ignoringAll(b.Command("run", b.ID, b.Dir))
	b.Start(cmd)
	await(t, filepath.Join(b.Host, "begun"))
	for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT} {
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(b.Host, "end"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if status := cmd.ProcessState.ExitCode(); status != 7 {
		t.Errorf("exit status %d, want the program's, 7", status)
	}
}
