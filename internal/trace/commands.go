package trace

// This file reads and executes the commands of the debugger.

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/containerd/console"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/observer"
	"github.com/minirun/minirun/internal/inspect"
	"github.com/minirun/minirun/internal/language"
	"github.com/minirun/minirun/internal/signals"
	"github.com/minirun/minirun/internal/stdio"
)

const help = `  next [N]   n, space  run this step, or N steps
  continue   c         run all remaining steps
  chapter    N         run to the first step of the next chapter: cgroup, namespaces, mounts,
                       pivot, identity, capabilities, exec, those that the plan has
  chapters   L         the chapters, and the current one
  at X       a         stop before X: a number, a chapter, a call (pivot_root), a group
                       (filesystem), a JSON path (mounts[2]) or part of a name
  until X    u         stop after the last of X
  list       l         the steps around this one
  info       i         the process: namespaces, mounts, identity, cgroup
  shell [C]  s         a shell, or the command C, where the process is (nsenter)
  quit       q, ^C     stop the container here, and remove it
             ^Z        stop minirun; the shell's fg continues it
`

// readCommand reads a key or a line.
func (d *Debugger) readCommand(at observer.Stop) ([]string, error) {
	const prompt = "(step) "
	if !d.keys {
		fmt.Fprintf(d.w, "%s", prompt)
		return d.readLine(at)
	}
	key, err := d.readKey(at, prompt)
	if err != nil {
		return nil, err
	}
	switch key {
	case 26: // ^Z
		fmt.Fprintln(d.w)
		signals.SuspendJob(unix.SIGTSTP)
		return nil, nil
	case 3, 4: // ^C and ^D
		key = 'q'
	case ' ', '\r', '\n':
		key = 'n'
	}
	fmt.Fprintf(d.w, "%c\n", key)
	if key == 'a' || key == 'u' {
		fmt.Fprintf(d.w, "stop %s: ", map[byte]string{'a': "before", 'u': "after"}[key])
		words, err := d.readLine(at)
		return append([]string{string(key)}, words...), err
	}
	return []string{string(key)}, nil
}

// readKey reads a key. A background job is stopped until it is in the foreground.
func (d *Debugger) readKey(at observer.Stop, prompt string) (byte, error) {
	in := stdio.Descriptor(d.in.Fd())
	if err := at.AwaitForeground(in); err != nil {
		return 0, err
	}
	tty, err := console.ConsoleFromFile(d.in)
	if err != nil {
		return 0, err
	}
	if err := tty.SetRaw(); err != nil {
		return 0, fmt.Errorf("put the terminal into raw mode: %w", err)
	}
	fmt.Fprintf(d.w, "%s", prompt) // not earlier: no key may arrive while the terminal reads lines
	key, err := d.readByte(at)
	defer stdio.IgnoreJobControl()()
	if !in.InBackground() {
		err = errors.Join(err, tty.Reset())
	}
	return key, err
}

// readLine reads a line; the end of the input means quit.
func (d *Debugger) readLine(at observer.Stop) ([]string, error) {
	var text []byte
	for {
		b, err := d.readByte(at)
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

// readByte reads a single byte: the input after a command may be the container's.
func (d *Debugger) readByte(at observer.Stop) (byte, error) {
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

// execute executes a command; proceed is true if the process continues.
func (d *Debugger) execute(at observer.Stop, words []string) (proceed bool, err error) {
	if len(words) == 0 {
		return false, nil
	}
	rest := strings.Join(words[1:], " ")
	switch words[0] {
	case "n", "next":
		return d.runSteps(rest), nil
	case "c", "continue":
		d.stop = nil
		return true, nil
	case "a", "at", "u", "until":
		stop, err := d.parsePlace(Place{Text: rest, After: words[0][0] == 'u'}, at.Next)
		if err != nil {
			fmt.Fprintln(d.w, err)
			return false, nil
		}
		here := at.Next
		d.stop = func(next int) bool { return next != here && stop(next) }
		return true, nil
	case "N", "chapter":
		return d.nextChapter(at.Next), nil
	case "L", "chapters":
		d.listChapters(at.Next)
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

// runSteps lets count steps run before the next stop, 1 if it is empty.
func (d *Debugger) runSteps(count string) bool {
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

// list shows the steps around the next one.
func (d *Debugger) list(next int) {
	for i := max(0, next-4); i < min(len(d.plan.Steps), next+9); i++ {
		mark := "  "
		if i == next {
			mark = "→ "
		}
		fmt.Fprintf(d.w, "%s%4d  %-34s %s\n", mark, i, language.Text(d.plan.Steps[i].Name),
			truncate(d.plan.CallText(&d.plan.Steps[i]), 90))
	}
}

// info shows the facts of the process.
func (d *Debugger) info(pid int) {
	f, own := inspect.ReadFacts(pid), inspect.ReadFacts(os.Getpid()).Namespaces
	fmt.Fprintln(d.w, language.Text(fmt.Sprintf("process %d", pid)))
	for _, kind := range inspect.NamespaceKinds {
		whose := "its own"
		if f.Namespaces[kind] == own[kind] {
			whose = "minirun's"
		}
		fmt.Fprintf(d.w, "  %-8s %s  %s\n", kind, cmp.Or(f.Namespaces[kind], "?"), whose)
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
