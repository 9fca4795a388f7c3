package trace

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/minirun/minirun/internal/container/observer"

	"github.com/containerd/console"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/wait"
	"github.com/minirun/minirun/internal/inspect"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/stdio"
	"github.com/minirun/minirun/internal/termtext"
)

// ErrAborted ends a container when the user quits the debugger.
var ErrAborted = errors.New("aborted")

// A Debugger stops a start before steps, shows the state, and executes commands: keys
// on a terminal, otherwise lines.
//
//	next (n, space)   run this step           list (l)      the steps around it
//	continue (c)      run all that are left   info (i)      the process: namespaces, mounts, capabilities
//	at X (a)          stop before X           shell (s)     a shell where the process is
//	until X (u)       stop after X            quit (q)      end it, and leave nothing
//
// X is a step's number, a call, a group, a JSON path, or part of a step's name.
type Debugger struct {
	w     io.Writer
	in    *os.File
	keys  bool
	style style

	plan   *plan.Plan
	stop   func(next int) bool // nil: do not stop again
	first  string              // --at or --until, parsed when there is a plan
	until  bool
	before inspect.Facts
	seen   bool
	bad    error
}

// NewDebugger reads commands from in, no further than necessary: the rest is the
// container's input. at is the place to stop first, "" for the first step; with until,
// it stops after that place.
func NewDebugger(w io.Writer, in *os.File, at string, until bool) *Debugger {
	_, err := console.ConsoleFromFile(in)
	return &Debugger{w: termtext.NewWriter(w), in: in, keys: err == nil, style: styleOf(w), first: at, until: until}
}

// Born makes the plan stop before each step.
func (d *Debugger) Born(b observer.Start) *plan.Observed {
	d.plan = b.Plan
	fmt.Fprintf(d.w, "%scontainer %s: %d steps%s. Type ? for help.\n", d.style.bold, b.ID, len(b.Plan.Steps), d.style.off)
	d.stop = func(int) bool { return true }
	if d.first != "" {
		d.stop, d.bad = d.place(d.first, d.until)
	}
	return b.Plan.Observe()
}

// place parses a place to stop at.
func (d *Debugger) place(text string, behind bool) (func(next int) bool, error) {
	first, last := -1, -1
	for i := range d.plan.Steps {
		if !matches(i, &d.plan.Steps[i], text) {
			continue
		}
		if first < 0 {
			first = i
		}
		last = i
	}
	if first < 0 {
		return nil, fmt.Errorf("%q is not the number, call, group, JSON path or name of a step: see list", text)
	}
	if behind {
		return func(next int) bool { return next > last }, nil
	}
	return func(next int) bool { return next >= first && matches(next, &d.plan.Steps[next], text) }, nil
}

func matches(i int, s *plan.Step, text string) bool {
	if n, err := strconv.Atoi(text); err == nil {
		return i == n
	}
	rest, path := strings.CutPrefix(s.Source, text)
	return s.Call.Name() == text || s.Group.String() == text || path && (rest == "" || rest[0] == '.' || rest[0] == '[') || strings.Contains(s.Name, text)
}

// Stopped shows where the process is, and executes commands until one of them
// continues it.
func (d *Debugger) Stopped(at observer.Stop) error {
	if d.bad != nil {
		return d.bad
	}
	if !d.seen {
		d.before, d.seen = inspect.FactsOf(at.Pid), true
	}
	if d.stop == nil || at.Next >= len(d.plan.Steps) || !d.stop(at.Next) {
		return nil
	}
	d.show(at)
	for {
		words, err := d.command(at)
		if err != nil {
			return err
		}
		if goOn, err := d.do(at, words); err != nil || goOn {
			return err
		}
	}
}

// show prints what has happened since the last stop, and the next step.
func (d *Debugger) show(at observer.Stop) {
	if at.Last >= 0 {
		fmt.Fprintf(d.w, "%sstep %d returned %s%s\n", d.style.dim, at.Last, answer(d.plan, at.Last, at.Result), d.style.off)
	}
	now := inspect.FactsOf(at.Pid)
	for i, line := range now.Changes(d.before) {
		if i == 15 {
			fmt.Fprintf(d.w, "  %s… and %d more: info shows everything%s\n", d.style.dim, len(now.Changes(d.before))-i, d.style.off)
			break
		}
		fmt.Fprintf(d.w, "  %schanged: %s%s\n", d.style.good, line, d.style.off)
	}
	d.before = now
	s := &d.plan.Steps[at.Next]
	fmt.Fprintf(d.w, "%sstep %d: %s%s  [%s, %s]\n    %s\n", d.style.bold, at.Next, s.Name, d.style.off, s.Group, where(s.Source), d.plan.Line(at.Next))
	if s.Why != "" {
		fmt.Fprintf(d.w, "    %s%s%s\n", d.style.dim, s.Why, d.style.off)
	}
	fmt.Fprintf(d.w, "    look in: %s\n             ls -l /proc/%d/root/ /proc/%[2]d/cwd/ /proc/%[2]d/fd\n", strings.Join(enter(at.Pid), " "), at.Pid)
}

