package engine

import (
	"fmt"
	"time"

	"github.com/docker/go-units"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/container/record"
)

// Status returns the status in words, for ps.
func (l *Listed) Status() string {
	switch {
	case (l.State == Exited || l.State == Restarting) && l.End != nil:
		return l.endText()
	case l.State == Exited && l.Attended:
		return "Exiting" // until its end is recorded
	case l.State == Exited:
		return "Exited, status unknown"
	case l.State == string(specs.StateRunning), l.State == string(record.StatePaused):
		return l.upText()
	}
	return string(l.State[0]-'a'+'A') + l.State[1:]
}

// StoppedState returns the state of a container without a process: exited or restarting.
func (l *Listed) StoppedState() string {
	if l.State == Restarting {
		return Restarting
	}
	return Exited
}

func since(t time.Time) string { return units.HumanDuration(time.Since(t)) }

// endText describes how a container ended, and whether it will be started again.
func (l *Listed) endText() string {
	text := fmt.Sprintf("Exited (%d)", l.End.Status)
	if l.State == Restarting {
		text = fmt.Sprintf("Restarting (%d)", l.End.Status)
	} else if l.End.Lost {
		text = "Exited, status unknown,"
	}
	if l.End.OutOfMemory {
		text += ", out of memory,"
	}
	return text + " " + since(l.End.Finished) + " ago"
}

// upText describes a running container. Only its monitor can know about its health.
func (l *Listed) upText() string {
	text := "Up " + since(l.Started)
	if l.State == string(record.StatePaused) {
		text += " (Paused)"
	}
	switch {
	case !l.Attended:
		text += " (no monitor)"
	case l.Health != nil:
		text += " (" + l.Health.text() + ")"
	}
	return text
}
