package engine

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/containerd/console"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container"
)

// This file runs containers in the background. `run --detach` starts this program
// again, as the monitor of one container, which runs as long as the container:
//
//	run -d ──fork──▶ monitor ──▶ container
//	   ◀─ started ─┘    ◀── its output, to the log

// Detach starts a monitor for a container and returns when the container's program
// runs. The monitor gets flags of `run`.
func (e *Engine) Detach(r *Record, flags []string) error {
	ours, theirs, err := os.Pipe()
	if err != nil {
		return err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	args := []string{"--root", e.Root, "--store", e.Store.Dir}
	if e.Systemd {
		args = append(args, "--systemd-cgroup")
	}
	if e.NoCgroup {
		args = append(args, "--cgroup-manager=disabled")
	}
	args = append(append(append(args, "monitor"), flags...), r.Container)
	cmd := exec.Command(e.Program, args...)
	cmd.Args[0] = "minirun"
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = null, null, null, []*os.File{theirs}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return errors.Join(err, e.removeUnstarted(r))
	}
	theirs.Close()
	null.Close()
	answer, err := io.ReadAll(io.LimitReader(ours, 1<<16))
	ours.Close()
	text := string(answer)
	switch {
	case err != nil:
		return err
	case text == startedAnswer:
		return cmd.Process.Release()
	case text == "":
		return fmt.Errorf("container %s did not start: its monitor process exited", r.Container)
	}
	_ = cmd.Wait()
	status, message, _ := strings.Cut(text, " ")
	return &NotStarted{errors.New(message), status}
}

const startedAnswer = "started"

// NotStarted reports that a detached container failed to start.
type NotStarted struct {
	error
	status string
}

// Status returns the exit status for the failure.
func (e *NotStarted) Status() int {
	var n int
	if _, err := fmt.Sscan(e.status, &n); err != nil {
		return CannotRun
	}
	return n
}

// Monitor runs a container, writes its output to its log and reports on answer whether
// it has started.
func (e *Engine) Monitor(id string, o container.Options, answer *os.File) error {
	unix.CloseOnExec(int(answer.Fd()))
	r, err := e.Record(id)
	if err != nil {
		return err
	}
	log, err := openLog(e.file(id, logFile))
	if err != nil {
		return err
	}
	finish, err := log.takeOutput(r.Terminal)
	if err != nil {
		return err
	}
	var once sync.Once
	say := func(text string) {
		once.Do(func() {
			_, _ = io.WriteString(answer, text)
			answer.Close()
		})
	}
	status, err := e.Run(r, o, func() { say(startedAnswer) })
	if err != nil {
		say(fmt.Sprintf("%d %v", status, err))
	}
	finish()
	return err
}

// takeOutput redirects the standard output and error of this process, which the
// container inherits, to the log.
func (l *log) takeOutput(terminal bool) (finish func(), err error) {
	if terminal {
		return l.takeTerminal()
	}
	var all sync.WaitGroup
	for fd, stream := range map[int]string{1: "stdout", 2: "stderr"} {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		if err := unix.Dup3(int(w.Fd()), fd, 0); err != nil {
			return nil, err
		}
		w.Close()
		all.Go(func() { l.copy(stream, r) })
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
		_ = l.close()
	}, nil
}

// logDeadline limits how long logging the last output of a container may take.
const logDeadline = 10 * time.Second

// takeTerminal gives this process a terminal, so that the container's is relayed to it
// as to any other.
func (l *log) takeTerminal() (finish func(), err error) {
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
	go l.copy("stdout", master)
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
