package trace

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/observer"
	"github.com/minirun/minirun/internal/language"
	"github.com/minirun/minirun/internal/stdio"
	"github.com/minirun/minirun/internal/termtext"
)

// A Holder is `run --hold`: it keeps the container's first process right before its execve,
// so that a reader can look at it from another terminal, until Enter is pressed. The process
// waits for minirun's answer, as it always does: no step is added to its plan.
type Holder struct {
	w        io.Writer
	in       stdio.Descriptor
	style    style
	released bool
}

// NewHolder returns a holder that writes to w. It keeps a copy of standard input, which a
// container from an image may not get.
func NewHolder(w io.Writer) (*Holder, error) {
	in, err := unix.FcntlInt(uintptr(unix.Stdin), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, &os.PathError{Op: "dup", Path: "standard input", Err: err}
	}
	return &Holder{w: termtext.NewWriter(language.NewWriter(w)), in: stdio.Descriptor(in), style: newStyle(w)}, nil
}

// Hold returns when the program may start. A container that is started again is not held.
func (h *Holder) Hold(at observer.Stop) error {
	if h.released {
		return nil
	}
	h.released = true
	defer func() { _ = unix.Close(int(h.in)) }()
	fmt.Fprintf(h.w, "%sheld: process %d waits right before it executes the program%s\n", h.style.bold, at.Pid,
		h.style.off)
	h.showCommands(at.Pid)
	if h.in.IsTerminal() {
		if err := at.AwaitForeground(h.in); err != nil {
			return err
		}
		fmt.Fprintln(h.w, "Press Enter to start the program, or Ctrl-C to remove the container.")
	} else {
		fmt.Fprintf(h.w, "A line on standard input starts the program; kill %d removes the container.\n", os.Getpid())
	}
	return h.awaitEnter(at)
}

// showCommands lists commands for another terminal.
func (h *Holder) showCommands(pid int) {
	fmt.Fprintln(h.w, "look at it from another terminal:")
	for _, command := range [...]string{"cat /proc/%d/status", "ls -l /proc/%d/ns /proc/%[1]d/root/",
		"cat /proc/%d/mountinfo", "cat /proc/%d/cgroup"} {
		fmt.Fprintf(h.w, "  "+command+"\n", pid)
	}
	fmt.Fprintf(h.w, "  %s\n", strings.Join(nsenterCommand(pid), " "))
}

// awaitEnter reads one line. At the end of the input only a signal remains.
func (h *Holder) awaitEnter(at observer.Stop) error {
	fd := int(h.in)
	for {
		if err := at.Wait(fd); err != nil {
			return err
		}
		var one [1]byte
		n, err := h.in.Read(one[:])
		switch {
		case n == 1 && one[0] == '\n':
			return nil
		case n == 0 && (err == nil || errors.Is(err, io.EOF) || errors.Is(err, unix.EIO)):
			fmt.Fprintf(h.w, "standard input was closed: kill %d removes the container\n", os.Getpid())
			fd = -1
		case err != nil:
			return fmt.Errorf("--hold: read standard input: %w", err)
		}
	}
}
