package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/image"
)

// watchHealth checks a container's health until the context ends.
func (e *Engine) watchHealth(ctx context.Context, r *Record) {
	started := time.Now()
	h := Health{Status: Starting}
	for {
		// Failing to write the state is not a reason to stop the container.
		_ = writeJSON(e.file(r.Container, healthFile), h)
		select {
		case <-ctx.Done():
			return
		case <-time.After(h.Wait(r.Health, started, time.Now())):
		}
		p := e.runProbe(ctx, r, r.Health)
		if ctx.Err() != nil {
			return
		}
		h = h.After(p, r.Health, started)
	}
}

// runProbe runs the check in the container, with `exec` of this program.
func (e *Engine) runProbe(ctx context.Context, r *Record, c *image.Healthcheck) Probe {
	limit := orElse(c.Timeout, defaultTimeout)
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	p := Probe{Start: time.Now().UTC()}
	pidFile := e.file(r.Container, "probe.pid")
	_ = os.Remove(pidFile)
	cmd := exec.CommandContext(ctx, e.Program,
		append([]string{"--root", e.Root, "exec", "--pid-file", pidFile, r.Container}, probeCommand(c, r.Shell)...)...)
	var output bounded
	cmd.Stdout, cmd.Stderr = &output, &output
	// The program in the container is killed first; then its `exec` exits by itself.
	cmd.Cancel = func() error { return killProbe(pidFile, cmd.Process) }
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	p.End, p.Output = time.Now().UTC(), output.String()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil && err != nil:
		p.Status, p.Output = -1, fmt.Sprintf("the check did not finish within %s\n%s", limit, p.Output)
	case errors.As(err, &exit):
		p.Status = exit.ExitCode()
	case err != nil:
		p.Status, p.Output = -1, err.Error()
	}
	return p
}

func killProbe(pidFile string, exec *os.Process) error {
	text, err := os.ReadFile(pidFile)
	if err == nil {
		var pid int
		if pid, err = strconv.Atoi(strings.TrimSpace(string(text))); err == nil && pid > 1 { // -1 is all processes
			// It leads a session, so the processes that it has started are killed too.
			return unix.Kill(-pid, unix.SIGKILL)
		}
	}
	return exec.Kill()
}

// bounded keeps the beginning of what is written. The buffer is not embedded: its
// ReadFrom would be promoted, and os/exec would bypass Write.
type bounded struct{ kept bytes.Buffer }

func (b *bounded) String() string { return b.kept.String() }

func (b *bounded) Write(p []byte) (int, error) {
	b.kept.Write(p[:min(len(p), max(0, keptOutput-b.kept.Len()))])
	return len(p), nil
}
