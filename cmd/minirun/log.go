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
	"github.com/minirun/minirun/internal/container"
	"github.com/minirun/minirun/internal/debuglog"
	"github.com/minirun/minirun/internal/spec"
	"github.com/minirun/minirun/internal/stdio"
	"github.com/minirun/minirun/internal/termtext"
)

// Messages go to standard error, or to --log in the form engines read: one
// line each, logfmt or JSON with time, level and msg as runc writes them.
var messages = struct {
	out   io.Writer
	json  bool
	file  bool
	debug bool
}{out: patient{stdio.Err}}

// patient writes to a descriptor whose reader may have stopped reading or may be
// gone: minirun neither waits for it forever nor exits because of it. What does not
// get through is lost.
type patient struct{ to stdio.Descriptor }

const patience = 10 * time.Second

func (p patient) Write(data []byte) (int, error) {
	for rest := data; len(rest) > 0; {
		fds := []unix.PollFd{{Fd: int32(p.to), Events: unix.POLLOUT}}
		if n, err := unix.Poll(fds, int(patience.Milliseconds())); errors.Is(err, unix.EINTR) {
			continue
		} else if err == nil && n == 0 {
			return len(data) - len(rest), os.ErrDeadlineExceeded
		}
		// As much as a pipe that is ready takes at once (pipe(7), PIPE_BUF).
		n, err := p.to.Write(rest[:min(len(rest), 4096)])
		if err != nil {
			return len(data) - len(rest) + n, err
		}
		rest = rest[n:]
	}
	return len(data), nil
}

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
		messages.out, messages.file = f, true
	}
	if messages.debug {
		debuglog.To(func(text string) { logLine("debug", text) })
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
		line, err := json.Marshal(map[string]string{"level": level, "msg": text, "time": now})
		if err == nil {
			fmt.Fprintf(messages.out, "%s\n", line)
		}
	case messages.file:
		fmt.Fprintf(messages.out, "time=%q level=%s msg=%q\n", now, level, text)
	case level == "debug":
		fmt.Fprintf(messages.out, "minirun: debug: %s\n", termtext.Line(text))
	default:
		fmt.Fprintf(messages.out, "minirun: %s\n", termtext.Text(text))
	}
}

// warn reports what does not stop the container. What only matters to a person who
// looks for a fault comes with --debug.
func warn(what any) {
	w, ok := what.(spec.Warning)
	switch {
	case !ok || !w.Debug:
		logLine("warning", fmt.Sprint(what))
	case messages.debug:
		logLine("debug", w.String())
	}
}

// fail reports an error and ends with its exit status.
func fail(err error) {
	var status exitStatus
	if errors.As(err, &status) {
		os.Exit(int(status))
	}
	logLine("error", err.Error())
	if messages.file {
		// Engines read the log, people the terminal.
		fmt.Fprintf(patient{stdio.Err}, "minirun: %s\n", termtext.Text(termtext.Bounded(err.Error())))
	}
	var interrupted *container.Interrupted
	if errors.As(err, &interrupted) {
		os.Exit(128 + int(interrupted.Signal))
	}
	var failed *failure
	if errors.As(err, &failed) {
		os.Exit(failed.status)
	}
	os.Exit(1)
}

func goVersion() string { return runtime.Version() }
