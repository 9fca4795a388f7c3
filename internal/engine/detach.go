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

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container"
	"github.com/minirun/minirun/internal/engine/attendance"
	"github.com/minirun/minirun/internal/engine/console"
	"github.com/minirun/minirun/internal/engine/logfile"
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
	log := logfile.Discard()
	if !r.NoLog {
		if log, err = logfile.OpenWriter(e.file(a.id, logFile)); err != nil {
			return err
		}
	}
	streams, err := console.Take(console.Options{Dir: e.Store.Container(a.id), Terminal: r.Terminal, Input: r.Interactive,
		Log: log.Copy})
	if err != nil {
		return err
	}
	end, err := a.attendUntilEnd(r, o, func() { say(answer{Started: true}) })
	if err != nil {
		say(answer{Error: err.Error(), Status: end.Status})
		e.note(a.id, err)
	}
	streams.Finish()
	return errors.Join(err, log.Close())
}
