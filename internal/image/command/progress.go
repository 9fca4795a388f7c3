package command

import (
	"os"
	"sync"

	"github.com/minirun/minirun/internal/build/progress"
	"github.com/minirun/minirun/internal/image/transfer"
	"github.com/minirun/minirun/internal/language"
	"github.com/minirun/minirun/internal/retry"
	"github.com/minirun/minirun/internal/termtext"
)

// A TransferDisplay shows what is transferred, and when a request is retried.
type TransferDisplay interface {
	transfer.Progress
	Retrying(a retry.Attempt)
	// Close shows the final state. After an error, which the caller reports, the transfer is not
	// shown as done.
	Close(err error)
}

// ShowTransfer returns a display for an activity such as Pulling, with its object.
func ShowTransfer(activity, object string, quiet bool) TransferDisplay {
	if quiet {
		return NoDisplay{}
	}
	return &transferStep{display: progress.NewTransfer(activity, os.Stderr), name: object}
}

// NoDisplay displays nothing.
type NoDisplay struct{}

// Begin implements transfer.Progress.
func (NoDisplay) Begin(string, int64) (func(int64), func(error)) {
	return func(int64) {}, func(error) {}
}

// Retrying implements TransferDisplay.
func (NoDisplay) Retrying(retry.Attempt) {}

// Close implements TransferDisplay.
func (NoDisplay) Close(error) {}

// A transferStep shows a transfer as one step. It is not shown before there is something to transfer.
type transferStep struct {
	display progress.Display
	name    string
	started sync.Once
}

// stepID is the number of the only step.
const stepID = 1

func (s *transferStep) start() {
	s.started.Do(func() { s.display.Begin(stepID, s.name) })
}

// Begin implements transfer.Progress.
func (s *transferStep) Begin(task string, size int64) (more func(int64), done func(error)) {
	s.start()
	count := func(task string, done, total int64) { s.display.Count(stepID, task, done, total) }
	return transfer.Count(count).Begin(task, size)
}

// Retrying shows an attempt as output of the step.
func (s *transferStep) Retrying(a retry.Attempt) {
	s.start()
	s.display.Output(stepID, []byte(language.Text(a.String())+"\n"))
}

func (s *transferStep) Close(err error) {
	if err == nil {
		s.display.End(stepID, false, nil)
	}
	s.display.Close()
}

// RetryNotice returns a function that prints a line for each attempt, for requests that are not
// transfers.
func RetryNotice(quiet bool) func(retry.Attempt) {
	if quiet {
		return func(retry.Attempt) {}
	}
	return func(a retry.Attempt) { termtext.Fprintln(os.Stderr, language.Text(a.String())) }
}
