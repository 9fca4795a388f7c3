// Package attachment attaches a terminal, or pipes, to a detached container: the clients of package
// console.
package attachment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/containerd/console"
	"golang.org/x/sys/unix"

	streams "github.com/minirun/minirun/internal/engine/console"
	"github.com/minirun/minirun/internal/stdio"
)

// A Client attaches this process's standard descriptors to a container.
type Client struct {
	Dir    string // the container's directory
	Name   string // for messages
	Keys   []byte // that detach
	Input  bool   // pass standard input on
	Proxy  bool   // pass signals on
	Signal func(unix.Signal) error
	// Wait waits for the container's end, and returns its exit status.
	Wait func() (int, error)
	Warn func(any)
}

// ErrDetached reports that the user has left a container that continues to run.
var ErrDetached = errors.New("detached")

// errNoTerminal reports that keys would not reach the container's terminal as they are typed.
var errNoTerminal = errors.New("the container has a terminal, but standard input is not one\n" +
	"hint: run it in a terminal, or add --no-stdin")

// interruptsUntilDetached is how many times ^C is passed on to a program that does not react.
const interruptsUntilDetached = 3

// outputLimit limits how long the last output of a container may take.
const outputLimit = 3 * time.Second

// attachment is an attached client.
type attachment struct {
	*Client
	conn     *os.File
	terminal console.Console // in raw mode; nil: it is not
	typed    int             // ^C
	detached chan struct{}
}

// Attach shows the container's output and passes input on, until it ends or the user detaches.
// It returns the container's exit status.
func (c *Client) Attach() (int, error) {
	type ending struct {
		status int
		err    error
	}
	ended := make(chan ending, 1)
	begun := make(chan struct{})
	go func() {
		close(begun)
		status, err := c.Wait()
		ended <- ending{status, err}
	}()
	<-begun
	conn, err := streams.Connect(c.Dir)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ECONNREFUSED):
		return 0, &NotAttachableError{c.Name}
	case err != nil:
		return 0, fmt.Errorf("attach to %s: %w", c.Name, err)
	}
	defer conn.Close()
	a := &attachment{Client: c, conn: conn, detached: make(chan struct{}, 2)}
	first, err := streams.ReadFrame(conn)
	if err != nil || first.Kind != streams.Hello || len(first.Data) != 1 {
		return 0, fmt.Errorf("attach to %s: the process that attends it does not answer: %w", c.Name, err)
	}
	restore, err := a.begin(first.Data[0])
	if err != nil {
		return 0, err
	}
	defer restore()
	shown := make(chan error, 1)
	go func() { shown <- a.show() }()
	select {
	case <-a.detached:
		return 0, ErrDetached
	case err := <-shown: // the container or its attendant exited
		if err != nil {
			return 0, err
		}
		end := <-ended
		return end.status, end.err
	case end := <-ended:
		select { // the rest of the output
		case err := <-shown:
			return end.status, errors.Join(err, end.err)
		case <-time.After(outputLimit): // it has been started again, or its output is still open
			return end.status, end.err
		}
	}
}

// A NotAttachableError is about a container that no monitor attends.
type NotAttachableError struct{ Name string }

func (e *NotAttachableError) Error() string {
	return fmt.Sprintf("cannot attach to container %s: it is not running in the background\n"+
		"hint: minirun ps -a shows its state; minirun start %s starts it", e.Name, e.Name)
}

// begin begins to pass input and signals on. has are the bits of hello.
func (a *attachment) begin(has byte) (restore func(), err error) {
	takesInput := a.Input && has&streams.HasInput != 0
	if has&streams.HasTerminal != 0 && takesInput {
		if !stdio.In.IsTerminal() {
			return nil, errNoTerminal
		}
		if err := stdio.In.AwaitForeground(); err != nil {
			return nil, fmt.Errorf("attach: %w", err)
		}
		if a.terminal, err = console.ConsoleFromFile(os.Stdin); err == nil {
			err = a.terminal.SetRaw()
		}
		if err != nil {
			return nil, fmt.Errorf("put the terminal into raw mode: %w", err)
		}
	}
	restore = func() {
		defer stdio.IgnoreJobControl()()
		if a.terminal != nil && !stdio.In.InBackground() {
			_ = a.terminal.Reset()
		}
	}
	go a.handleSignals(has&streams.HasTerminal != 0)
	if has&streams.HasTerminal != 0 {
		a.resize()
	}
	if takesInput {
		go a.copyInput()
	}
	return restore, nil
}

