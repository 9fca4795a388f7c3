package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// createBundle writes the config and creates the container, detached from the test's pipes: the
// process that waits in its plan holds them.
func createBundle(t *testing.T, b *testbundle.Bundle, flags ...string) {
	t.Helper()
	b.Write()
	cmd := b.Command(append(append([]string{"create", "--bundle", b.Dir}, flags...), b.ID)...)
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	b.Start(cmd)
	if err := cmd.Wait(); err != nil {
		text, _ := os.ReadFile(out.Name())
		t.Fatalf("create: %v: %s", err, text)
	}
	t.Cleanup(func() {
		b.Minirun("delete", "--force", b.ID)
		testbundle.Reap()
	})
}

func stateOf(t *testing.T, b *testbundle.Bundle) specs.ContainerState {
	t.Helper()
	r := b.Minirun("state", b.ID)
	r.Exit(t, 0)
	var s specs.State
	if err := json.Unmarshal([]byte(r.Stdout), &s); err != nil {
		t.Fatal(err)
	}
	return s.Status
}

func awaitStatus(t *testing.T, b *testbundle.Bundle, want specs.ContainerState) {
	t.Helper()
	var got specs.ContainerState
	for limit := time.Now().Add(20 * time.Second); time.Now().Before(limit); time.Sleep(2 * time.Millisecond) {
		if got = stateOf(t, b); got == want {
			return
		}
	}
	t.Fatalf("status %s, want %s", got, want)
}

func TestLifeCycle(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("echo program > /host/log; exec sleep 1000"))
	addMount(specs.Mount{Destination: "/host", Source: b.Host, Options: []string{"bind"}})(b.Spec)
	log := filepath.Join(b.Host, "log")
	createBundle(t, b)
	if got := stateOf(t, b); got != specs.StateCreated {
		t.Errorf("after create: %s", got)
	}
	if _, err := os.Stat(log); err == nil {
		t.Error("the program has run before start")
	}
	b.Minirun("create", "--bundle", b.Dir, b.ID).Fails(t, "already exists")
	b.Minirun("start", b.ID).Exit(t, 0)
	await(t, log)
	awaitStatus(t, b, specs.StateRunning)
	b.Minirun("start", b.ID).Fails(t, "cannot start an already running container")
	b.Minirun("delete", b.ID).Fails(t, "not stopped")
	b.Minirun("kill", b.ID, "KILL").Exit(t, 0)
	awaitStatus(t, b, specs.StateStopped)
	b.Minirun("kill", b.ID, "KILL").Fails(t, "container not running")
	b.Minirun("start", b.ID).Fails(t, "cannot start a container that has stopped")
	b.Minirun("delete", b.ID).Exit(t, 0)
	for _, verb := range []string{"state", "start", "kill", "delete"} {
		b.Minirun(verb, b.ID).Fails(t, "container does not exist", b.ID)
	}
	b.Minirun("delete", "--force", b.ID).Exit(t, 0)
}

// A container that engines must be able to find again needs a name chosen by the caller.
func TestCreateNeedsAnID(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("true"))
	b.Write()
	b.Minirun("create", "--bundle", b.Dir).Fails(t, "create: missing argument: ID")
	b.Minirun("create", b.Dir).Fails(t, "create: missing argument: ID")
}

// The label for mounts has no effect without SELinux, and a message reports this.
func TestMountLabelWithoutSELinux(t *testing.T) {
	if _, err := os.Stat("/sys/fs/selinux/enforce"); err == nil {
		t.Skip("this kernel has SELinux")
	}
	b := testbundle.New(t, testbundle.Args("true"))
	b.Spec.Linux.MountLabel = "system_u:object_r:container_file_t:s0"
	r := b.Run()
	r.Exit(t, 0)
	if !strings.Contains(r.Stderr, "linux.mountLabel") {
		t.Errorf("no warning: %q", r.Stderr)
	}
}

// A created container can be deleted without --force, as in runc and crun.
func TestDeleteCreated(t *testing.T) {
	for _, kill := range []bool{false, true} {
		b := testbundle.New(t, testbundle.Args("true"))
		createBundle(t, b)
		if kill {
			b.Minirun("kill", b.ID, "SIGKILL").Exit(t, 0)
			awaitStatus(t, b, specs.StateStopped)
		}
		b.Minirun("delete", b.ID).Exit(t, 0)
	}
}

