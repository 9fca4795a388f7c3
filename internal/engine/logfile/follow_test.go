package logfile

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A counter counts the lines that are written to it.
type counter struct {
	text  bytes.Buffer
	lines atomic.Int64
}

func (c *counter) Write(p []byte) (int, error) {
	c.text.Write(p)
	c.lines.Add(int64(bytes.Count(p, []byte("\n"))))
	return len(p), nil
}

// TestFollowAcrossRotations: no line is lost or repeated while the log rotates every few lines, as
// long as the reader is not several files late. It ends when the writer closes the log.
func TestFollowAcrossRotations(t *testing.T) {
	const lines = 20000
	w := newWriter(t, 2000)
	old := pollInterval
	pollInterval = time.Millisecond
	t.Cleanup(func() { pollInterval = old })
	var seen counter
	var missing atomic.Int64
	print(w, 0, 10)
	var end sync.WaitGroup
	end.Go(func() {
		o := Options{Follow: true, Tail: -1, Missing: func() { missing.Add(1) }}
		if err := Show(w.path, o, &seen, &seen); err != nil {
			t.Error(err)
		}
	})
	for i := 10; i < lines; i++ {
		for int64(i)-seen.lines.Load() > 60 { // almost two files
			unix.Nanosleep(&unix.Timespec{Nsec: 10000}, nil)
		}
		print(w, i, i+1)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	end.Wait()
	if seen.text.String() != numbers(0, lines) || missing.Load() > 0 {
		t.Errorf("%d bytes in %d lines, missing %d", seen.text.Len(), seen.lines.Load(), missing.Load())
	}
	if w.newest < lines/60 {
		t.Errorf("the log was rotated only %d times", w.newest)
	}
}

// TestSlowFollowerReportsWhatItMissed: the lines are in order and not repeated, and each
// gap is reported.
func TestSlowFollowerReportsWhatItMissed(t *testing.T) {
	const lines = 3000
	w := newWriter(t, 1000)
	missing := 0
	r, written := &counter{}, false
	print(w, 0, 5)
	slow := writerFunc(func(p []byte) (int, error) {
		if !written { // while the reader is busy with the first lines
			written = true
			print(w, 5, lines)
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		}
		return r.Write(p)
	})
	if err := Show(w.path, Options{Follow: true, Tail: -1, Missing: func() { missing++ }}, slow, slow); err != nil {
		t.Fatal(err)
	}
	run, text := 0, r.text.String()
	for strings.HasPrefix(text, numbers(run, run+1)) {
		text = strings.TrimPrefix(text, numbers(run, run+1))
		run++
	}
	if missing != 1 || run < 5 || text == "" || !strings.HasSuffix(numbers(0, lines), "\n"+text) {
		t.Errorf("missing %d; %d lines, then %.100q", missing, run, text)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// TestReadersSurviveRotation: any number of readers, while the log rotates all the time.
func TestReadersSurviveRotation(t *testing.T) {
	w := newWriter(t, 500)
	print(w, 0, 100)
	stop := make(chan struct{})
	var end sync.WaitGroup
	end.Go(func() {
		for i := 100; ; i++ {
			select {
			case <-stop:
				return
			default:
				print(w, i, i+1)
			}
		}
	})
	for range 300 {
		for _, tail := range []int{-1, 3} {
			out, _, _ := show(t, w.path, Options{Tail: tail})
			first, _, _ := strings.Cut(out, "\n")
			from := 0
			for !strings.HasPrefix(numbers(from, from+1), first+"\n") {
				from++
			}
			count := strings.Count(out, "\n")
			if out != numbers(from, from+count) || count < tail || count == 0 {
				t.Fatalf("tail %d: %q", tail, out)
			}
		}
	}
	close(stop)
	end.Wait()
}

// TestFullDiskLeavesOnlyWholeEntries: what cannot be written is dropped as a whole, and mentioned.
func TestFullDiskLeavesOnlyWholeEntries(t *testing.T) {
	w := newWriter(t, fullFile)
	print(w, 0, 2)
	good := w.file
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	w.file = full
	print(w, 2, 5)
	w.file = good
	print(w, 5, 7)
	out, errs, _ := show(t, w.path, Options{Tail: -1})
	if out != numbers(0, 2)+numbers(5, 7) {
		t.Errorf("%q", out)
	}
	if !strings.HasPrefix(errs, "minirun: 3 lines are missing in this log: ") || strings.Count(errs, "\n") != 1 {
		t.Errorf("%q", errs)
	}
	if err := full.Close(); err != nil {
		t.Error(err)
	}
}

func TestNoLog(t *testing.T) {
	if err := Show(t.TempDir()+"/log", Options{}, nil, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
