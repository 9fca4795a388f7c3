package build

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// debugLine returns a command for a shell that builds a Dockerfile whose RUN fails, with --debug.
func (s *store) debugLine() string {
	s.T.Helper()
	dir := contextDir(s.T, map[string]string{"Dockerfile": "FROM base\nRUN echo made > /tmp/file; exit 3\n"}, "")
	cmd := s.Command("build", "--debug", dir)
	return "'" + strings.Join(cmd.Args, "' '") + "'"
}

// TestDebugShellInBackground: a build in the background is stopped when its shell needs the terminal, and
// continues with fg. The shell's kill ends a stopped build.
func TestDebugShellInBackground(t *testing.T) {
	p := testbundle.NewPty(t)
	s := newStore(t)
	line := s.debugLine()
	p.StartShell(t, s.Command().Env...)
	before := p.Termios()
	p.Type(line + " &\n")
	p.Expect("Stopped")
	p.Type("fg\n")
	p.Type("echo $(cat /tmp/file) $((6*7))\r")
	p.Expect("made 42")
	p.Type("exit 5\r")
	p.Expect("did not complete successfully: exit code: 3")
	p.ExpectPrompt()
	if p.Termios() != before {
		t.Errorf("the settings were %+v and are %+v", before, p.Termios())
	}
	p.Type(line + " &\n")
	p.Expect("Stopped")
	p.Type("kill %1\n")
	p.Expect("canceled by a signal: terminated")
	p.Expect("Exit 143")
	if p.Termios() != before {
		t.Errorf("the settings were %+v and are %+v", before, p.Termios())
	}
	s.clean()
}

// TestCanceledDebugShellRestoresTerminal: the settings are restored after a build is terminated while its
// shell has the terminal.
func TestCanceledDebugShellRestoresTerminal(t *testing.T) {
	p := testbundle.NewPty(t)
	s := newStore(t)
	line := s.debugLine()
	p.StartShell(t, s.Command().Env...)
	before := p.Termios()
	p.Type(line + "; stty -a; echo end $?\n")
	p.Expect("Starting a shell")
	p.Type("echo ready $((6*7))\r")
	p.Expect("ready 42")
	build, err := unix.IoctlGetInt(int(p.Master.Fd()), unix.TIOCGPGRP) // the leader of the foreground job
	if err == nil {
		err = unix.Kill(build, unix.SIGTERM)
	}
	if err != nil {
		t.Fatal(err)
	}
	p.Expect("canceled by a signal")
	if settings := p.Expect("end 0"); !strings.Contains(settings, " icanon") || !strings.Contains(settings, " echo ") {
		t.Errorf("the terminal's settings are not restored: %s", settings)
	}
	p.ExpectPrompt()
	if p.Termios() != before {
		t.Errorf("the settings were %+v and are %+v", before, p.Termios())
	}
	s.clean()
}
