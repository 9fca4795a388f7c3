package main

import (
	"os"
	"sync"
	"time"

	"github.com/containerd/console"
	"github.com/docker/go-units"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/minirun/minirun/internal/image/transfer"
	"github.com/minirun/minirun/internal/retry"
	"github.com/minirun/minirun/internal/termtext"
)

// A transferDisplay shows what is transferred, and when a request is retried.
type transferDisplay interface {
	transfer.Progress
	Retrying(a retry.Attempt)
}

// transferProgress shows bars on a terminal, and otherwise a line for each finished task.
func transferProgress(quiet bool) (p transferDisplay, wait func()) {
	if quiet {
		return silent{}, func() {}
	}
	if _, err := console.ConsoleFromFile(os.Stderr); err != nil {
		return &lines{}, func() {}
	}
	b := mpb.New(mpb.WithOutput(os.Stderr), mpb.WithWidth(40), mpb.WithRefreshRate(100*time.Millisecond))
	return bars{b}, b.Wait
}

type silent struct{}

func (silent) Begin(string, int64) (func(int64), func(error)) {
	return func(int64) {}, func(error) {}
}

func (silent) Retrying(retry.Attempt) {}

type lines struct{ mutex sync.Mutex }

func (l *lines) Retrying(a retry.Attempt) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	termtext.Fprintf(os.Stderr, "%s\n", a.String())
}

func (l *lines) Begin(what string, size int64) (func(int64), func(error)) {
	return func(int64) {}, func(err error) {
		if err != nil {
			return // already reported
		}
		l.mutex.Lock()
		defer l.mutex.Unlock()
		termtext.Fprintf(os.Stderr, "%s: %s\n", what, units.HumanSize(float64(size)))
	}
}

type bars struct{ all *mpb.Progress }

// Retrying prints a line above the bars.
func (b bars) Retrying(a retry.Attempt) { termtext.Fprintf(b.all, "%s\n", a.String()) }

func (b bars) Begin(what string, size int64) (func(int64), func(error)) {
	bar := b.all.AddBar(size,
		mpb.PrependDecorators(decor.Name(what+" ")),
		mpb.AppendDecorators(decor.OnComplete(decor.CountersKiloByte("% .1f / % .1f"), units.HumanSize(float64(size))), decor.Name(" "), decor.OnComplete(decor.AverageSpeed(decor.SizeB1000(0), "% .1f"), "done")),
	)
	return func(n int64) { bar.IncrInt64(n) }, func(err error) {
		if err != nil {
			bar.Abort(false)
			return
		}
		bar.SetTotal(-1, true)
	}
}