// enter returns the nsenter(1) command line for the namespaces that differ from ours.
func enter(pid int) []string {
	words := []string{"nsenter", "--target", strconv.Itoa(pid)}
	own, its := inspect.FactsOf(os.Getpid()).Namespaces, inspect.FactsOf(pid).Namespaces
	for _, n := range [][2]string{{"user", "--user"}, {"mnt", "--mount"}, {"uts", "--uts"}, {"ipc", "--ipc"}, {"net", "--net"}, {"pid", "--pid"}, {"cgroup", "--cgroup"}, {"time", "--time"}} {
		if its[n[0]] != "" && its[n[0]] != own[n[0]] {
			words = append(words, n[1])
		}
	}
	return append(words, "--root", "--wd")
}

// command reads a key or a line.
func (d *Debugger) command(at observer.Stop) ([]string, error) {
	const prompt = "(step) "
	if !d.keys {
		fmt.Fprintf(d.w, "%s", prompt)
		return d.line(at)
	}
	tty, err := console.ConsoleFromFile(d.in)
	if err != nil {
		return nil, err
	}
	if err := tty.SetRaw(); err != nil {
		return nil, fmt.Errorf("put the terminal into raw mode: %w", err)
	}
	fmt.Fprintf(d.w, "%s", prompt) // not earlier: no key may arrive while the terminal reads lines
	key, err := d.byte(at)
	if reset := tty.Reset(); err == nil {
		err = reset
	}
	if err != nil {
		return nil, err
	}
	switch key {
	case 3, 4: // ^C and ^D
		key = 'q'
	case ' ', '\r', '\n':
		key = 'n'
	}
	fmt.Fprintf(d.w, "%c\n", key)
	if key == 'a' || key == 'u' {
		fmt.Fprintf(d.w, "stop %s: ", map[byte]string{'a': "before", 'u': "after"}[key])
		words, err := d.line(at)
		return append([]string{string(key)}, words...), err
	}
	return []string{string(key)}, nil
}

func (d *Debugger) line(at observer.Stop) ([]string, error) {
	var text []byte
	for {
		b, err := d.byte(at)
		if errors.Is(err, io.EOF) && len(text) > 0 || err == nil && b == '\n' {
			words := strings.Fields(string(text))
			if !d.keys {
				fmt.Fprintln(d.w, strings.Join(words, " "))
			}
			return words, nil
		}
		if errors.Is(err, io.EOF) {
			fmt.Fprintln(d.w, "quit")
			return []string{"quit"}, nil
		}
		if err != nil {
			return nil, err
		}
		text = append(text, b)
	}
}

// byte reads a single byte: the input after a command may be the container's.
func (d *Debugger) byte(at observer.Stop) (byte, error) {
	if err := at.Wait(int(d.in.Fd())); err != nil {
		return 0, err
	}
	var one [1]byte
	n, err := d.in.Read(one[:])
	if n == 0 && err == nil {
		err = io.EOF
	}
	return one[0], err
}

// do executes a command; goOn is true if the process continues.
func (d *Debugger) do(at observer.Stop, words []string) (goOn bool, err error) {
	if len(words) == 0 {
		return false, nil
	}
	rest := strings.Join(words[1:], " ")
	switch words[0] {
	case "n", "next":
		return d.next(at, rest), nil
	case "c", "continue":
		d.stop = nil
		return true, nil
	case "a", "at", "u", "until":
		stop, err := d.place(rest, words[0][0] == 'u')
		if err != nil {
			fmt.Fprintln(d.w, err)
			return false, nil
		}
		here := at.Next
		d.stop = func(next int) bool { return next != here && stop(next) }
		return true, nil
	case "l", "list":
		d.list(at.Next)
	case "i", "info":
		d.info(at.Pid)
	case "s", "shell":
		return false, d.shell(at, words[1:])
	case "q", "quit", "abort":
		return false, ErrAborted
	case "?", "h", "help":
		fmt.Fprintf(d.w, "%s", help)
	default:
		fmt.Fprintf(d.w, "%q is not a command: type ? for help\n", words[0])
	}
	return false, nil
}

