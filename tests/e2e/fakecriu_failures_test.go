package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// freezing is the first part of a criu script that freezes the container, as criu does.
const freezing = `if [ -e $freezer/freezer.state ]; then echo FROZEN > $freezer/freezer.state; else echo 1 > $freezer/cgroup.freeze; fi
`

// siblingVariable makes the test binary act as a criu that creates the container's first process as a
// child of criu's parent, which is killed when its parent ends. The process ID is written to the file
// that the variable names. With hangVariable neither of them ends.
const siblingVariable, hangVariable = "MINIRUN_TEST_SIBLING", "MINIRUN_TEST_HANG"

func init() {
	file := os.Getenv(siblingVariable)
	if file == "" {
		return
	}
	args := []string{"setpriv", "--pdeathsig", "KILL", "sleep", "1000"}
	if os.Getenv(hangVariable) != "" {
		args = []string{"setpriv", "sleep", "1000"}
	}
	pid, err := syscall.ForkExec("/usr/bin/setpriv", args, &syscall.ProcAttr{Env: os.Environ(), Sys: &syscall.SysProcAttr{Cloneflags: unix.CLONE_PARENT}})
	if err == nil {
		err = os.WriteFile(file+"~", []byte(strconv.Itoa(pid)+"\n"), 0o644)
	}
	if err == nil {
		err = os.Rename(file+"~", file)
	}
	if err != nil {
		os.Exit(1)
	}
	if os.Getenv(hangVariable) == "" {
		os.Exit(0)
	}
	_ = syscall.Exec("/bin/sleep", []string{"sleep", "1000"}, nil)
	os.Exit(1)
}

func awaitGone(t *testing.T, pid string) {
	t.Helper()
	number, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	testbundle.Await(t, "the end of process "+pid, func() bool { return len(alive([]int{number})) == 0 })
}

// TestCheckpointEndsCRIU: criu ends with minirun, and a container that criu has frozen is thawed,
// unless minirun had no chance to do so.
func TestCheckpointEndsCRIU(t *testing.T) {
	for _, signal := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
		t.Run(unix.SignalName(signal), func(t *testing.T) {
			b := testbundle.New(t, testbundle.Args("sleep", "1000"))
			begun := filepath.Join(b.Host, "begun")
			fakeVerbs(t, b, freezing+"echo $$ > "+begun+"; exec sleep 1000", sleeper)
			detached(t, b)
			cmd := b.Command("checkpoint", "--image-path", t.TempDir(), b.ID)
			b.Start(cmd)
			criu := awaitText(t, begun)
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			want, status := specs.StateRunning, 128+int(signal)
			if signal == unix.SIGKILL {
				want, status = "paused", -1
			}
			exits(t, cmd, status)
			awaitGone(t, criu)
			awaitStatus(t, b, want)
		})
	}
}

// TestFailedCheckpointThaws: a container continues if criu crashes, unless it was paused before.
func TestFailedCheckpointThaws(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("sleep", "1000"))
	fakeVerbs(t, b, freezing+"kill -SEGV $$", sleeper)
	detached(t, b)
	images := t.TempDir()
	b.Minirun("checkpoint", "--image-path", images, b.ID).Fails(t, "criu dump", "segmentation fault")
	awaitStatus(t, b, specs.StateRunning)
	b.Minirun("pause", b.ID).Exit(t, 0)
	b.Minirun("checkpoint", "--image-path", images, b.ID).Fails(t, "criu dump", "segmentation fault")
	awaitStatus(t, b, "paused")
}

// TestCheckpointRefusesWhatCannotBeRestored: a container that could never be restored is not stopped,
// unless only its state is wanted.
func TestCheckpointRefusesWhatCannotBeRestored(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("sleep", "1000"))
	fakeCRIU(t, b, sleeper)
	b.Detach("--ephemeral").Exit(t, 0)
	t.Cleanup(func() {
		b.Minirun("delete", "--force", b.ID)
		testbundle.Reap()
	})
	images := t.TempDir()
	b.Minirun("checkpoint", "--image-path", images, b.ID).Fails(t, "layers", "--leave-running")
	b.Minirun("checkpoint", "--image-path", images, "--leave-running", b.ID).Exit(t, 0)
	awaitStatus(t, b, specs.StateRunning)
}

