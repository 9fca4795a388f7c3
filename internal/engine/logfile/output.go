package logfile

import (
	"os"
	"sync"
	"time"

	"github.com/containerd/console"
	"golang.org/x/sys/unix"
)

// TakeOutput redirects the standard output and error of this process, which the
// container inherits, to the log.
func (w *Writer) TakeOutput(terminal bool) (finish func(), err error) {
	if terminal {
		return w.takeTerminal()
	}
	var all sync.WaitGroup
	for fd, stream := range map[int]string{1: "stdout", 2: "stderr"} {
		from, to, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		if err := unix.Dup3(int(to.Fd()), fd, 0); err != nil {
			return nil, err
		}
		to.Close()
		all.Go(func() {
			w.Copy(stream, from)
			_ = from.Close()
		})
	}
	return func() {
		toNull(1, 2)
		// A process that outlived the container, which is only possible without a
		// cgroup, may keep the other ends open for as long as it likes.
		copied := make(chan struct{})
		go func() {
			all.Wait()
			close(copied)
		}()
		select {
		case <-copied:
		case <-time.After(logDeadline):
		}
		_ = w.Close()
	}, nil
}

// logDeadline limits how long logging the last output of a container may take.
const logDeadline = 10 * time.Second

// takeTerminal gives this process a terminal, so that the container's is relayed to it
// as to any other.
func (w *Writer) takeTerminal() (finish func(), err error) {
	master, path, err := console.NewPty()
	if err != nil {
		return nil, err
	}
	slave, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	for fd := range 3 {
		if err := unix.Dup3(int(slave.Fd()), fd, 0); err != nil {
			return nil, err
		}
	}
	slave.Close()
	output := &lines{writer: w, stream: "stdout"}
	go output.copy(master)
	return func() {
		// The relay still has the terminal open, so its master never reports end of
		// file: wait until nothing that was written is left to read.
		for empty, tries := 0, 0; empty < 3 && tries < 200; tries++ {
			if n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCINQ); err != nil || n == 0 {
				empty++
			} else {
				empty = 0
			}
			time.Sleep(10 * time.Millisecond)
		}
		toNull(0, 1, 2)
		output.end()
		_ = w.Close()
	}, nil
}

func toNull(fds ...int) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return
	}
	for _, fd := range fds {
		_ = unix.Dup3(int(null.Fd()), fd, 0)
	}
	null.Close()
}