// A failure after start is reported by start, with the step, the errno and a hint, although the plan
// was not made by start.
func TestStartTellsWhatFailed(t *testing.T) {
	t.Run("the program is gone", func(t *testing.T) {
		b := testbundle.New(t, testbundle.Args("/program"), testbundle.Writable)
		b.File("/program", "#!/bin/sh\n", 0o755)
		createBundle(t, b)
		b.File("/program", "#!/no/such/interpreter\n", 0o755)
		b.Minirun("start", b.ID).Fails(t, "config.json: process.args", `cannot execute "/program"`, "no such file or directory", "its interpreter /no/such/interpreter does not")
		awaitStatus(t, b, specs.StateStopped)
		b.Minirun("delete", b.ID).Exit(t, 0)
	})
	t.Run("create sees that it is missing", func(t *testing.T) {
		b := testbundle.New(t, testbundle.Args("nosuch"))
		b.Write()
		b.Minirun("create", "--bundle", b.Dir, b.ID).Fails(t, "executable file not found in $PATH")
		b.Minirun("state", b.ID).Fails(t, "does not exist")
	})
	t.Run("a startContainer hook", func(t *testing.T) {
		b := testbundle.New(t, testbundle.Args("true"))
		b.Spec.Hooks = &specs.Hooks{StartContainer: []specs.Hook{shellHook("true"), shellHook("exit 3")}}
		createBundle(t, b)
		b.Minirun("start", b.ID).Fails(t, "config.json: hooks.startContainer[1]", "exit status 3")
		awaitStatus(t, b, specs.StateStopped)
		b.Minirun("delete", b.ID).Exit(t, 0)
	})
	t.Run("a poststart hook", func(t *testing.T) {
		b := testbundle.New(t, testbundle.Args("sleep", "1000"))
		b.Spec.Hooks = &specs.Hooks{Poststart: []specs.Hook{shellHook("exit 4")}}
		createBundle(t, b)
		b.Minirun("start", b.ID).Fails(t, "config.json: hooks.poststart[0]", "exit status 4")
		awaitStatus(t, b, specs.StateStopped)
		b.Minirun("delete", b.ID).Exit(t, 0)
	})
	t.Run("a poststart hook, as of version 1.2", func(t *testing.T) {
		b := testbundle.New(t, testbundle.Args("sleep", "1000"))
		b.Spec.Version = "1.2.1"
		b.Spec.Hooks = &specs.Hooks{Poststart: []specs.Hook{shellHook("exit 4"), shellHook("echo more >> " + b.Host + "/log"), shellHook("exit 5")}}
		createBundle(t, b)
		r := b.Minirun("start", b.ID)
		r.Exit(t, 0)
		for _, want := range []string{"hooks.poststart[0]", "exit status 4", "hooks.poststart[2]", "exit status 5"} {
			if !strings.Contains(r.Stderr, want) {
				t.Errorf("no warning of %s: %s", want, r.Stderr)
			}
		}
		await(t, filepath.Join(b.Host, "log"))
		if got := stateOf(t, b); got != specs.StateRunning {
			t.Errorf("status %s", got)
		}
	})
}

// Hooks may call minirun with their own container: nothing hangs.
func TestHooksCallMinirun(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("sleep", "1000"))
	log := filepath.Join(b.Host, "log")
	call := func(verbs string) specs.Hook {
		return specs.Hook{Path: "/bin/sh", Args: []string{"sh", "-c", "M='" + testbundle.Binary + " --root " + b.Root + "'; exec >> " + log + "; " + verbs}}
	}
	b.Spec.Hooks = &specs.Hooks{
		CreateRuntime: []specs.Hook{call("$M state " + b.ID + " | grep -o creating")},
		Poststart:     []specs.Hook{call("$M state " + b.ID + " | grep -o running; $M kill " + b.ID + " 0 && echo killed 0")},
		Poststop:      []specs.Hook{call("$M state " + b.ID + " 2>&1 | grep -o 'does not exist'")},
	}
	createBundle(t, b)
	b.Minirun("start", b.ID).Exit(t, 0)
	b.Minirun("delete", "--force", b.ID).Exit(t, 0)
	text, err := os.ReadFile(log)
	if want := "creating\nrunning\nkilled 0\ndoes not exist\n"; err != nil || string(text) != want {
		t.Errorf("%v: %q, want %q", err, text, want)
	}
}

// delete --force ends a create that hangs, and leaves nothing.
func TestForceDeleteWhileCreating(t *testing.T) {
	b, sign := hanging(t, func(all *specs.Hooks, h specs.Hook) { all.CreateContainer = []specs.Hook{h} }, false)
	b.Write()
	cmd := b.Command("create", "--bundle", b.Dir, b.ID)
	b.Start(cmd)
	await(t, sign)
	if got := stateOf(t, b); got != specs.StateCreating {
		t.Errorf("status %s, want creating", got)
	}
	b.Minirun("delete", "--force", b.ID).Exit(t, 0)
	if err := cmd.Wait(); err == nil {
		t.Error("create has succeeded")
	}
	b.Minirun("state", b.ID).Fails(t, "does not exist")
}

