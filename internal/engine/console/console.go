package console

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/containerd/console"
	"golang.org/x/sys/unix"
)

// Options describe the input and output of a container.
type Options struct {
	Dir      string // the container's directory
	Terminal bool
	Input    bool // clients may write to its standard input
	// Log takes a stream, stdout or stderr, until its end.
	Log func(stream string, from io.Reader)
}

// A Console has the other ends of this process's standard descriptors, which the container
// inherits.
type Console struct {
	options  Options
	listener *os.File
	master   console.Console // nil without a terminal
	stopping *os.File        // closed to end reading from it
	stdin    *os.File        // nil without input
	streams  sync.WaitGroup  // of the output
	logs     sync.WaitGroup

	mutex   sync.Mutex
	clients map[*client]bool
	closed  bool
}

// A client is a connection. Its output is queued.
type client struct {
	conn  *os.File
	queue chan Frame
}

// queued is the number of frames that may wait for a client.
const queued = 256

// deadline limits how long the last output of a container may take.
const deadline = 10 * time.Second

// Take redirects this process's standard descriptors to a console.
func Take(o Options) (*Console, error) {
	c := &Console{options: o, clients: map[*client]bool{}}
	var err error
	if c.listener, err = listen(o.Dir); err != nil {
		return nil, err
	}
	if o.Terminal {
		err = c.takeTerminal()
	} else {
		err = c.takePipes()
	}
	if err != nil {
		c.listener.Close()
		return nil, err
	}
	go c.accept()
	return c, nil
}

// takeTerminal gives this process a terminal, so that the container's is relayed to it as
// to any other.
func (c *Console) takeTerminal() error {
	master, path, err := console.NewPty()
	if err != nil {
		return err
	}
	slave, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	defer slave.Close()
	for fd := range 3 {
		if err := unix.Dup3(int(slave.Fd()), fd, 0); err != nil {
			return err
		}
	}
	stop, stopping, err := os.Pipe()
	if err != nil {
		return err
	}
	c.master, c.stopping = master, stopping
	c.copyStream(Output, "stdout", &terminalReader{master, stop})
	return nil
}

// A terminalReader reads from a terminal's master until the other end of stop is closed. The
// relay still has the slave open, so that there is no end of file, and closing the master
// would not interrupt a read.
type terminalReader struct {
	console.Console
	stop *os.File
}

func (r *terminalReader) Read(data []byte) (int, error) {
	fds := []unix.PollFd{{Fd: int32(r.Fd()), Events: unix.POLLIN}, {Fd: int32(r.stop.Fd()), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(fds, -1)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 0, err
		case fds[0].Revents&unix.POLLIN != 0:
			return r.Console.Read(data)
		default:
			return 0, io.EOF
		}
	}
}

func (r *terminalReader) Close() error { return errors.Join(r.stop.Close(), r.Console.Close()) }

func (c *Console) takePipes() error {
	for fd, stream := range map[int]string{1: "stdout", 2: "stderr"} {
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		if err := unix.Dup3(int(w.Fd()), fd, 0); err != nil {
			return err
		}
		w.Close()
		c.copyStream(byte(fd), stream, r)
	}
	if !c.options.Input {
		return nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	c.stdin = w
	return unix.Dup3(int(r.Fd()), 0, 0)
}

// copyStream copies a stream to the log and to the clients.
func (c *Console) copyStream(kind byte, name string, from io.ReadCloser) {
	r, w := io.Pipe()
	c.logs.Go(func() { c.options.Log(name, r) })
	c.streams.Go(func() {
		defer func() { _, _ = w.Close(), from.Close() }()
		for buf := make([]byte, 32<<10); ; {
			n, err := from.Read(buf)
			if n > 0 {
				_, _ = w.Write(buf[:n])
				c.broadcast(Frame{kind, append([]byte(nil), buf[:n]...)})
			}
			if err != nil {
				return
			}
		}
	})
}

func (c *Console) broadcast(f Frame) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for client := range c.clients {
		select {
		case client.queue <- f:
		default:
			c.remove(client, true)
		}
	}
}

// remove disconnects a client after its queued output. The mutex is locked.
func (c *Console) remove(client *client, slow bool) {
	if !c.clients[client] {
		return
	}
	delete(c.clients, client)
	if slow {
		<-client.queue
		client.queue <- Frame{Kind: TooSlow}
	}
	close(client.queue)
}

func (c *Console) accept() {
	for {
		fd, _, err := unix.Accept4(int(c.listener.Fd()), unix.SOCK_CLOEXEC)
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.ECONNABORTED):
		case err != nil:
			return // shut down
		case !isTrusted(fd):
			_ = unix.Close(fd)
		default:
			c.serve(os.NewFile(uintptr(fd), SocketName))
		}
	}
}

// serve begins to serve a client.
func (c *Console) serve(conn *os.File) {
	n := &client{conn, make(chan Frame, queued)}
	var has byte
	if c.options.Terminal {
		has |= HasTerminal
	}
	if c.options.Input {
		has |= HasInput
	}
	n.queue <- Frame{Hello, []byte{has}}
	c.mutex.Lock()
	if c.closed {
		close(n.queue)
	} else {
		c.clients[n] = true
	}
	c.mutex.Unlock()
	c.streams.Go(func() {
		defer conn.Close()
		for f := range n.queue {
			if err := f.Write(conn); err != nil {
				break
			}
		}
	})
	go func() {
		for {
			f, err := ReadFrame(conn)
			if err != nil || c.take(f) != nil {
				break
			}
		}
		c.mutex.Lock()
		c.remove(n, false)
		c.mutex.Unlock()
	}()
}

// take handles a frame of a client.
func (c *Console) take(f Frame) error {
	switch {
	case f.Kind == Input && c.options.Input && c.master != nil:
		_, err := c.master.Write(f.Data)
		return err
	case f.Kind == Input && c.stdin != nil:
		_, err := c.stdin.Write(f.Data)
		return err
	case f.Kind == Resize && c.master != nil && len(f.Data) == 4:
		size := console.WinSize{Height: binary.BigEndian.Uint16(f.Data), Width: binary.BigEndian.Uint16(f.Data[2:])}
		if err := c.master.Resize(size); err != nil {
			return err
		}
		// The terminal is not the controlling one of this process, so no signal comes.
		return unix.Kill(os.Getpid(), unix.SIGWINCH)
	}
	return nil
}

// Finish waits until all output is written, and disconnects the clients.
func (c *Console) Finish() {
	_ = os.Remove(filepath.Join(c.options.Dir, SocketName))
	_ = unix.Shutdown(int(c.listener.Fd()), unix.SHUT_RDWR)
	if c.stopping != nil {
		c.stopping.Close()
	}
	toNull()
	c.mutex.Lock()
	c.closed = true
	c.mutex.Unlock()
	within(deadline, c.logs.Wait) // another process may have the other ends
	c.mutex.Lock()
	for client := range c.clients {
		c.remove(client, false)
	}
	c.mutex.Unlock()
	within(time.Second, c.streams.Wait) // a client may not read
}

// within calls wait, and returns when it does, or when the time is over.
func within(limit time.Duration, wait func()) {
	done := make(chan struct{})
	go func() {
		wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(limit):
	}
}

// toNull closes this process's ends of its standard descriptors.
func toNull() {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer null.Close()
	for fd := range 3 {
		_ = unix.Dup3(int(null.Fd()), fd, 0)
	}
}
