package child

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/terminal"
)

// This file deals with signals that the kernel discards: the first process of a PID
// namespace does not get signals for which it has no handler (pid_namespaces(7)), so ^C
// has no effect on most programs that were not written to be PID 1.

// signalsUntilHint and signalsUntilKill are how many discarded signals cause a message,
// and the end of the container.
const (
	signalsUntilHint = 2
	signalsUntilKill = 3
)

// handleDiscarded handles a signal that asks to exit, if the kernel would discard it. The
// second one prints the reason. The third one kills the container, unless it has a terminal:
// then the signal was not typed. A hang-up kills it at once: the terminal is gone.
func (c *Process) handleDiscarded(s unix.Signal, relay *terminal.Relay) (handled bool, err error) {
	if !c.discards(s) {
		return false, nil
	}
	if s != c.lastDiscarded {
		c.lastDiscarded, c.discarded = s, 0
	}
	c.discarded++
	switch {
	case s == unix.SIGHUP, c.discarded >= signalsUntilKill && relay == nil:
		c.endedBy = s
		return true, c.Signal(unix.SIGKILL)
	case c.discarded == signalsUntilHint && relay == nil && s == unix.SIGINT:
		c.warnDiscarded(s, "press Ctrl-C again to kill the container; run --init passes signals on to its program")
	case c.discarded == signalsUntilHint && relay == nil:
		c.warnDiscarded(s, "send it again to kill the container; run --init passes signals on to its program")
	case c.discarded == signalsUntilHint:
		relay.Suspend()
		c.warnDiscarded(s, "minirun kill "+c.Settings.ID+" KILL")
		return true, relay.Continue()
	}
	return true, nil
}

func (c *Process) warnDiscarded(s unix.Signal, hint string) {
	c.Settings.Warn(fmt.Sprintf("container %q ignores %s: its program runs as PID 1 and has no handler for the signal\n"+
		"hint: %s", c.Settings.ID, unix.SignalName(s), hint))
}

// explainKeys is called when the user has typed ^C several times. The keys belong to the
// program, so it is only explained why they have no effect, if they have none.
func (c *Process) explainKeys(relay *terminal.Relay) {
	const interrupt = 3 // ^C
	settings, err := unix.IoctlGetTermios(int(c.Console.Fd()), unix.TCGETS)
	if err != nil || settings.Lflag&unix.ISIG == 0 || settings.Cc[unix.VINTR] != interrupt {
		return // the terminal does not send a signal
	}
	group, err := unix.IoctlGetInt(int(c.Console.Fd()), unix.TIOCGPGRP)
	if err != nil || group != c.Proc.Pid || !c.discards(unix.SIGINT) {
		return
	}
	relay.Suspend()
	c.warnDiscarded(unix.SIGINT, "from another terminal: minirun kill "+c.Settings.ID+" KILL")
	if err := relay.Continue(); err != nil {
		c.Settings.Warn(err)
	}
}

// discards reports whether the kernel discards a signal for the process. A process that
// creates another one blocks signals for a moment, so those are looked at again.
func (c *Process) discards(s unix.Signal) bool {
	const attempts, pause = 5, 5 * time.Millisecond
	for range attempts {
		text, err := os.ReadFile("/proc/" + strconv.Itoa(c.Proc.Pid) + "/status")
		if err != nil {
			return false
		}
		discarded, blocked := discards(string(text), s)
		if !discarded || !blocked {
			return discarded
		}
		time.Sleep(pause)
	}
	return false // the program waits for it (sigwait(3))
}

// discards is the method discards for the content of /proc/PID/status. The kernel discards a
// signal that is blocked when it is no longer blocked.
func discards(status string, s unix.Signal) (discarded, blocked bool) {
	first, known := false, false
	for line := range strings.Lines(status) {
		name, value, _ := strings.Cut(line, ":")
		fields := strings.Fields(value)
		switch {
		case len(fields) == 0:
		case name == "NSpid":
			first = len(fields) > 1 && fields[len(fields)-1] == "1"
		case name == "SigBlk":
			blocked = contains(fields[0], s)
		case name == "SigIgn", name == "SigCgt":
			known = known || contains(fields[0], s)
		}
	}
	return first && !known, blocked
}

// contains reports whether a set of signals in /proc/PID/status contains one.
func contains(set string, s unix.Signal) bool {
	mask, err := strconv.ParseUint(set, 16, 64)
	return err != nil || mask&(1<<(uint(s)-1)) != 0
}
