package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/containerd/console"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container"
	"github.com/minirun/minirun/internal/engine/attendance"
)

// This file runs containers in the background. `run --detach` starts this program
// again, as the monitor of one container, which runs as long as the container:
//
//	run -d ──fork──▶ monitor ──▶ container
//	   ◀─ started ─┘    ◀── its output, to the log

// Detach starts a monitor for a container and returns when the container's program
// runs. The monitor gets flags of `run`.
func (e *Engine) Detach(r *Record, flags []string) error {
	a, err := e.attend(r.Container)
	if err != nil {
		return err
	}
	defer a.leave()
	return a.handOver(r, flags)
}

// handOver starts a monitor, which becomes the attendant. If it exits without an answer, the caller
// still is. The flags are only for this start.
func (a *attendant) handOver(r *Record, flags []string) error {
	e := a.engine
	ours, theirs, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ours.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	cmd := e.monitorCommand(r, flags)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = null, null, null, []*os.File{theirs, a.File}
	isNew := a.Now.Started.IsZero()
	err = cmd.Start()
	theirs.Close()
	if err == nil {
		err = e.readAnswers(ours)
	}
	var failed *NotStarted
	switch {
	case err == nil:
		return cmd.Process.Release()
	case errors.As(err, &failed):
		_ = cmd.Wait()
		return err
	case isNew:
		err = errors.Join(err, a.cleanUp(r, true), e.removeWithVolumes(r))
	}
	return fmt.Errorf("container %s did not start: %w", r.Container, err)
}

// monitorCommand returns the command that runs a monitor.
func (e *Engine) monitorCommand(r *Record, flags []string) *exec.Cmd {
	args := []string{"--root", e.Root, "--store", e.Store.Dir}
	if r.Manager != "" {
		args = append(args, "--cgroup-manager", r.Manager)
	}
	cmd := exec.Command(e.Program, slices.Concat(args, []string{"monitor"}, r.Flags, flags, []string{r.Container})...)
	cmd.Args[0] = "minirun"
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// An answer is what a monitor reports to the process that started it, as one line of JSON.
type answer struct {
	Warning string `json:"warning,omitempty"`
	Started bool   `json:"started,omitempty"`
	Error   string `json:"error,omitempty"`
	Status  int    `json:"status,omitempty"` // with an error: the exit status
}

// readAnswers reads the answers of a monitor until the container runs.
func (e *Engine) readAnswers(from io.Reader) error {
	for lines := json.NewDecoder(from); ; {
		var n answer
		err := lines.Decode(&n)
		switch {
		case errors.Is(err, io.EOF):
			return errors.New("its monitor process exited")
		case err != nil:
			return err
		case n.Started:
			return nil
		case n.Warning != "":
			e.Warn(n.Warning)
		default:
			return &NotStarted{errors.New(n.Error), n.Status}
		}
	}
}

// NotStarted reports that a detached container failed to start.
type NotStarted struct {
	error
	status int
}

// Status returns the exit status for the failure.
func (e *NotStarted) Status() int { return e.status }

// Monitor attends a container whose claim was handed to it with an open file, writes its output to
// its log, and answers whether it has started.
func (e *Engine) Monitor(id string, o container.Options, answers, attended *os.File) error {
	unix.CloseOnExec(int(answers.Fd()))
	unix.CloseOnExec(int(attended.Fd()))
	a := &attendant{Claim: attendance.Adopt(attended), engine: e, id: id}
	defer a.leave()
	say := e.answerOn(id, answers)
	err := a.monitor(o, say)
	if err != nil {
		say(answer{Error: err.Error(), Status: CannotRun}) // unless an answer was sent
	}
	return err
}

// answerOn returns a function that sends answers until one is final. Warnings go to the notes too.
func (e *Engine) answerOn(id string, answers *os.File) (say func(answer)) {
	var mutex sync.Mutex
	open := true
	say = func(n answer) {
		mutex.Lock()
		defer mutex.Unlock()
		if !open {
			return
		}
		_ = json.NewEncoder(answers).Encode(n)
		if n.Warning == "" {
			open = false
			answers.Close()
		}
	}
	e.Warn = func(what any) {
		if !isDebug(what) {
			say(answer{Warning: fmt.Sprint(what)})
			e.note(id, what)
		}
	}
	return say
}

func (a *attendant) monitor(o container.Options, say func(answer)) error {
	e := a.engine
	r, err := e.Record(a.id)
	if err != nil {
		return err
	}
	log := &log{}
	if !r.NoLog {
		if log, err = openLog(e.file(a.id, logFile)); err != nil {
			return err
		}
	}
	finish, err := log.takeOutput(r.Terminal)
	if err != nil {
		return err
	}
	end, err := a.attendUntilEnd(r, o, func() { say(answer{Started: true}) })
	if err != nil {
		say(answer{Error: err.Error(), Status: end.Status})
		e.note(a.id, err)
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
