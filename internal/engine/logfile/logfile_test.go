package logfile

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// newWriter opens a log whose files are full after limit bytes.
func newWriter(t *testing.T, limit int64) *Writer {
	t.Helper()
	w, err := OpenWriter(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	w.limit = limit
	t.Cleanup(func() { _ = w.Close() })
	return w
}

// print appends lines with consecutive numbers.
func print(w *Writer, from, to int) {
	for i := from; i < to; i++ {
		w.write(entry{stream: "stdout", text: fmt.Appendf(nil, "line %d", i)})
	}
}

// numbers returns the lines that print appends.
func numbers(from, to int) string {
	text := ""
	for i := from; i < to; i++ {
		text += fmt.Sprintf("line %d\n", i)
	}
	return text
}

// show returns what Show writes, and how often lines were missing.
func show(t *testing.T, path string, o Options) (out, errs string, missing int) {
	t.Helper()
	var standard, diagnostic bytes.Buffer
	o.Missing = func() { missing++ }
	if err := Show(path, o, &standard, &diagnostic); err != nil {
		t.Fatal(err)
	}
	return standard.String(), diagnostic.String(), missing
}

// withBlockSize reads logs in smaller blocks.
func withBlockSize(t *testing.T, size int) {
	old := blockSize
	blockSize = size
	t.Cleanup(func() { blockSize = old })
}

// TestOutputIsShownUnchanged: on the stream that it came from, also lines longer than an entry or a
// block, and the parts of lines of two streams that take turns.
func TestOutputIsShownUnchanged(t *testing.T) {
	for _, size := range []int{64 << 10, 100, 16} {
		withBlockSize(t, size)
		w := newWriter(t, fullFile)
		long := strings.Repeat("x", 3*longText+5)
		w.Copy("stdout", strings.NewReader("one\n\n two  words \n"+long+"\n"+strings.Repeat("y", longText)))
		w.Copy("stderr", strings.NewReader("failed\nno end of line"))
		out, errs, _ := show(t, w.path, Options{Tail: -1})
		if want := "one\n\n two  words \n" + long + "\n" + strings.Repeat("y", longText); out != want {
			t.Errorf("blocks of %d: standard output has %d bytes, want %d: %.60q", size, len(out), len(want), out)
		}
		if want := "failed\nno end of line\n"; errs != want {
			t.Errorf("blocks of %d: standard error is %q, want %q", size, errs, want)
		}
		out, _, _ = show(t, w.path, Options{Tail: -1, Times: true})
		lines := strings.Split(out, "\n")
		for _, line := range lines {
			stamp, _, _ := strings.Cut(line, " ")
			if _, err := time.Parse(time.RFC3339Nano, stamp); err != nil {
				t.Errorf("with times: %.60q: %v", line, err)
			}
		}
		if len(lines) != 5 || strings.Count(lines[3], " ") != 1 {
			t.Errorf("with times: %d lines; the long one is %.60q", len(lines), lines[3])
		}
	}
}

func TestTruncatedEntriesAreLeftOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	text := "2026-01-01T00:00:00Z stdo\n" + string(make([]byte, 50)) + "\n" + strings.Repeat("z", 2*longestEntry) + "\n" +
		Stamp(time.Now()) + " stdout F good\n" + Stamp(time.Now()) + " stdout F still being wri"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tail := range []int{-1, 1} {
		if out, _, _ := show(t, path, Options{Tail: tail}); out != "good\n" {
			t.Errorf("tail %d: %.60q", tail, out)
		}
	}
}

// TestRotationKeepsNewestFiles: the numbers grow, the oldest files are removed, and that lines are
// missing is reported only to those who asked for them.
func TestRotationKeepsNewestFiles(t *testing.T) {
	w := newWriter(t, 1000)
	print(w, 0, 1000)
	found, err := rotated(w.path)
	if err != nil || len(found) != keptFiles-1 || found[0] < 10 || found[len(found)-1] != w.newest {
		t.Errorf("files %v, %v; the newest is %d", found, err, w.newest)
	}
	out, _, missing := show(t, w.path, Options{Tail: -1})
	if !strings.HasSuffix(numbers(0, 1000), out) || len(out) < 500 || missing != 1 {
		t.Errorf("%d bytes, missing %d: %.60q", len(out), missing, out)
	}
	for tail, want := range map[int]int{0: 0, 1: 0, 20: 0, 900: 1} {
		if _, _, missing := show(t, w.path, Options{Tail: tail}); missing != want {
			t.Errorf("--tail %d: missing %d, want %d", tail, missing, want)
		}
	}
	if _, _, missing := show(t, w.path, Options{Tail: -1, Since: time.Now()}); missing != 0 {
		t.Error("lines older than --since are reported as missing")
	}
}