// TestRestoreEndsWhatCRIULeaves: when a signal ends criu, the container's first process is already
// minirun's child, but not yet in a cgroup of the container.
func TestRestoreEndsWhatCRIULeaves(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("sleep", "1000"))
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	begun, images := filepath.Join(b.Host, "begun"), t.TempDir()
	fakeCRIU(t, b, hangVariable+"=1 "+siblingVariable+"="+begun+" exec "+self)
	detached(t, b)
	b.Minirun("checkpoint", "--image-path", images, b.ID).Exit(t, 0)
	testbundle.Reap()
	cmd := b.Command("restore", "--bundle", b.Dir, "--image-path", images, b.ID)
	b.Start(cmd)
	first := awaitText(t, begun)
	if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	exits(t, cmd, 128+int(unix.SIGTERM))
	awaitGone(t, first)
	b.Minirun("state", b.ID).Fails(t, "does not exist")
}

// TestRestoredProcessOutlivesThreads: a restored process that requested a signal when its parent ends
// gets it when minirun ends, not when the thread that ran criu ends.
func TestRestoredProcessOutlivesThreads(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("sleep", "1000"))
	b.Spec.Process.NoNewPrivileges = false
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	images := t.TempDir()
	fakeCRIU(t, b, siblingVariable+"=$pidfile exec "+self)
	detached(t, b)
	b.Minirun("checkpoint", "--image-path", images, b.ID).Exit(t, 0)
	testbundle.Reap()
	cmd := b.Command("restore", "--bundle", b.Dir, "--image-path", images, b.ID)
	b.Start(cmd)
	testbundle.Await(t, "the restored container", func() bool { return b.Minirun("state", b.ID).Status == 0 && restoredPid(t, b, b.ID) != "0" })
	pid := restoredPid(t, b, b.ID)
	time.Sleep(200 * time.Millisecond) // for a signal that must not come
	holdsNoNamespace(t, cmd.Process.Pid, "mnt")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	exits(t, cmd, -1)
	awaitGone(t, pid)
	b.Minirun("delete", "--force", b.ID).Exit(t, 0)
	testbundle.Reap()
}

// TestRestoreWithoutCgroup: a command for all processes of a container affects all of them, also if
// no cgroup lists them and the PID namespace is shared.
func TestRestoreWithoutCgroup(t *testing.T) {
	for name, change := range map[string]func(*specs.Spec){
		"host's PID namespace": testbundle.Without(specs.PIDNamespace), "PID namespace by path": testbundle.With(specs.PIDNamespace, "/proc/self/ns/pid"),
	} {
		t.Run(name, func(t *testing.T) {
			b := withoutCgroup(t, testbundle.Args("sleep", "1000"), change)
			b.Spec.Process.NoNewPrivileges = false
			b.Spec.Hooks = &specs.Hooks{Prestart: []specs.Hook{shellHook("true")}}
			images := t.TempDir()
			fakeCRIU(t, b, `sh -c 'sleep 1000 & sleep 1000; true' >/dev/null 2>&1 & echo $! > $pidfile; sleep 0.3; kill -STOP $!`)
			b.Write()
			detached(t, b)
			b.Minirun("checkpoint", "--image-path", images, b.ID).Exit(t, 0)
			testbundle.Reap()
			restores(t, b, images, b.ID)
			pid := restoredPid(t, b, b.ID)
			if stat := statState(t, pid); stat == "T" {
				t.Error("the restored process is stopped after its hooks")
			}
			pids := listedProcesses(t, b)
			if number, _ := strconv.Atoi(pid); len(pids) != 3 || !slices.Contains(pids, number) {
				t.Errorf("the container has the processes %v, want three with %s", pids, pid)
			}
			b.Minirun("delete", "--force", b.ID).Exit(t, 0)
			testbundle.Await(t, "the end of all", func() bool { return len(alive(pids)) == 0 })

			b.Spec.Process.NoNewPrivileges = true
			b.Write()
			b.Minirun(append(restoreFlags(b, images), b.ID)...).Fails(t, "process.noNewPrivileges")
			b.Minirun("delete", "--force", b.ID).Exit(t, 0) // the script's process was not minirun's child
			testbundle.Reap()
		})
	}
}

// statState returns the letter for the state of a process.
func statState(t *testing.T, pid string) string {
	t.Helper()
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	text := string(stat)
	return text[strings.LastIndexByte(text, ')')+2:][:1]
}
