package e2e

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestInterruptOfProgramWithoutHandler: the kernel discards ^C for a PID 1 without a handler. The second
// ^C explains that, the third one kills the container.
func TestInterruptOfProgramWithoutHandler(t *testing.T) {
	p := testbundle.NewPty(t)
	b := testbundle.New(t, testbundle.Args("sleep", "1000"))
	b.Write()
	p.StartShell(t)
	p.Type(b.ShellLine("run", b.ID, b.Dir) + "; echo status $?\n")
	b.AwaitRunning(t)
	text := ""
	for keys := 0; !strings.Contains(text, "status 130"); keys++ { // signals that arrive together are one
		if keys > 20 {
			t.Fatalf("it continues after %d times ^C: %q", keys, text)
		}
		p.Type("\x03")
		text += p.Rest()
	}
	has(t, text, "ignores SIGINT: its program runs as PID 1 and has no handler",
		"hint: press Ctrl-C again to kill the container", "status 130")
	awaitNoContainers(t, b)
}

// TestInterruptKeyBelongsToProgram: with a terminal, ^C is a key for the program. The third one in
// succession is explained if it has no effect, and nothing is killed.
func TestInterruptKeyBelongsToProgram(t *testing.T) {
	p := testbundle.NewPty(t)
	b := testbundle.New(t, terminal, testbundle.Sh("echo ready; exec sleep 1000"))
	b.Write()
	p.StartShell(t)
	p.Type(b.ShellLine("run", b.ID, b.Dir) + "; echo status $?\n")
	p.Expect("ready")
	b.AwaitProgram(t, "sleep")
	p.Type("\x03\x03\x03")
	p.Expect("ignores SIGINT")
	p.Expect("minirun kill " + b.ID + " KILL")
	b.Minirun("kill", b.ID, "KILL").Exit(t, 0)
	p.Expect("status 137")

	b = testbundle.New(t, terminal, testbundle.Sh("trap 'echo handled' INT; echo ready; while :; do read x && [ $x = end ] && exit; done"))
	b.Write()
	p.Type(b.ShellLine("run", b.ID, b.Dir) + "; echo status $?\n")
	p.Expect("ready")
	p.Type("\x03")
	p.Expect("handled")
	p.Type("\x03\x03\x03\x03")
	p.Expect("handled")
	p.Type("end\r")
	p.Expect("status 0")
}

// TestTerminationIsNotDiscardedThreeTimes: the same for SIGTERM, which a service manager sends.
func TestTerminationIsNotDiscardedThreeTimes(t *testing.T) {
	p := testbundle.NewPty(t)
	b := testbundle.New(t, testbundle.Args("sleep", "1000"))
	b.Write()
	cmd := b.Command("run", b.ID, b.Dir)
	p.Attach(cmd)
	b.Start(cmd)
	b.AwaitRunning(t)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		exits(t, cmd, 143)
	}()
	for running := true; running; { // several signals that arrive at the same time are one
		select {
		case <-ended:
			running = false
		case <-time.After(100 * time.Millisecond):
			_ = cmd.Process.Signal(unix.SIGTERM)
		}
	}
	p.Expect("ignores SIGTERM")
}