// If the create process is killed, its container dies with it.
func TestContainerDiesWithKilledCreate(t *testing.T) {
	b, sign := hanging(t, func(all *specs.Hooks, h specs.Hook) { all.CreateRuntime = []specs.Hook{h} }, false)
	b.Write()
	cmd := b.Command("create", "--bundle", b.Dir, b.ID)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	b.Start(cmd)
	await(t, sign)
	if err := unix.Kill(-cmd.Process.Pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	awaitStatus(t, b, specs.StateStopped)
	b.Minirun("delete", b.ID).Exit(t, 0)
	testbundle.Reap()
}

func TestKillSendsEachSignal(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh(`trap "echo usr1 >> /host/log" USR1; trap "echo rt >> /host/log" 40; trap "echo term >> /host/log" TERM; echo ready > /host/log; while :; do sleep 0.02; done`))
	addMount(specs.Mount{Destination: "/host", Source: b.Host, Options: []string{"bind"}})(b.Spec)
	log := filepath.Join(b.Host, "log")
	createBundle(t, b)
	b.Minirun("start", b.ID).Exit(t, 0)
	want := "ready\n"
	check := func() {
		t.Helper()
		var got []byte
		for limit := time.Now().Add(10 * time.Second); time.Now().Before(limit); time.Sleep(5 * time.Millisecond) {
			if got, _ = os.ReadFile(log); string(got) == want {
				return
			}
		}
		t.Fatalf("log %q, want %q", got, want)
	}
	check()
	for _, c := range [][2]string{{"USR1", "usr1"}, {"sigusr1", "usr1"}, {"10", "usr1"}, {"RTMIN+6", "rt"}, {"SIGRTMAX-24", "rt"}, {"", "term"}} {
		args := []string{"kill", b.ID}
		if c[0] != "" {
			args = append(args, c[0])
		}
		b.Minirun(args...).Exit(t, 0)
		want += c[1] + "\n"
		check()
	}
	for _, wrong := range []string{"65", "-1", "NOSUCH", "RTMIN+99", "1x", ""} {
		b.Minirun("kill", b.ID, wrong).Fails(t, "signal")
	}
}

// Without a separate PID namespace, the end of the first process does not end the others.
func TestKillAllSignalsEveryProcess(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("sleep 1000 & sleep 1000 & echo started > /host/log; wait"), without(specs.PIDNamespace))
	addMount(specs.Mount{Destination: "/host", Source: b.Host, Options: []string{"bind"}})(b.Spec)
	createBundle(t, b)
	b.Minirun("start", b.ID).Exit(t, 0)
	await(t, filepath.Join(b.Host, "log"))
	b.Minirun("kill", "--all", b.ID, "KILL").Exit(t, 0)
	awaitStatus(t, b, specs.StateStopped)
	b.Minirun("kill", "--all", b.ID, "KILL").Exit(t, 0)
	b.Minirun("delete", b.ID).Exit(t, 0)
}

// The created container waits in a process of a few pages, and nothing of its creator stays.
func TestCreatedProcessIsSmall(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("true"))
	pidFile := filepath.Join(b.Host, "pid")
	createBundle(t, b, "--pid-file", pidFile)
	pid, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	rollup, err := os.ReadFile("/proc/" + string(pid) + "/smaps_rollup")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(rollup)) {
		if f := strings.Fields(line); f[0] == "Pss:" && len(f[1]) > 2 {
			t.Errorf("%s kB held by a created container, want at most 99", f[1])
		}
	}
	fds, err := os.ReadDir("/proc/" + string(pid) + "/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		to, _ := os.Readlink("/proc/" + string(pid) + "/fd/" + fd.Name())
		if strings.HasPrefix(to, "/") && to != "/dev/null" && to != "/" && !strings.HasPrefix(to, os.TempDir()) {
			t.Errorf("descriptor %s is %s", fd.Name(), to)
		}
	}
}

// Many concurrent starts of one container: exactly one succeeds.
func TestConcurrentStartSucceedsOnce(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("sleep", "1000"))
	createBundle(t, b)
	const n = 8
	good := make(chan bool, n)
	for range n {
		go func() { good <- exec.Command(testbundle.Binary, "--root", b.Root, "start", b.ID).Run() == nil }()
	}
	count := 0
	for range n {
		if <-good {
			count++
		}
	}
	if count != 1 {
		t.Errorf("%d of %d starts have succeeded", count, n)
	}
}
