package progress

import (
	"os"
	"sync"
	"time"

	"github.com/containerd/console"
)

const (
	interval  = 100 * time.Millisecond
	flushSize = 256 << 10 // pending bytes that are written immediately, without waiting for the interval
)

// A size is that of a terminal; 0 is unlimited.
type size struct{ width, height int }

func unlimitedSize() size { return size{} }

func terminalSize(c console.Console) size {
	s, err := c.Size()
	if err != nil || s.Width == 0 || s.Height == 0 {
		return size{80, 24}
	}
	return size{int(s.Width), int(s.Height)}
}

// A view turns events into bytes. It uses no clock, file or lock.
type view interface {
	apply(e *event)
	// frame returns the bytes to write now; last means that nothing follows for a while.
	frame(now time.Time, s size, last bool) []byte
	// pendingBytes returns the number of bytes that the next frame will return, or 0 for a view
	// that redraws the screen.
	pendingBytes() int
	// trailer returns the bytes to write after the last frame.
	trailer() []byte
}

// liveDisplay is a Display: it passes events to a view and writes the bytes that the view returns.
// State and writing have separate locks, so that a stopped terminal does not stop the steps.
type liveDisplay struct {
	view view
	out  *os.File
	size func() size

	state   sync.Mutex // protects view, paused
	paused  bool
	writing sync.Mutex

	stop chan struct{}
	done sync.WaitGroup
	once sync.Once
}

func startDisplay(v view, out *os.File, s func() size) *liveDisplay {
	l := &liveDisplay{view: v, out: out, size: s, stop: make(chan struct{})}
	l.done.Go(l.run)
	return l
}

func (l *liveDisplay) run() {
	ticks := time.NewTicker(interval)
	defer ticks.Stop()
	for {
		select {
		case <-ticks.C:
			l.flush(false)
		case <-l.stop:
			return
		}
	}
}

// flush writes pending bytes. A write error cannot be reported anywhere, and the build
// continues.
func (l *liveDisplay) flush(last bool) {
	l.writing.Lock()
	defer l.writing.Unlock()
	s := l.size()
	l.state.Lock()
	var text []byte
	if !l.paused {
		text = l.view.frame(time.Now(), s, last)
	}
	l.state.Unlock()
	if len(text) > 0 {
		_, _ = l.out.Write(text)
	}
}

func (l *liveDisplay) send(e event) {
	l.state.Lock()
	e.at = time.Now()
	l.view.apply(&e)
	much := l.view.pendingBytes() > flushSize
	l.state.Unlock()
	if much {
		l.flush(false)
	}
}

func (l *liveDisplay) Begin(id int, name string) { l.send(event{kind: Begin, id: id, text: name}) }
func (l *liveDisplay) Output(id int, p []byte)   { l.send(event{kind: Output, id: id, data: p}) }
func (l *liveDisplay) Count(id int, what string, done, total int64) {
	l.send(event{kind: Count, id: id, text: what, done: done, total: total})
}
func (l *liveDisplay) Note(id int, what string) { l.send(event{kind: Note, id: id, text: what}) }
func (l *liveDisplay) End(id int, cached bool, err error) {
	l.send(event{kind: End, id: id, cached: cached, err: err})
}

func (l *liveDisplay) SetInputs(id int, inputs []int) {
	l.send(event{kind: Inputs, id: id, inputs: inputs})
}

func (l *liveDisplay) Warn(w VertexWarning) { l.send(event{kind: Warning, warning: &w}) }

func (l *liveDisplay) Pause() {
	l.flush(true)
	l.state.Lock()
	defer l.state.Unlock()
	l.paused = true
}

func (l *liveDisplay) Resume() {
	l.state.Lock()
	defer l.state.Unlock()
	l.paused = false
}

func (l *liveDisplay) Close() {
	l.once.Do(func() {
		close(l.stop)
		l.done.Wait()
		l.Resume()
		l.flush(true)
		_, _ = l.out.Write(l.view.trailer())
	})
}
