package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// await fails the test unless a file appears.
func await(t *testing.T, path string) {
	t.Helper()
	for limit := time.Now().Add(20 * time.Second); time.Now().Before(limit); time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			return
		}
	}
	t.Fatalf("%s has not appeared", path)
}

// hanging returns a bundle whose set-up stops in a hook, after the hook has created a file.
func hanging(t *testing.T, place func(*specs.Hooks, specs.Hook), inside bool) (b *testbundle.Bundle, sign string) {
	b = testbundle.New(t, testbundle.Sh("echo program; sleep 100"))
	addMount(specs.Mount{Destination: "/host", Source: b.Host, Options: []string{"bind"}})(b.Spec)
	sign = filepath.Join(b.Host, "hangs")
	seen := sign
	if inside {
		seen = "/host/hangs"
	}
	b.Spec.Hooks = &specs.Hooks{}
	place(b.Spec.Hooks, shellHook("touch "+seen+"; exec sleep 1000"))
	return b, sign
}

// A termination signal during the set-up of the container removes everything that exists of it: the
// bundle's clean-up fails the test if anything is left.
func TestInterruptSetUp(t *testing.T) {
	places := []struct {
		kind   string
		place  func(*specs.Hooks, specs.Hook)
		inside bool
	}{
		{"createRuntime", func(all *specs.Hooks, h specs.Hook) { all.CreateRuntime = []specs.Hook{h} }, false},
		{"poststart", func(all *specs.Hooks, h specs.Hook) { all.Poststart = []specs.Hook{h} }, false},
		{"startContainer", func(all *specs.Hooks, h specs.Hook) { all.StartContainer = []specs.Hook{h} }, true},
	}
	for _, p := range places {
		for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGQUIT} {
			t.Run(p.kind+"/"+unix.SignalName(sig), func(t *testing.T) {
				b, sign := hanging(t, p.place, p.inside)
				b.Write()
				cmd := b.Command("run", "--bundle", b.Dir, b.ID)
				var stderr strings.Builder
				cmd.Stdout, cmd.Stderr = nil, &stderr
				b.Start(cmd)
				await(t, sign)
				if err := cmd.Process.Signal(sig); err != nil {
					t.Fatal(err)
				}
				_ = cmd.Wait()
				if got := cmd.ProcessState.ExitCode(); got != 128+int(sig) {
					t.Errorf("exit status %d, want %d", got, 128+int(sig))
				}
				if want := "interrupted by " + unix.SignalName(sig); !strings.Contains(stderr.String(), want) {
					t.Errorf("no %q in %q", want, &stderr)
				}
			})
		}
	}
}

// A signal that does not request termination is held until a program exists to receive it.
func TestEarlySignalWaits(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh(`trap "echo got it; exit 3" USR1; touch /host/ready; while :; do sleep 0.05; done`))
	addMount(specs.Mount{Destination: "/host", Source: b.Host, Options: []string{"bind"}})(b.Spec)
	sign := filepath.Join(b.Host, "hook")
	b.Spec.Hooks = &specs.Hooks{
		CreateRuntime: []specs.Hook{shellHook("touch " + sign + "; sleep 0.3")},
		// The program is running, and ready for the signal, before poststart ends.
		Poststart: []specs.Hook{shellHook("while ! test -e " + filepath.Join(b.Host, "ready") + "; do sleep 0.05; done")},
	}
	b.Write()
	cmd := b.Command("run", "--bundle", b.Dir, b.ID)
	var out strings.Builder
	cmd.Stdout = &out
	b.Start(cmd)
	await(t, sign)
	if err := cmd.Process.Signal(unix.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != 3 || out.String() != "got it\n" {
		t.Errorf("exit status %d, want 3: that of the container's handler; it printed %q", got, out.String())
	}
}

// A signal that the caller ignores (nohup) stays ignored.
func TestIgnoredSignalStaysIgnored(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("touch /host/ready; sleep 0.5; exit 4"))
	addMount(specs.Mount{Destination: "/host", Source: b.Host, Options: []string{"bind"}})(b.Spec)
	b.Write()
	run := b.Command("run", "--bundle", b.Dir, b.ID)
	cmd := b.Command()
	cmd.Path, cmd.Args = "/bin/sh", append([]string{"sh", "-c", `trap "" HUP; exec "$@"`, "sh", run.Path}, run.Args[1:]...)
	b.Start(cmd)
	await(t, filepath.Join(b.Host, "ready"))
	if err := cmd.Process.Signal(unix.SIGHUP); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != 4 {
		t.Errorf("exit status %d, want 4", got)
	}
}

// QuietMonitor changes the timer slack of one thread of minirun; the container has the timer slack of
// its caller.
func TestTimerSlack(t *testing.T) {
	own, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	b := testbundle.New(t, testbundle.Sh("cat /proc/self/timerslack_ns"))
	b.Run().Prints(t, strconv.Itoa(own))
}
