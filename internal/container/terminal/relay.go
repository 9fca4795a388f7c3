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
	"github.com/minirun/minirun/internal/stdio"
)

// A Relay copies between minirun's standard input and output and the container's
// terminal.
type Relay struct {
	master *os.File
	size   int // the caller's terminal, whose size is copied to the container's
	Copied int // an eventfd, readable when all output is written; closed when minirun exits

	mu       sync.Mutex
	input    console.Console // standard input in raw mode; nil: it is not
	restored bool
}

// NewRelay connects the master of a container's terminal. size is the caller's terminal.
func NewRelay(master *os.File, size int) (*Relay, error) {
	copied, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	t := &Relay{master: master, size: size, Copied: copied}
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
// leaves it to the shell: see stdio.IgnoreJobControl. A terminal that is not the input
// stays as it is, and ^C terminates minirun.
func (t *Relay) setRaw() error {
	defer stdio.IgnoreJobControl()()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.input != nil || t.restored || !IsTerminal(0) || inBackground(0) {
		return nil
	}
	input, err := console.ConsoleFromFile(os.Stdin) // reads the settings that are restored later
	if err == nil {
		err = input.SetRaw()
	}
	if err != nil {
		return fmt.Errorf("put the terminal into raw mode: %w", err)
	}
	t.input = input
	return nil
}

// copyInput copies standard input to the container's terminal while minirun is in
// the foreground.
func (t *Relay) copyInput() {
	defer stdio.IgnoreJobControl()()
	buf := make([]byte, 4096)
	for {
		if inBackground(0) {
			time.Sleep(backgroundPause * time.Millisecond)
			continue
		}
		if err := t.setRaw(); err != nil {
			return
		}
		_, _ = unix.Poll([]unix.PollFd{{Fd: 0, Events: unix.POLLIN}}, -1) // the read returns the same error
		if inBackground(0) {
			continue
		}
		n, err := stdio.In.Read(buf)
		if errors.Is(err, unix.EIO) && inBackground(0) {
			continue
		}
		if err != nil {
			return
		}
		if _, err := t.master.Write(buf[:n]); err != nil {
			return
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

// Restore restores the settings of minirun's terminal, unless the shell has it again.
func (t *Relay) Restore() {
	defer stdio.IgnoreJobControl()()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.restored = true
	if t.input != nil && !inBackground(0) {
		_ = t.input.Reset()
	}
	t.master.Close()
}