// show writes the output until the connection ends.
func (a *attachment) show() error {
	for {
		f, err := streams.ReadFrame(a.conn)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, unix.ECONNRESET), errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case err != nil:
			return fmt.Errorf("attach to %s: %w", a.Name, err)
		}
		switch f.Kind {
		case streams.Output:
			_, err = stdio.Out.Write(f.Data)
		case streams.ErrorOutput:
			_, err = stdio.Err.Write(f.Data)
		case streams.TooSlow:
			err = fmt.Errorf("attach to %s: disconnected, because its output was not read\nhint: minirun logs -f %s",
				a.Name, a.Name)
		}
		if err != nil {
			return err
		}
	}
}

func (a *attachment) copyInput() {
	keys := matcher{keys: a.Keys}
	if !stdio.In.IsTerminal() {
		keys.keys = nil
	}
	for buf := make([]byte, 4096); ; {
		n, err := stdio.In.Read(buf)
		pass, found := keys.feed(buf[:n])
		if len(pass) > 0 && (streams.Frame{Kind: streams.Input, Data: pass}).Write(a.conn) != nil {
			return
		}
		if found {
			a.detached <- struct{}{}
			return
		}
		if err != nil {
			return // the container's input stays open: other clients may write to it
		}
	}
}

// resize reports the size of this process's terminal.
func (a *attachment) resize() {
	for _, fd := range []stdio.Descriptor{stdio.In, stdio.Out, stdio.Err} {
		size, err := unix.IoctlGetWinsize(int(fd), unix.TIOCGWINSZ)
		if err == nil && size.Row > 0 && size.Col > 0 {
			data := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, size.Row), size.Col)
			_ = streams.Frame{Kind: streams.Resize, Data: data}.Write(a.conn)
			return
		}
	}
}

// handleSignals passes signals on, and follows the terminal.
func (a *attachment) handleSignals(terminal bool) {
	arrived := make(chan os.Signal, 16)
	signal.Notify(arrived, unix.SIGINT, unix.SIGTERM, unix.SIGQUIT, unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2,
		unix.SIGWINCH, unix.SIGCONT)
	for s := range arrived {
		number, ok := s.(unix.Signal)
		switch {
		case !ok:
		case number == unix.SIGWINCH:
			if terminal {
				a.resize()
			}
		case number == unix.SIGCONT:
			a.continueTerminal()
		case number == unix.SIGHUP: // its terminal is gone, and not the container's
			a.detached <- struct{}{}
		case !a.Proxy:
			a.detached <- struct{}{}
		default:
			a.passSignal(number)
		}
	}
}

// continueTerminal takes the terminal again after the process was stopped.
func (a *attachment) continueTerminal() {
	if a.terminal == nil || stdio.In.InBackground() {
		return
	}
	_ = a.terminal.SetRaw()
	a.resize()
}

// passSignal passes a signal on. After several times ^C without effect the user is detached.
func (a *attachment) passSignal(s unix.Signal) {
	if err := a.Signal(s); err != nil {
		a.Warn(fmt.Errorf("pass %s on to container %s: %w", unix.SignalName(s), a.Name, err))
		return
	}
	if s != unix.SIGINT {
		return
	}
	if a.typed++; a.typed == interruptsUntilDetached {
		a.Warn(fmt.Sprintf("container %s does not react to SIGINT, and continues to run\nhint: minirun stop %s", a.Name,
			a.Name))
		a.detached <- struct{}{}
	}
}
