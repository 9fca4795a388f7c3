// Package terminal connects the standard descriptors and the terminal of minirun's caller
// with those of a container.
package terminal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/containerd/console"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/wait"
	"github.com/minirun/minirun/internal/signals"
	"github.com/minirun/minirun/internal/stdio"
)

// A Relay copies between minirun's standard input and output and the container's
// terminal.
type Relay struct {
	master *os.File
	size   int // the caller's terminal, whose size is copied to the container's
	Copied int // an eventfd, readable when all output is written; closed when minirun exits

	mu       sync.Mutex
	input    console.Console // standard input, which is or was in raw mode; nil: not yet
	restored bool

	interrupts func(*Relay) // see NewRelay
	typed      int          // ^C, in succession

	staysInBackground bool // it was not stopped there, or must exit: see AwaitForeground
}

// NewRelay connects the master of a container's terminal. size is the caller's terminal.
// interrupts is called when the user has typed ^C several times in succession.
func NewRelay(master *os.File, size int, interrupts func(*Relay)) (*Relay, error) {
	copied, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	t := &Relay{master: master, size: size, Copied: copied, interrupts: interrupts}
	if err := t.Resize(); err != nil {
		return nil, err
	}
	if err := t.setRaw(); err != nil {
		return nil, err
	}
	go t.copyInput() // ends with minirun
	go func() {
		out := &errorWriter{Writer: stdio.Out}
		_, _ = io.Copy(out, master) // EIO when the last process has closed the slave
		if out.err != nil {
			master.Close() // hang up: the program must not continue as if its output were shown
		}
		wait.Wake(t.Copied)
	}()
	return t, nil
}

// setRaw puts standard input into raw mode if it is a terminal. A background job
// leaves it to the shell. A terminal that is not the input stays as it is, and ^C
// terminates minirun.
func (t *Relay) setRaw() error {
	defer stdio.IgnoreJobControl()()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.restored || !IsTerminal(0) || stdio.In.InBackground() {
		return nil
	}
	input, err := t.input, error(nil)
	if input == nil {
		input, err = console.ConsoleFromFile(os.Stdin) // reads the settings that are restored later
	}
	if err == nil {
		err = input.SetRaw()
	}
	if err != nil {
		return fmt.Errorf("put the terminal into raw mode: %w", err)
	}
	t.input = input
	return nil
}

// setRawFirst is setRaw for a job that began in the background and was not stopped there:
// no signal reports that it is in the foreground.
func (t *Relay) setRawFirst() error {
	t.mu.Lock()
	was := t.input != nil
	t.mu.Unlock()
	if was {
		return nil
	}
	return t.setRaw()
}

// copyInput copies standard input to the container's terminal while minirun is in
// the foreground.
func (t *Relay) copyInput() {
	defer stdio.IgnoreJobControl()()
	buf := make([]byte, 4096)
	for {
		if stdio.In.InBackground() {
			time.Sleep(backgroundPause * time.Millisecond)
			continue
		}
		if err := t.setRawFirst(); err != nil {
			return
		}
		_, _ = unix.Poll([]unix.PollFd{{Fd: 0, Events: unix.POLLIN}}, -1) // the read returns the same error
		if stdio.In.InBackground() {
			continue
		}
		n, err := stdio.In.Read(buf)
		if errors.Is(err, unix.EIO) && stdio.In.InBackground() {
			continue
		}
		if err != nil {
			return
		}
		if _, err := t.master.Write(buf[:n]); err != nil {
			return
		}
		t.countInterrupts(buf[:n])
	}
}

// countInterrupts counts ^C.
func (t *Relay) countInterrupts(input []byte) {
	const interrupt, several = 3, 3
	for _, b := range input {
		if b != interrupt {
			t.typed = 0
			continue
		}
		if t.typed++; t.typed == several {
			t.interrupts(t)
		}
	}
}

// An errorWriter records the error of a writer.
type errorWriter struct {
	io.Writer
	err error
}

func (f *errorWriter) Write(data []byte) (n int, err error) {
	n, f.err = f.Writer.Write(data)
	return n, f.err
}

// Resize gives the container's terminal the size of minirun's.
func (t *Relay) Resize() error {
	size, err := unix.IoctlGetWinsize(t.size, unix.TIOCGWINSZ)
	if err != nil {
		return fmt.Errorf("read the terminal's size: %w", err)
	}
	err = unix.IoctlSetWinsize(int(t.master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: size.Row, Col: size.Col})
	if errors.Is(err, unix.EBADF) {
		return nil // it has been hung up
	}
	return err
}

// settle is how long a background job waits for signals that arrive together before it
// is stopped, and for SIGCONT after it was: kill(1) of a shell sends SIGTERM and SIGCONT.
const settle = 100 * time.Millisecond

// AwaitForeground stops minirun if it is a background job whose container has a terminal,
// as the terminal stops a program that changes its settings. The container continues, and
// so does minirun when the shell puts it into the foreground. signals is readable if
// there are signals to handle first.
func (t *Relay) AwaitForeground(pending int) {
	if t == nil || t.staysInBackground || !stdio.In.InBackground() || wait.ForReadable(pending, settle) {
		return
	}
	signals.SuspendJob(unix.SIGTTOU)
	// No signal: it was not stopped, because no shell could continue it.
	t.staysInBackground = !wait.ForReadable(pending, settle)
}

// StayInBackground makes a background job continue: it has to exit.
func (t *Relay) StayInBackground() {
	if t != nil {
		t.staysInBackground = true
	}
}

// Suspend gives the terminal back before minirun is stopped, or writes to it itself.
func (t *Relay) Suspend() {
	if t == nil {
		return
	}
	defer stdio.IgnoreJobControl()()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.input != nil && !stdio.In.InBackground() {
		_ = t.input.Reset()
	}
}

// Continue takes the terminal again: the shell has changed its settings, and its size may
// be another.
func (t *Relay) Continue() error {
	if t == nil {
		return nil
	}
	if err := t.setRaw(); err != nil {
		return err
	}
	return t.Resize()
}

// Restore restores the settings of minirun's terminal, unless the shell has it again.
func (t *Relay) Restore() {
	defer stdio.IgnoreJobControl()()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.restored = true
	if t.input != nil && !stdio.In.InBackground() {
		_ = t.input.Reset()
	}
	t.master.Close()
}