// TestInterruptedRotationIsCompleted: the log is readable and complete in every intermediate state,
// and the next writer continues.
func TestInterruptedRotationIsCompleted(t *testing.T) {
	w := newWriter(t, fullFile)
	print(w, 0, 5)
	check := func(state string, to int) {
		t.Helper()
		for _, tail := range []int{-1, 100} {
			if out, _, missing := show(t, w.path, Options{Tail: tail, Follow: tail < 0}); out != numbers(0, to) || missing > 0 {
				t.Errorf("%s, tail %d: %q, missing %d", state, tail, out, missing)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(w.path, w.path+".1"); err != nil {
		t.Fatal(err)
	}
	check("linked", 5)
	if err := os.WriteFile(w.path+".new", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	check("linked, new file", 5)
	next, err := OpenWriter(w.path)
	if err != nil {
		t.Fatal(err)
	}
	print(next, 5, 8)
	if err := next.Close(); err != nil {
		t.Fatal(err)
	}
	check("continued", 8)
	if next.newest != 1 || sameFile(w.path, w.path+".1") {
		t.Errorf("newest %d", next.newest)
	}
}

// TestTail compares with the end of the whole text, for blocks and files of all sizes.
func TestTail(t *testing.T) {
	for _, limit := range []int64{200, 1000, fullFile} {
		w := newWriter(t, limit)
		w.kept = 1000
		text := ""
		for i := range 40 {
			line := fmt.Sprint(i, " ", strings.Repeat("é", i*7%50), "\n")
			if i == 20 {
				line = strings.Repeat("long", longText) + "\n"
			}
			w.Copy("stdout", strings.NewReader(line))
			text += line
		}
		lines := strings.SplitAfter(strings.TrimSuffix(text, "\n"), "\n")
		for _, size := range []int{64 << 10, 999, 64, 7} {
			withBlockSize(t, size)
			for n := range len(lines) + 2 {
				want := strings.Join(lines[max(0, len(lines)-n):], "")
				if n > 0 {
					want += "\n"
				}
				if out, _, _ := show(t, w.path, Options{Tail: n}); out != want {
					t.Fatalf("limit %d, blocks of %d, tail %d: %d bytes, want %d: %.80q", limit, size, n, len(out), len(want), out)
				}
			}
		}
	}
}

// TestTailNeedsLittleMemory: the log is not read into memory.
func TestTailNeedsLittleMemory(t *testing.T) {
	w := newWriter(t, fullFile)
	line := strings.Repeat("x", 1000)
	for w.newest < 2 {
		w.Copy("stdout", strings.NewReader(strings.Repeat(line+"\n", 1000)))
	}
	var before, after runtime.MemStats
	for name, o := range map[string]Options{"the last lines": {Tail: 3}, "all lines": {Tail: -1}} {
		o.Missing = func() {}
		runtime.ReadMemStats(&before)
		if err := Show(w.path, o, io.Discard, io.Discard); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		if allocated := after.TotalAlloc - before.TotalAlloc; o.Tail == 3 && allocated > 1<<20 {
			t.Errorf("%s: %d bytes were allocated", name, allocated)
		}
	}
}

func TestSinceAndUntil(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	begin, text := time.Date(2026, 11, 30, 18, 0, 0, 0, time.UTC), ""
	for i := range 10 {
		e := entry{stamp: Stamp(begin.Add(time.Duration(i) * time.Minute)), stream: "stdout", text: fmt.Appendf(nil, "line %d", i)}
		text += string(e.format())
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	at := func(minutes float64) time.Time { return begin.Add(time.Duration(minutes * float64(time.Minute))) }
	for name, c := range map[string]struct {
		o        Options
		from, to int
	}{
		"since":          {Options{Tail: -1, Since: at(6.5)}, 7, 10},
		"until":          {Options{Tail: -1, Until: at(6.5)}, 0, 7},
		"both":           {Options{Tail: -1, Since: at(2), Until: at(4)}, 2, 5},
		"tail and until": {Options{Tail: 2, Until: at(6.5)}, 5, 7},
		"tail and since": {Options{Tail: 5, Since: at(8)}, 8, 10},
		"too late":       {Options{Tail: -1, Since: at(100)}, 0, 0},
		"follow, until":  {Options{Tail: -1, Until: at(1), Follow: true}, 0, 2},
	} {
		if out, _, _ := show(t, path, c.o); out != numbers(c.from, c.to) {
			t.Errorf("%s: %q", name, out)
		}
	}
}
