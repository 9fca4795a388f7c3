package usage

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/engine"
	"github.com/minirun/minirun/internal/stdio"
	"github.com/minirun/minirun/internal/termtext"
)

// Sequences that control the terminal (xterm's ctlseqs).
const (
	enterScreen = "\x1b[?1049h\x1b[?25l" // the alternate screen, without a cursor
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	home        = "\x1b[H"
	clearLine   = "\x1b[K"
	clearBelow  = "\x1b[J"
)

// A screen shows the live table on a terminal.
type screen struct {
	terminal *os.File
	options  Options
	list     []Usage
}

// Watch shows what containers use on a terminal, live, until the context ends. The table is on the
// alternate screen, so the terminal is afterwards as before, with the last table.
func Watch(ctx context.Context, terminal *os.File, e *engine.Engine, o Options) error {
	s, err := newSampler(e, &o)
	if err != nil {
		return err
	}
	v := &screen{terminal: terminal, options: o}
	events := make(chan os.Signal, 8)
	signal.Notify(events, unix.SIGWINCH, unix.SIGTSTP, unix.SIGCONT)
	defer signal.Stop(events)
	v.print(enterScreen)
	err = v.run(ctx, s, events)
	v.print(leaveScreen)
	if err == nil {
		_, err = io.WriteString(terminal, v.text(v.size()))
	}
	return err
}

// run shows samples until the context ends.
func (v *screen) run(ctx context.Context, s *sampler, events <-chan os.Signal) error {
	next := time.After(firstInterval)
	for {
		select {
		case <-ctx.Done():
			return nil
		case event := <-events:
			if event == unix.SIGTSTP {
				v.print(leaveScreen)
				_ = unix.Kill(os.Getpid(), unix.SIGSTOP)
				v.print(enterScreen)
			}
		case <-next:
			next = time.After(interval)
			var err error
			if v.list, err = s.sample(); err != nil {
				return err
			}
		}
		v.draw()
	}
}

func (v *screen) print(text string) { _, _ = io.WriteString(v.terminal, text) }

// size returns the size of the terminal.
func (v *screen) size() (width, height int) {
	width, height = stdio.Descriptor(v.terminal.Fd()).Size()
	if width == 0 || height == 0 {
		return 80, 24
	}
	return width, height
}

// draw draws the table over the previous one.
func (v *screen) draw() {
	width, height := v.size()
	lines := strings.Split(strings.TrimSuffix(v.text(width, height), "\n"), "\n")
	if room := height - 2; len(lines) > room && room > 1 {
		hidden := len(lines) - room + 1
		lines = append(lines[:room-1], fmt.Sprintf("… and %d more: the window is too small", hidden))
	}
	lines = append(lines, "", "Ctrl-C ends stats")
	var out strings.Builder
	out.WriteString(home)
	for i, line := range lines[:min(len(lines), height)] {
		if i > 0 {
			out.WriteString("\r\n")
		}
		if r := []rune(line); len(r) > width {
			line = string(r[:width])
		}
		out.WriteString(line + clearLine)
	}
	v.print(out.String() + clearBelow)
}

// text returns the table for a terminal.
func (v *screen) text(width, _ int) string {
	t := v.options.table(v.list)
	if v.options.Format == "table" {
		c := t.NewColumns(columns...)
		c.Fit(width, narrow)
		return c.Text()
	}
	var out strings.Builder
	if err := t.Write(&out, v.options.Format); err != nil {
		return termtext.Line(err.Error()) + "\n"
	}
	return out.String()
}
