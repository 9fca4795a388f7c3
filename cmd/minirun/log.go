package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/atomicfile"
	"github.com/minirun/minirun/internal/container/diagnose"
	"github.com/minirun/minirun/internal/container/wait"
	"github.com/minirun/minirun/internal/debuglog"
	"github.com/minirun/minirun/internal/signals"
	"github.com/minirun/minirun/internal/spec"
	"github.com/minirun/minirun/internal/stdio"
	"github.com/minirun/minirun/internal/termtext"
)

var standardError = &patientWriter{to: stdio.Err, limit: patience}

// Messages go to standard error, or to --log in the format that engines read: one line
// each, logfmt or JSON with time, level and msg as runc writes them.
var messages = struct {
	out   io.Writer
	json  bool
	file  *os.File // of --log; it stays open as long as it is referenced
	debug bool
}{out: standardError}

// patientWriter writes to a descriptor whose reader may have stopped reading or may have
// exited: minirun does not exit because of it, and does not wait forever, nor after a
// signal that asks to exit. Text that cannot be written in time is lost.
type patientWriter struct {
	to    stdio.Descriptor
	limit time.Duration // how long the reader may take
	lost  bool          // it took longer: no more waiting
}

const (
	patience = 10 * time.Second
	haste    = time.Second            // after a signal asked to exit
	glance   = 100 * time.Millisecond // between two checks for such a signal
	noLimit  = 1<<63 - 1              // a narrated start waits for its reader
)

func (p *patientWriter) Write(data []byte) (int, error) {
	for rest := data; len(rest) > 0; {
		if err := p.await(); err != nil {
			return len(data) - len(rest), err
		}
		// The amount that a ready pipe takes at once (pipe(7), PIPE_BUF).
		n, err := p.to.Write(rest[:min(len(rest), 4096)])
		if err != nil {
			return len(data) - len(rest) + n, err
		}
		rest = rest[n:]
	}
	return len(data), nil
}

// await waits until the descriptor is ready.
func (p *patientWriter) await() error {
	begin := time.Now()
	for {
		fds := []unix.PollFd{{Fd: int32(p.to), Events: unix.POLLOUT}}
		_, err := unix.Poll(fds, int(glance.Milliseconds()))
		if err != nil && !errors.Is(err, unix.EINTR) || fds[0].Revents != 0 {
			return err
		}
		if p.lost || time.Since(begin) >= p.limit {
			p.lost = true
			return os.ErrDeadlineExceeded
		}
		if q := signals.Current(); q != nil && q.HasTermination() {
			return os.ErrDeadlineExceeded
		}
	}
}

// Fd returns the descriptor's number, as [os.File.Fd] does.
func (p *patientWriter) Fd() uintptr { return p.to.Fd() }

func openLog(c *cli.Context) error {
	messages.debug = c.Bool("debug")
	if c.String("root") == "" { // "$UNSET" in a script: it would be the working directory
		return errors.New("--root: the name of a directory is missing")
	}
	switch format := c.String("log-format"); format {
	case "text":
	case "json":
		messages.json = true
	default:
		return fmt.Errorf("--log-format %q: must be text or json", format)
	}
	if path := c.String("log"); path != "" {
		f, err := atomicfile.Append(path, 0o644)
		if err != nil {
			return fmt.Errorf("--log: %w", err)
		}
		messages.out, messages.file = &patientWriter{to: stdio.Descriptor(f.Fd()), limit: patience}, f // it may be a FIFO
	}
	if messages.debug {
		debuglog.SetSink(func(text string) { logLine("debug", text) })
		debuglog.Printf("minirun %s, commit %s, %s: command %s, process %d of user %d, state in %s",
			version, revision(), goVersion(), c.Args().First(), os.Getpid(), os.Geteuid(), c.String("root"))
	}
	return nil
}

func logLine(level, text string) {
	text = termtext.Bounded(text)
	now := time.Now().Format(time.RFC3339)
	switch {
	case messages.json:
		logJSON(map[string]any{"level": level, "msg": text, "time": now})
	case messages.file != nil:
		fmt.Fprintf(messages.out, "time=%q level=%s msg=%q\n", now, level, text)
	case level == "debug":
		fmt.Fprintf(messages.out, "minirun: debug: %s\n", termtext.Line(text))
	default:
		fmt.Fprintf(messages.out, "minirun: %s\n", termtext.Text(text))
	}
}

func logJSON(entry map[string]any) {
	if line, err := json.Marshal(entry); err == nil {
		fmt.Fprintf(messages.out, "%s\n", line)
	}
}

// logError logs an error. In JSON, the entry for a program that cannot be executed has the error
// number, so that a caller does not have to interpret the message.
func logError(err error) {
	var program *diagnose.ProgramError
	if !messages.json || !errors.As(err, &program) {
		logLine("error", err.Error())
		return
	}
	logJSON(map[string]any{
		"level": "error", "msg": termtext.Bounded(err.Error()), "time": time.Now().Format(time.RFC3339),
		"program_errno": int(program.Errno),
	})
}

// warn reports a problem that does not stop the container. Debug warnings are printed
// only with --debug.
func warn(what any) {
	w, ok := what.(spec.Warning)
	switch {
	case !ok || !w.Debug:
		logLine("warning", fmt.Sprint(what))
	case messages.debug:
		logLine("debug", w.String())
	}
}

// fail reports an error and exits with its exit status.
func fail(err error) {
	var status exitStatus
	if errors.As(err, &status) {
		os.Exit(int(status))
	}
	var interrupted *wait.Interrupted
	if errors.As(err, &interrupted) {
		standardError.limit = haste
	}
	logError(err)
	if messages.file != nil {
		// Engines read the log, people the terminal.
		fmt.Fprintf(standardError, "minirun: %s\n", termtext.Text(termtext.Bounded(err.Error())))
	}
	if interrupted != nil {
		os.Exit(128 + int(interrupted.Signal))
	}
	var failed *failure
	if errors.As(err, &failed) {
		os.Exit(failed.status)
	}
	os.Exit(1)
}

func goVersion() string { return runtime.Version() }