const help = `  next [N]   n, space  run this step, or N steps
  continue   c         run all remaining steps
  at X       a         stop before X: a number, a call (pivot_root), a group (filesystem),
                       a JSON path (mounts[2], process.capabilities) or part of a name
  until X    u         stop after the last of X
  list       l         the steps around this one
  info       i         the process: namespaces, mounts, identity, cgroup
  shell [C]  s         a shell, or the command C, where the process is (nsenter)
  quit       q, ^C     stop the container here, and remove it
`

func (d *Debugger) next(at observer.Stop, count string) bool {
	n, err := strconv.Atoi(count)
	if count == "" {
		n, err = 1, nil
	}
	if err != nil || n < 1 {
		fmt.Fprintf(d.w, "next %s: must be a number above 0\n", count)
		return false
	}
	d.stop = func(int) bool { n--; return n <= 0 }
	return true
}

func (d *Debugger) list(next int) {
	for i := max(0, next-4); i < min(len(d.plan.Steps), next+9); i++ {
		mark := "  "
		if i == next {
			mark = "→ "
		}
		fmt.Fprintf(d.w, "%s%4d  %-34s %s\n", mark, i, d.plan.Steps[i].Name, clip(d.plan.CallText(&d.plan.Steps[i]), 90))
	}
}

func (d *Debugger) info(pid int) {
	f, own := inspect.FactsOf(pid), inspect.FactsOf(os.Getpid()).Namespaces
	fmt.Fprintf(d.w, "process %d\n", pid)
	for _, kind := range inspect.NamespaceKinds {
		whose := "its own"
		if f.Namespaces[kind] == own[kind] {
			whose = "minirun's"
		}
		fmt.Fprintf(d.w, "  %-8s %s  %s\n", kind, or(f.Namespaces[kind], "?"), whose)
	}
	for _, name := range inspect.StatusFields {
		value := f.Status[name]
		if strings.HasPrefix(name, "Cap") {
			value += " " + inspect.Capabilities(value)
		}
		fmt.Fprintf(d.w, "  %-16s %s\n", name, value)
	}
	fmt.Fprintf(d.w, "  cgroup\n%s\n  mounts\n", indent(f.Cgroup, 4))
	for _, m := range f.Mounts {
		fmt.Fprintf(d.w, "    %s\n", m)
	}
}

// shell runs a program in the process's namespaces and root, as far as they exist
// already. It uses this process's terminal. The error is set if a signal asks minirun
// to exit.
func (d *Debugger) shell(at observer.Stop, command []string) error {
	words := enter(at.Pid)
	if len(command) == 0 {
		words = append(words, "sh")
	} else {
		words = append(words, "sh", "-c", strings.Join(command, " "))
	}
	cmd := exec.Command(words[0], words[1:]...)
	// The shell may be the container's, which must not see the caller's variables.
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", "TERM=" + os.Getenv("TERM")}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = d.in, os.Stdout, os.Stderr
	if !d.keys {
		cmd.Stdin = nil // the commands that follow are not for it
	}
	pidfd := -1
	cmd.SysProcAttr = &syscall.SysProcAttr{PidFD: &pidfd}
	err := cmd.Start()
	if err == nil {
		defer func() { _ = unix.Close(pidfd) }()
		if err := d.awaitShell(at, pidfd); err != nil {
			if !slices.Contains(words, "--pid") {
				_ = cmd.Process.Kill()
			} // else it exits with the PID namespace, and nsenter with it
			return err
		}
		err = cmd.Wait()
		d.takeTerminal()
	}
	if err != nil {
		fmt.Fprintf(d.w, "%s: %v\n", strings.Join(words, " "), err)
	}
	return nil
}

// awaitShell waits for the exit of a program that shell runs. The terminal sends ^C
// and ^\ to both minirun and the program, and they are intended for the program.
func (d *Debugger) awaitShell(at observer.Stop, pidfd int) error {
	for {
		err := at.Wait(pidfd)
		var by *wait.Interrupted
		if !d.keys || !errors.As(err, &by) || by.Signal != unix.SIGINT && by.Signal != unix.SIGQUIT {
			return err
		}
	}
}

// takeTerminal puts this process's job in the foreground again. A shell with job
// control cannot, if it does not see the job from its PID namespace.
func (d *Debugger) takeTerminal() {
	if d.keys {
		defer stdio.IgnoreJobControl()()
		_ = unix.IoctlSetPointerInt(int(d.in.Fd()), unix.TIOCSPGRP, unix.Getpgrp()) // it may not be the controlling terminal
	}
}

// Did reports what minirun has done since the last stop.
func (d *Debugger) Did(a observer.Action) {
	if d.stop != nil {
		fmt.Fprintf(d.w, "%sminirun: %s  [%s]%s\n", d.style.dim, clip(a.What, 160), where(a.Source), d.style.off)
	}
}

// Stamped is never called: the plan has no timestamps.
func (d *Debugger) Stamped([]time.Time) {}
