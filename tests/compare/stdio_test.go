// The standard descriptors of a runtime, and the console socket.
package compare

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/containerd/console"
	"golang.org/x/sys/unix"
)

// collector collects the output of a descriptor.
type collector struct {
	mu   sync.Mutex
	data []byte
	done chan struct{}
}

func collect(from io.Reader) *collector {
	c := &collector{done: make(chan struct{})}
	go func() {
		defer close(c.done)
		buffer := make([]byte, 64<<10)
		for {
			n, err := from.Read(buffer)
			c.mu.Lock()
			c.data = append(c.data, buffer[:n]...)
			c.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return c
}

func (c *collector) text() string {
	if c == nil {
		return ""
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.data)
}

type stdio struct {
	flags    []string // for the runtime
	files    [3]*os.File
	extra    []*os.File
	keep     io.WriteCloser // writing a line here releases the probe
	stdout   *collector
	stderr   *collector
	filePath string // stdout is this file
	socket   net.Listener
	master   chan console.Console
	session  bool // the terminal becomes the runtime's controlling terminal
	closers  []io.Closer

	mu       sync.Mutex
	pty      console.Console // our end of the terminal, once it exists
	terminal *collector      // output of a terminal received over the console socket
}

func openStdio(b *bundle, opts runOptions) (s *stdio, err error) {
	s = &stdio{}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if opts.terminal == "own" {
		return s, s.openTerminal()
	}
	if opts.terminal == "socket" {
		if err := s.listen(filepath.Join(box.dir, "console.sock")); err != nil {
			return s, err
		}
	}
	if err := s.openStdin(b, opts); err != nil {
		return s, err
	}
	switch opts.stdout {
	case "":
		read, write, err := os.Pipe()
		if err != nil {
			return s, err
		}
		s.files[1], s.stdout = write, collect(read)
		s.closers = append(s.closers, read)
	case "file":
		s.filePath = b.dir + "/stdout"
		if s.files[1], err = os.OpenFile(s.filePath, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600); err != nil {
			return s, err
		}
	case "null":
		s.filePath = b.root + "/report"
		if s.files[1], err = os.OpenFile("/dev/null", os.O_WRONLY, 0); err != nil {
			return s, err
		}
	}
	read, write, err := os.Pipe()
	if err != nil {
		return s, err
	}
	s.files[2], s.stderr = write, collect(read)
	s.closers = append(s.closers, read)
	for i := range opts.preserveFDs + opts.extraFDs {
		f, err := os.OpenFile(fmt.Sprintf("%s/extra-%d", b.dir, i), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return s, err
		}
		s.extra = append(s.extra, f)
	}
	return s, nil
}

func (s *stdio) openStdin(b *bundle, opts runOptions) (err error) {
	switch opts.stdin {
	case "":
		read, write, err := os.Pipe()
		if err != nil {
			return err
		}
		s.files[0], s.keep = read, write
	case "null", "closed":
		s.files[0], err = os.Open("/dev/null")
	case "file":
		if err = os.WriteFile(b.dir+"/stdin", []byte("line\n"), 0o600); err == nil {
			s.files[0], err = os.Open(b.dir + "/stdin")
		}
	default:
		err = fmt.Errorf("stdin %q", opts.stdin)
	}
	return err
}

// openTerminal connects the runtime's own stdio to a terminal that is its controlling terminal, as in
// a shell.
func (s *stdio) openTerminal() error {
	pty, slavePath, err := console.NewPty()
	if err != nil {
		return err
	}
	s.closers = append(s.closers, pty)
	if err := pty.Resize(console.WinSize{Width: 91, Height: 37}); err != nil {
		return err
	}
	for i := range s.files {
		if s.files[i], err = os.OpenFile(slavePath, os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
			return err
		}
	}
	s.session, s.keep, s.stdout, s.pty = true, pty, collect(pty), pty
	return nil
}

// listen receives one terminal over a console socket, as an engine does.
func (s *stdio) listen(path string) error {
	os.Remove(path)
	listener, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	s.socket, s.master = listener, make(chan console.Console, 1)
	s.closers = append(s.closers, listener)
	s.flags = []string{"--console-socket", path}
	go func() {
		defer close(s.master)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		data, control := make([]byte, 4096), make([]byte, 4096)
		_, n, _, _, err := conn.(*net.UnixConn).ReadMsgUnix(data, control)
		if err != nil {
			return
		}
		messages, err := unix.ParseSocketControlMessage(control[:n])
		if err != nil || len(messages) != 1 {
			return
		}
		fds, err := unix.ParseUnixRights(&messages[0])
		if err != nil || len(fds) != 1 {
			return
		}
		if c, err := console.ConsoleFromFile(os.NewFile(uintptr(fds[0]), "master")); err == nil {
			s.master <- c
		}
	}()
	return nil
}

func (s *stdio) attach(cmd *exec.Cmd) error {
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.files[0], s.files[1], s.files[2]
	cmd.ExtraFiles = s.extra
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if s.session {
		cmd.SysProcAttr.Setsid, cmd.SysProcAttr.Setctty = true, true
	}
	return nil
}

// started closes our copies of the runtime's descriptors, so that end of file arrives when the last
// process has closed them.
func (s *stdio) started() {
	for _, f := range append(s.files[:], s.extra...) {
		if f != nil {
			f.Close()
		}
	}
	if s.socket == nil {
		return
	}
	go func() { // the terminal replaces stdin and stdout
		if pty, ok := <-s.master; ok {
			s.mu.Lock()
			s.pty, s.terminal = pty, collect(pty)
			s.mu.Unlock()
		}
	}()
}

// output returns the output so far.
func (s *stdio) output() []byte {
	if s.filePath != "" {
		return []byte(readOr(s.filePath))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return []byte(s.stdout.text() + s.terminal.text())
}

// release lets the probe continue.
func (s *stdio) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pty != nil {
		s.pty.Write([]byte("\n"))
		return
	}
	if s.keep != nil {
		s.keep.Close()
	}
}

// drain waits until the output ends, or for a short time if a process still has it open.
func (s *stdio) drain() {
	s.mu.Lock()
	collectors := []*collector{s.stdout, s.stderr, s.terminal}
	s.mu.Unlock()
	for _, c := range collectors {
		if c == nil {
			continue
		}
		select {
		case <-c.done:
		case <-time.After(300 * time.Millisecond):
		}
	}
}

func (s *stdio) close() {
	if s.keep != nil {
		s.keep.Close()
	}
	for _, f := range append(s.files[:], s.extra...) {
		if f != nil {
			f.Close()
		}
	}
	for _, c := range s.closers {
		c.Close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pty != nil {
		s.pty.Close()
	}
}
