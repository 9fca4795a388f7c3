package inspect

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/wait"
	"github.com/minirun/minirun/internal/signals"
	"github.com/minirun/minirun/internal/stdio"
	"github.com/minirun/minirun/internal/termtext"
)

// Watch writes a view repeatedly, until it is the last one or a signal asks to exit. next
// returns its text. On a terminal the view fills one screen, on which the lines that have
// changed are highlighted. Elsewhere all of it is written once, and then only the lines
// that have changed, with the time.
func Watch(out stdio.Descriptor, interval time.Duration, next func() (text string, last bool, err error)) error {
	if !out.IsTerminal() {
		return watchLines(out, interval, next)
	}
	queue, err := signals.Catch()
	if err != nil {
		return err
	}
	s := &screen{out: out, signals: wait.Signals{Queue: queue}}
	defer s.leave()
	for {
		text, last, err := next()
		if err != nil {
			return err
		}
		if last {
			s.leave()
			_, err := io.WriteString(out, text)
			return err
		}
		s.lines = s.changes.update(text)
		if err := s.showFor(interval); err != nil {
			return err
		}
	}
}

// watchLines is Watch for a pipe or a file.
func watchLines(out io.Writer, interval time.Duration, next func() (string, bool, error)) error {
	var c changes
	for first := true; ; first = false {
		text, last, err := next()
		if err != nil {
			return err
		}
		lines := c.update(text)
		if first || last {
			_, err = io.WriteString(out, text)
			lines = nil
		}
		for _, l := range lines {
			if l.changed && err == nil {
				_, err = fmt.Fprintf(out, "%s  %s: %s\n", time.Now().Format(time.TimeOnly), strings.ToLower(l.section),
					strings.TrimSpace(l.text))
			}
		}
		if err != nil || last {
			return err
		}
		time.Sleep(interval)
	}
}

// A screen shows one view on the alternate screen of a terminal. Afterwards the terminal
// shows its previous content again.
type screen struct {
	out     stdio.Descriptor
	signals wait.Signals
	changes changes
	lines   []line
	entered bool
}

const (
	enterScreen = "\x1b[?1049h\x1b[?25l" // the alternate screen, without a cursor
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	clearRest   = "\x1b[J"
	clearLine   = "\x1b[K"
	highlight   = "\x1b[1;7m"
	bold        = "\x1b[1m"
	plainText   = "\x1b[m"
)

func (s *screen) leave() {
	if s.entered {
		s.entered = false
		fmt.Fprintf(s.out, "%s", leaveScreen)
	}
}

// showFor draws the view, and again whenever the terminal's size changes or minirun
// continues, until the time is over.
func (s *screen) showFor(interval time.Duration) error {
	for end := time.Now().Add(interval); ; {
		if s.out.InBackground() {
			s.leave()
			if err := s.signals.AwaitForeground(s.out); err != nil {
				return err
			}
		}
		if err := s.draw(); err != nil {
			return err
		}
		if !wait.ForReadable(s.signals.Queue.FD, time.Until(end)) {
			return nil
		}
		arrived, err := s.signals.Queue.Pending()
		if err != nil {
			return err
		}
		for _, signal := range arrived {
			switch {
			case signals.IsTermination(signal):
				s.leave()
				return &wait.Interrupted{Signal: signal, Before: "the container exited"}
			case signal == unix.SIGTSTP:
				s.leave()
				signals.Suspend(signal)
			}
		}
	}
}

// draw shows as much of the view as fits.
func (s *screen) draw() error {
	columns, rows := s.out.Size()
	if columns == 0 || rows == 0 {
		columns, rows = 80, 24
	}
	var b strings.Builder
	if !s.entered {
		s.entered = true
		b.WriteString(enterScreen)
	}
	b.WriteString("\x1b[H")
	for i, l := range fit(s.lines, rows) {
		if i > 0 {
			b.WriteString("\n")
		}
		text := termtext.Cut(termtext.Cut(l.text, columns-termtext.Columns(l.missing))+l.missing, columns)
		switch {
		case l.changed:
			text = highlight + text + plainText
		case l.title || l.section == "":
			text = bold + text + plainText
		}
		b.WriteString(text + clearLine)
	}
	b.WriteString(clearRest)
	_, err := io.WriteString(s.out, b.String())
	if errors.Is(err, unix.EIO) {
		return nil // hung up: the signal comes too
	}
	return err
}
