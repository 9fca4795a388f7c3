package engine

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A log has the format of Kubernetes (kubernetes/design-proposals, CRI logging): lines
// such as
//
//	2026-11-23T21:00:00.000000000Z stdout F text
//
// with P for a partial line, F for the end of one. When it is full it is renamed to
// log.1, which it replaces.
type log struct {
	path  string
	mutex sync.Mutex
	file  *os.File
	size  int64
}

const (
	fullLog  = 16 << 20
	longLine = 16 << 10 // maximum part of a line that is kept in memory
)

func openLog(path string) (*log, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		return nil, err
	}
	size, err := f.Seek(0, io.SeekEnd)
	return &log{path: path, file: f, size: size}, err
}

// copy writes a stream's lines until it ends. What cannot be written is dropped: a
// full disk must not stop the container.
func (l *log) copy(stream string, from io.ReadCloser) {
	defer func() { _ = from.Close() }()
	r := bufio.NewReaderSize(from, longLine)
	for {
		line, err := r.ReadSlice('\n')
		if len(line) > 0 {
			tag := "F"
			if errors.Is(err, bufio.ErrBufferFull) {
				tag = "P"
			}
			l.write(stream, tag, strings.TrimSuffix(string(line), "\n"))
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

func (l *log) write(stream, tag, text string) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.size > fullLog {
		if err := os.Rename(l.path, l.path+".1"); err == nil {
			if f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640); err == nil {
				_ = l.file.Close()
				l.file, l.size = f, 0
			}
		}
	}
	n, _ := fmt.Fprintf(l.file, "%s %s %s %s\n", time.Now().UTC().Format("2006-01-02T15:04:05.000000000Z"), stream,
		tag, text)
	l.size += int64(n)
}

func (l *log) close() error { return l.file.Close() }

// LogOptions select the part of a log that is shown.
type LogOptions struct {
	Follow bool
	Times  bool
	Tail   int // lines; < 0: all
}

// Logs writes the output of a detached container, its standard error to errs.
func (e *Engine) Logs(id string, o LogOptions, out, errs io.Writer) error {
	if _, err := e.Record(id); err != nil {
		return err
	}
	f, err := os.Open(e.file(id, logFile))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("container %s has no log: it is not detached, so it writes to minirun's own output", id)
	}
	if err != nil {
		return err
	}
	lines, err := e.readLines(id, f)
	if err != nil {
		return err
	}
	if o.Tail >= 0 && len(lines) > o.Tail {
		lines = lines[len(lines)-o.Tail:]
	}
	for _, line := range lines {
		if err := showLine(line, o.Times, out, errs); err != nil {
			return err
		}
	}
	if !o.Follow {
		return f.Close()
	}
	return e.follow(id, f, o, out, errs)
}

// readLines returns the existing lines.
func (e *Engine) readLines(id string, f *os.File) ([]string, error) {
	var lines []string
	older, err := os.ReadFile(e.file(id, logFile) + ".1")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	text, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	whole := string(older) + string(text)
	if end := strings.LastIndexByte(whole, '\n') + 1; end < len(whole) { // still being written
		if _, err := f.Seek(int64(end-len(whole)), io.SeekCurrent); err != nil {
			return nil, err
		}
		whole = whole[:end]
	}
	for line := range strings.Lines(whole) {
		lines = append(lines, line)
	}
	return lines, nil
}

// follow shows lines as they arrive, until the container has exited.
func (e *Engine) follow(id string, f *os.File, o LogOptions, out, errs io.Writer) error {
	part := ""
	for {
		ended := !e.isRunning(id)
		text, err := io.ReadAll(f)
		if err != nil {
			return err
		}
		part += string(text)
		for {
			line, rest, ok := strings.Cut(part, "\n")
			if !ok {
				break
			}
			if part = rest; showLine(line+"\n", o.Times, out, errs) != nil {
				return nil // the reader has closed the pipe
			}
		}
		if f, err = e.openNext(id, f); err != nil || ended && len(text) == 0 {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// openNext opens the log that has replaced this one, once all of this one is read.
func (e *Engine) openNext(id string, f *os.File) (*os.File, error) {
	var now, this unix.Stat_t
	if unix.Stat(e.file(id, logFile), &now) != nil || unix.Fstat(int(f.Fd()), &this) != nil || now.Ino == this.Ino {
		return f, nil
	}
	next, err := os.Open(e.file(id, logFile))
	if err != nil {
		return nil, err
	}
	return next, f.Close()
}

// showLine writes one line of a log.
func showLine(line string, times bool, out, errs io.Writer) error {
	f := strings.SplitN(line, " ", 4)
	if len(f) != 4 {
		return nil // truncated by a crash
	}
	text := f[3]
	if f[2] == "P" {
		text = strings.TrimSuffix(text, "\n")
	}
	if times {
		text = f[0] + " " + text
	}
	if f[1] == "stderr" {
		out = errs
	}
	_, err := io.WriteString(out, text)
	return err
}
