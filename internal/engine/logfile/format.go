// Package logfile writes and reads the log of a detached container.
//
//	format.go  one entry of a log
//	writer.go  what the container's monitor does: write entries, rotate files
//	files.go   the files that a log consists of, while they may be rotating
//	tail.go    the last lines of a log, read backwards
//	show.go    the log as text, and as it grows
//
// An entry is a line in the format of Kubernetes (kubernetes/design-proposals, CRI logging):
//
//	2026-11-23T21:00:00.000000000Z stdout F text
//
// The tag is F for an entry that ends a line of the container, P for one that does not. A second
// tag, c, marks an entry that continues a line (P:c, F:c). So the beginning of a line can be found
// from the end of the log.
//
// The newest entries are in the file log. When it is full it becomes log.1, the next one log.2, and
// so on; the oldest files are removed. The numbers only grow, so that a reader knows which files it
// has read, and how many are gone.
package logfile

import (
	"bytes"
	"strings"
	"time"
)

// stampFormat has a fixed length and only UTC, so that stamps can be compared as texts.
const stampFormat = "2006-01-02T15:04:05.000000000Z"

// Stamp returns a time in the format of entries.
func Stamp(t time.Time) string { return t.UTC().Format(stampFormat) }

// longText is the most text that one entry has. Longer lines take several.
const longText = 16 << 10

// An entry is one line of the file.
type entry struct {
	stamp     string
	stream    string
	partial   bool // the line continues in another entry
	continued bool // the line began in another entry
	text      []byte
}

// parse parses a line of the file, without its newline. It refuses one that a crash truncated.
func parse(line []byte) (e entry, ok bool) {
	stamp, rest, _ := bytes.Cut(line, []byte(" "))
	stream, rest, _ := bytes.Cut(rest, []byte(" "))
	tags, text, ok := bytes.Cut(rest, []byte(" "))
	if !ok || len(stamp) != len(stampFormat) {
		return entry{}, false
	}
	first, second, _ := strings.Cut(string(tags), ":")
	return entry{string(stamp), string(stream), first == "P", second == "c", text}, true
}

// format returns the entry as a line of the file.
func (e *entry) format() []byte {
	tags := "F"
	if e.partial {
		tags = "P"
	}
	if e.continued {
		tags += ":c"
	}
	line := append([]byte(nil), e.stamp+" "+e.stream+" "+tags+" "...)
	return append(append(line, e.text...), '\n')
}
