// Package messages writes minirun's messages, for the programs of cmd: warnings and errors, to
// standard error in the user's language or to --log in the format that engines read, and ends the program with the exit
// status that belongs to an error.
package messages

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/atomicfile"
	"github.com/minirun/minirun/internal/container/diagnose"
	"github.com/minirun/minirun/internal/container/wait"
	"github.com/minirun/minirun/internal/debuglog"
	"github.com/minirun/minirun/internal/hint"
	"github.com/minirun/minirun/internal/language"
	"github.com/minirun/minirun/internal/spec"
	"github.com/minirun/minirun/internal/stdio"
	"github.com/minirun/minirun/internal/termtext"
	"github.com/minirun/minirun/internal/version"
)

// Messages go to standard error, or to --log in the format that engines read: one line
// each, logfmt or JSON with time, level and msg as runc writes them.
var log = struct {
	out   io.Writer
	json  bool
	file  *os.File // of --log; it stays open as long as it is referenced
	debug bool
}{out: standardError}

// Open reads the global flags --log, --log-format and --debug.
func Open(c *cli.Context) error {
	log.debug = c.Bool("debug")
	if c.String("root") == "" { // "$UNSET" in a script: it would be the working directory
		return errors.New("--root: the name of a directory is missing")
	}
	switch format := c.String("log-format"); format {
	case "text":
	case "json":
		log.json = true
	default:
		return fmt.Errorf("--log-format %q: must be text or json", format)
	}
	if path := c.String("log"); path != "" {
		f, err := atomicfile.Append(path, 0o644)
		if err != nil {
			return fmt.Errorf("--log: %w", err)
		}
		log.out, log.file = NewWriter(stdio.Descriptor(f.Fd())), f // it may be a FIFO
	}
	if log.debug {
		debuglog.SetSink(func(text string) { Log("debug", text) })
		debuglog.Printf(
			"minirun %s, commit %s, %s: command %s, process %d of user %d, state in %s",
			version.Number(),
			version.Revision(),
			runtime.Version(),
			c.Args().First(),
			os.Getpid(),
			os.Geteuid(),
			c.String("root"),
		)
	}
	return nil
}

// Log writes one message. The levels are error, warning and debug.
func Log(level, text string) {
	text = termtext.Bounded(text)
	now := time.Now().Format(time.RFC3339)
	switch {
	case log.json:
		logJSON(map[string]any{"level": level, "msg": text, "time": now})
	case log.file != nil:
		fmt.Fprintf(log.out, "time=%q level=%s msg=%q\n", now, level, text)
	case level == "debug":
		fmt.Fprintf(log.out, "minirun: debug: %s\n", termtext.Line(text))
	default:
		fmt.Fprintf(log.out, "minirun: %s\n", termtext.Text(language.Text(text)))
	}
}

func logJSON(entry map[string]any) {
	if line, err := json.Marshal(entry); err == nil {
		fmt.Fprintf(log.out, "%s\n", line)
	}
}

// logError logs an error. In JSON, the entry for a program that cannot be executed has the error
// number, so that a caller does not have to interpret the message.
func logError(err error) {
	var program *diagnose.ProgramError
	switch {
	case !log.json && log.file == nil:
		for _, text := range hint.Texts(hint.ForDisk(err)) {
			Log("error", text)
		}
		return
	case !log.json || !errors.As(err, &program):
		Log("error", err.Error())
		return
	}
	logJSON(map[string]any{
		"level": "error", "msg": termtext.Bounded(err.Error()), "time": time.Now().Format(time.RFC3339),
		"program_errno": int(program.Errno),
	})
}

// Warn reports a problem that does not stop the container. Debug warnings are printed
// only with --debug.
func Warn(what any) {
	w, ok := what.(spec.Warning)
	switch {
	case !ok || !w.Debug:
		Log("warning", fmt.Sprint(what))
	case log.debug:
		Log("debug", w.String())
	}
}

// Fail reports an error and exits with its exit status.
func Fail(err error) {
	var status ExitStatus
	if errors.As(err, &status) {
		os.Exit(int(status))
	}
	var interrupted *wait.Interrupted
	if errors.As(err, &interrupted) {
		standardError.Hurry()
	}
	err = explainPrivilege(err)
	logError(err)
	if log.file != nil {
		// Engines read the log, people the terminal.
		fmt.Fprintf(standardError, "minirun: %s\n", termtext.Text(language.Text(termtext.Bounded(err.Error()))))
	}
	if interrupted != nil {
		os.Exit(128 + int(interrupted.Signal))
	}
	var failed *Failure
	if errors.As(err, &failed) {
		os.Exit(failed.Status)
	}
	os.Exit(1)
}

// explainPrivilege adds a hint to an error that root would not have had. A program of a container that
// cannot be executed is not such an error.
func explainPrivilege(err error) error {
	var program *diagnose.ProgramError
	if os.Geteuid() == 0 || errors.As(err, &program) {
		return err
	}
	return hint.ForUser(err, "use sudo, or without it a bundle that minirun spec --rootless wrote")
}

// A Failure is an error with its own exit status.
type Failure struct {
	error
	Status int
}

// NewFailure returns err with an exit status.
func NewFailure(err error, status int) *Failure { return &Failure{err, status} }

func (e *Failure) Unwrap() error { return e.error }

// ExitStatus is an error that only carries minirun's exit status, taken from a
// container.
type ExitStatus int

func (e ExitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }
