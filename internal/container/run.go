package container

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

// RunOptions are what `run` adds to creating a container.
type RunOptions struct {
	Detach bool // return when the program has started
	Keep   bool // do not delete the container when it has exited

	Started func() // called, if not nil, when the program runs
}

// Run creates, starts, waits for and deletes a container, and returns its exit status:
// its own, or 128 plus the number of the signal that ended it.
func Run(o Options, how RunOptions) (int, error) {
	if how.Detach {
		return 0, runDetached(o)
	}
	queue, err := signals.Catch()
	if err != nil {
		return 0, err
	}
	c, err := create(o, purpose{starts: true, attends: true, signals: queue})
	if err != nil {
		return 0, err
	}
	if err := c.start(); err != nil {
		return 0, err
	}
	c.forwardNotify()
	if how.Started != nil {
		how.Started()
	}
	return c.accompany(how.Keep)
}

// accompany attends a container until it exits, and deletes it.
func (c *Container) accompany(keep bool) (int, error) {
	begin := c.began()
	status, err := c.attend()
	if err != nil {
		return 0, errors.Join(err, c.destroy())
	}
	c.finishNotify()
	c.did(begin, fmt.Sprintf(Ended+" with status %d", status), "minirun passed on signals and the terminal", "process.args")
	if keep {
		return status, nil
	}
	begin = c.began()
	warnings, err := c.Delete()
	c.did(begin, "delete the container: its cgroup and its state directory", "the kernel removed namespaces and mounts with its last process", "")
	for _, w := range warnings {
		c.options.Warn(w)
	}
	return status, err
}

func runDetached(o Options) error {
	c, err := create(o, purpose{starts: true})
	if err != nil {
		return err
	}
	if err := c.start(); err != nil {
		return err
	}
	c.awaitReady()
	c.Close()
	return nil
}

// attend forwards signals and the terminal until the container exits.
func (c *child) attend() (int, error) {
	var own *terminal
	if c.Console != nil {
		var err error
		if own, err = newTerminal(c.Console, c.settings.Terminal); err != nil {
			return 0, err
		}
		defer own.restore()
	}
	c.relay.begin()
	if err := c.forwardUntilEnd(own); err != nil {
		return 0, err
	}
	status, err := c.Wait()
	if own != nil {
		// All output must be written, unless a signal asks to exit: the caller's
		// terminal may be stopped (^S), or a pipe in its place may not be read.
		_ = c.signals.ForReadable(own.copied)
	}
	c.finishPipes()
	return status, err
}

func (c *child) forwardUntilEnd(own *terminal) error {
	came := c.signals.Early
	for {
		for _, s := range came {
			if err := c.forward(s, own); err != nil {
				c.settings.Warn(err)
			}
		}
		more, err := wait.ForSignal(c.signals.Queue.FD, int(c.PidFD().Fd()))
		if err != nil || !more {
			return err
		}
		if came, err = c.signals.Queue.Pending(); err != nil {
			return err
		}
	}
}

// forward passes on a signal.
func (c *child) forward(s unix.Signal, own *terminal) error {
	if s == unix.SIGWINCH && own != nil {
		return own.resize()
	}
	if err := c.Signal(s); err != nil {
		return fmt.Errorf("forward %s: %w", unix.SignalName(s), err)
	}
	return nil
}

// A terminal relays between minirun's standard input and output and the container's
// terminal.
type terminal struct {
	master *os.File
	size   int // the caller's terminal, whose size is copied to the container's
	copied int // an eventfd, readable when all output is written; closed when minirun exits

	mu       sync.Mutex
	own      console.Console // standard input in raw mode; nil: it is not
	restored bool
}

func newTerminal(master *os.File, size int) (*terminal, error) {
	copied, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	t := &terminal{master: master, size: size, copied: copied}
	if err := t.resize(); err != nil {
		return nil, err
	}
	if err := t.takeOver(); err != nil {
		return nil, err
	}
	go t.copyInput() // ends with minirun
	go func() {
		out := &failing{Writer: stdio.Out}
		_, _ = io.Copy(out, master) // EIO when the last process has closed the slave
		if out.err != nil {
			master.Close() // hang up: the program must not continue as if its output were shown
		}
		wait.Wake(t.copied)
	}()
	return t, nil
}

// takeOver puts standard input into raw mode if it is a terminal. A background job
// leaves it to the shell: see stdio.IgnoreJobControl. A terminal that is not the input
// stays as it is, and ^C terminates minirun.
func (t *terminal) takeOver() error {
	defer stdio.IgnoreJobControl()()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.own != nil || t.restored || !isTerminal(0) || inBackground(0) {
		return nil
	}
	own, err := console.ConsoleFromFile(os.Stdin) // reads the settings that are restored later
	if err == nil {
		err = own.SetRaw()
	}
	if err != nil {
		return fmt.Errorf("put the terminal into raw mode: %w", err)
	}
	t.own = own
	return nil
}

// copyInput copies standard input to the container's terminal while minirun is in
// the foreground.
func (t *terminal) copyInput() {
	defer stdio.IgnoreJobControl()()
	buf := make([]byte, 4096)
	for {
		if inBackground(0) {
			time.Sleep(backgroundPause * time.Millisecond)
			continue
		}
		if err := t.takeOver(); err != nil {
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

// failing records the error of a writer.
type failing struct {
	io.Writer
	err error
}

func (f *failing) Write(data []byte) (n int, err error) {
	n, f.err = f.Writer.Write(data)
	return n, f.err
}

// resize gives the container's terminal the size of minirun's.
func (t *terminal) resize() error {
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

// restore restores the settings of minirun's terminal, unless the shell has it again.
func (t *terminal) restore() {
	defer stdio.IgnoreJobControl()()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.restored = true
	if t.own != nil && !inBackground(0) {
		_ = t.own.Reset()
	}
	t.master.Close()
}
