package e2e

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// step with a pipe: its commands are lines, and the rest of the input is the container's.
func TestStepReadsCommandsFromPipe(t *testing.T) {
	for name, change := range map[string]func(*specs.Spec){"default": func(*specs.Spec) {}, "user namespace": userns, "PID namespace of the host": testbundle.Without(specs.PIDNamespace)} {
		t.Run(name, func(t *testing.T) {
			b := testbundle.New(t, change, testbundle.Sh("read line; echo got $line; exit 4"))
			b.Write()
			b.Stdin = "next\nat pivot_root\nlist\ninfo\nshell echo from $(cat /proc/self/mountinfo | wc -l) mounts\nuntil process.capabilities\nfrobnicate\nat nowhere\n?\ncontinue\nfor the container\n"
			r := b.Minirun("step", b.ID, b.Dir)
			if r.Status != 4 {
				t.Errorf("status %d: %s", r.Status, r.Stderr)
			}
			has(t, r.Stdout, "got for the container", "from ", " mounts")
			has(t, r.Stderr, "step 0:", "step 1:", ": pivot_root", "→ ", "changed: mount added:", "nsenter --target", "its own", "CapEff", "frobnicate", `no step is called "nowhere"`, "stop before X")
		})
	}
}

// The shell may be the container's shell, and does not get the environment of minirun's caller.
func TestStepShellHasNoVariablesOfTheCaller(t *testing.T) {
	b := testbundle.New(t)
	b.Write()
	b.Env = []string{"SECRET_OF_THE_CALLER=1"}
	b.Stdin = "shell env\nat capset\nshell env\ncontinue\n"
	r := b.Minirun("step", b.ID, b.Dir)
	if r.Status != 0 || strings.Contains(r.Stdout, "SECRET") || strings.Count(r.Stdout, "PATH=") != 2 {
		t.Errorf("status %d: %s%s", r.Status, r.Stdout, r.Stderr)
	}
}

// If step is ended half-way, nothing is left: testbundle checks for it.
func TestAbortedStepLeavesNothing(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("echo ran"))
	b.Write()
	for _, commands := range []string{"quit\n", "", "at mounts[3]\nquit\n", "at capset\nabort\n", "at execve\nq\n", "next 50\n"} {
		b.Stdin = commands
		r := b.Minirun("step", b.ID, b.Dir)
		if r.Status != 0 || strings.Contains(r.Stdout, "ran") {
			t.Errorf("%q: status %d, output %q", commands, r.Status, r.Stdout)
		}
		has(t, r.Stderr, "aborted: nothing of the container is left")
		if entries, _ := os.ReadDir(b.Root); len(entries) > 0 {
			t.Errorf("%q: left in the state directory: %v", commands, entries)
		}
	}
	b.Stdin = ""
	b.Minirun("step", "--at", "no such step", b.ID, b.Dir).Fails(t, "no such step")
	b.Stdin = "continue\n"
	b.Minirun("step", "--until", "filesystem", b.ID, b.Dir).Prints(t, "ran")
}

// A signal ends a container that is run with step.
func TestStepSignal(t *testing.T) {
	b := testbundle.New(t)
	b.Write()
	cmd := b.Command("step", b.ID, b.Dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	for text := ""; !strings.Contains(text, "(step)"); {
		n, err := out.Read(buf)
		if err != nil {
			t.Fatal(text, err)
		}
		text += string(buf[:n])
	}
	if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("it went on")
	}
	in.Close()
}

// TestStepShellTakesInterrupts: while a shell of step has the terminal, the signal sent by ^C goes to
// the shell.
func TestStepShellTakesInterrupts(t *testing.T) {
	testbundle.Need(t)
	p := testbundle.NewPty(t)
	b := testbundle.New(t)
	b.Write()
	cmd := b.Command("step", b.ID, b.Dir)
	p.Attach(cmd)
	b.Start(cmd)
	p.Expect("(step) ")
	p.Type("s")
	p.Type("echo first-$((1+1))\n")
	p.Expect("first-2")
	if err := cmd.Process.Signal(unix.SIGINT); err != nil {
		t.Fatal(err)
	}
	p.Type("echo second-$((1+1))\n")
	p.Expect("second-2")
	p.Type("exit\n")
	p.Expect("(step) ")
	p.Type("q")
	p.Expect("aborted: nothing of the container is left")
	exits(t, cmd, 0)
}

// On a terminal, commands are single keys.
func TestStepTakesSingleKeysOnTerminal(t *testing.T) {
	testbundle.Need(t)
	p := testbundle.NewPty(t)
	b := testbundle.New(t, testbundle.Sh("echo container runs"))
	b.Write()
	start := func() *exec.Cmd {
		cmd := b.Command("step", b.ID, b.Dir)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = p.Slave, p.Slave, p.Slave
		b.Start(cmd)
		p.Expect("(step) ")
		return cmd
	}
	cmd := start()
	p.Type("n")
	p.Expect("step 1:")
	p.Type("apivot_root\n")
	p.Expect(": pivot_root")
	p.Type("i")
	p.Expect("NoNewPrivs")
	p.Type("l")
	p.Expect("unmount the old root")
	p.Type("q")
	p.Expect("aborted: nothing of the container is left")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if entries, _ := os.ReadDir(b.Root); len(entries) > 0 {
		t.Errorf("left in the state directory: %v", entries)
	}
	cmd = start()
	p.Type("\x03")
	p.Expect("aborted")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	cmd = start()
	p.Type("c")
	p.Expect("container runs")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
