package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
)

// lines is where several processes print: each line begins with the target's name, and
// no line is in another one. JSON stays as it is.
type lines struct {
	mutex sync.Mutex
	out   io.Writer
	width int
}

func newLines(out io.Writer, jobs []*job) *lines {
	l := &lines{out: out}
	for _, j := range jobs {
		l.width = max(l.width, len(j.name))
	}
	return l
}

// of returns what a target prints to.
func (l *lines) of(name string) *lineWriter {
	return &lineWriter{lines: l, prefix: fmt.Sprintf("%-*s | ", l.width, name)}
}

type lineWriter struct {
	*lines
	prefix string
	rest   []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	end := bytes.LastIndexByte(w.rest, '\n') + 1
	if end == 0 {
		return len(p), nil
	}
	var out strings.Builder
	for line := range bytes.Lines(w.rest[:end]) {
		if line[0] != '{' {
			out.WriteString(w.prefix)
		}
		out.Write(line)
	}
	w.rest = w.rest[:copy(w.rest, w.rest[end:])]
	w.mutex.Lock()
	defer w.mutex.Unlock()
	_, err := io.WriteString(w.out, out.String())
	return len(p), err
}

// close prints a line that did not end.
func (w *lineWriter) close() {
	if len(w.rest) > 0 {
		_, _ = w.Write([]byte{'\n'}) // as with all that is printed, an error has nobody to be told to
	}
}
