package engine

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestLogLines: what is copied to a log is shown again unchanged, on the stream that it came from.
func TestLogLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, err := openLog(path)
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", longLine+5)
	l.copy("stdout", io.NopCloser(strings.NewReader("one\n\n two  words \n"+long+"\n")))
	l.copy("stderr", io.NopCloser(strings.NewReader("failed\nno end of line")))
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	for line := range strings.Lines(string(text)) {
		if err := showLine(line, false, &out, &errs); err != nil {
			t.Fatal(err)
		}
	}
	if want := "one\n\n two  words \n" + long + "\n"; out.String() != want {
		t.Errorf("standard output has %d bytes, want %d: %.60q", out.Len(), len(want), out.String())
	}
	if want := "failed\nno end of line\n"; errs.String() != want {
		t.Errorf("standard error is %q, want %q", errs.String(), want)
	}
	out.Reset()
	line, _, _ := strings.Cut(string(text), "\n")
	if err := showLine(line+"\n", true, &out, &errs); err != nil {
		t.Fatal(err)
	}
	stamp, rest, _ := strings.Cut(out.String(), " ")
	if _, err := time.Parse(time.RFC3339Nano, stamp); err != nil || rest != "one\n" {
		t.Errorf("with times: %q, %v", out.String(), err)
	}
	out.Reset()
	if err := showLine("2026-01-01T00:00:00Z stdo", false, &out, &errs); err != nil || out.Len() > 0 {
		t.Errorf("a line that a crash truncated is shown: %q, %v", out.String(), err)
	}
}

// TestLogRotation: a full log is renamed, and replaces an older one.
func TestLogRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, err := openLog(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.close() }()
	for round := range 2 {
		l.write("stdout", "F", fmt.Sprint("old ", round))
		l.size = fullLog + 1
		l.write("stdout", "F", fmt.Sprint("new ", round))
		for file, want := range map[string]string{path: fmt.Sprint("new ", round),
			path + ".1": fmt.Sprint("old ", round)} {
			text, err := os.ReadFile(file)
			if err != nil || !strings.Contains(string(text), want) {
				t.Errorf("round %d: %s has %q, %v; want %q", round, filepath.Base(file), text, err, want)
			}
		}
	}
}
