package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/progress/progressui"
	"github.com/opencontainers/go-digest"
)

// A progressDisplay shows the steps of several builds as one list, as docker buildx bake does: their
// names begin with the target's. Each build writes BuildKit's SolveStatus, one object per line
// (--progress rawjson); its other output is shown after all builds.
type progressDisplay struct {
	statuses chan *client.SolveStatus // nil: they are not shown
	forText  bool                     // shown as text, not as JSON
	finished chan struct{}
	writers  []*targetWriter
}

// newProgressDisplay creates a display on standard error.
func newProgressDisplay(mode string) (*progressDisplay, error) {
	b := &progressDisplay{finished: make(chan struct{})}
	if mode == "auto" {
		mode = cmp.Or(os.Getenv("BUILDKIT_PROGRESS"), mode)
	}
	if mode == "auto" && isOn("CI", os.Getenv("CI") != "") { // CI output is read as a log
		mode = "plain"
	}
	if mode == "quiet" {
		close(b.finished)
		return b, nil
	}
	display, err := progressui.NewDisplay(os.Stderr, progressui.DisplayMode(mode))
	if err != nil {
		return nil, fmt.Errorf("build bake: --progress %s: %w", mode, err)
	}
	b.forText = mode != "rawjson"
	b.statuses = make(chan *client.SolveStatus)
	go func() {
		defer close(b.finished)
		// It ends when the channel is closed: a canceled build still reports its end.
		_, _ = display.UpdateFrom(context.Background(), b.statuses)
	}()
	return b, nil
}

// mode is the progress mode of the builds.
func (b *progressDisplay) mode() string {
	if b.statuses == nil {
		return "none"
	}
	return "rawjson"
}

// writerFor returns the writer for the output of a target's build. It must not be called
// concurrently.
func (b *progressDisplay) writerFor(name string) *targetWriter {
	w := &targetWriter{statuses: b.statuses, clean: b.forText, target: name}
	b.writers = append(b.writers, w)
	return w
}

// close ends the list, and shows the other output of the builds.
func (b *progressDisplay) close(out io.Writer) {
	for _, w := range b.writers {
		w.finish()
	}
	if b.statuses != nil {
		close(b.statuses)
	}
	<-b.finished
	for _, w := range b.writers {
		if text := strings.TrimSpace(w.text.String()); text != "" {
			fmt.Fprintf(out, "%s: %s\n", w.target, strings.ReplaceAll(text, "\n", "\n"+w.target+": "))
		}
	}
}

// A targetWriter is the standard error of one build.
type targetWriter struct {
	target   string
	statuses chan<- *client.SolveStatus // nil: they are not shown
	clean    bool                       // remove control sequences from statuses

	mutex sync.Mutex
	ended bool
	rest  []byte // of an incomplete line
	text  strings.Builder
}

func (w *targetWriter) Write(p []byte) (int, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.ended {
		return len(p), nil
	}
	w.rest = append(w.rest, p...)
	for {
		end := bytes.IndexByte(w.rest, '\n') + 1
		if end == 0 {
			return len(p), nil
		}
		w.handleLine(w.rest[:end])
		w.rest = w.rest[end:]
	}
}

func (w *targetWriter) finish() {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if len(w.rest) > 0 {
		w.handleLine(w.rest)
	}
	w.rest, w.ended = nil, true
}

// discard drops the output that is not a status.
func (w *targetWriter) discard() {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.rest = nil
	w.text.Reset()
}

// handleLine processes a status, or a line of text.
func (w *targetWriter) handleLine(text []byte) {
	var s client.SolveStatus
	if w.statuses != nil && text[0] == '{' && json.Unmarshal(text, &s) == nil {
		w.qualify(&s)
		if w.clean {
			cleanStatus(&s)
		}
		w.statuses <- &s
		return
	}
	w.text.Write(text)
}

// qualify makes the digests in a status unique to the target: other builds have steps with the
// same digests.
func (w *targetWriter) qualify(s *client.SolveStatus) {
	renew := func(d *digest.Digest) {
		if *d != "" {
			*d = digest.FromString(w.target + "\x00" + d.String())
		}
	}
	for _, v := range s.Vertexes {
		renew(&v.Digest)
		for i := range v.Inputs {
			renew(&v.Inputs[i])
		}
		v.Name = stepName(w.target, v.Name)
	}
	for _, v := range s.Statuses {
		renew(&v.Vertex)
	}
	for _, v := range s.Logs {
		renew(&v.Vertex)
	}
	for _, v := range s.Warnings {
		renew(&v.Vertex)
	}
}

// stepName adds a target to the name of a step: [internal] load … becomes [app internal] load
// ….
func stepName(target, name string) string {
	if rest, ok := strings.CutPrefix(name, "["); ok {
		return "[" + target + " " + rest
	}
	return "[" + target + "] " + name
}

// cleanStatus removes terminal control sequences from a status: names come from Dockerfiles,
// and output from programs. The package that draws does not do that.
func cleanStatus(s *client.SolveStatus) {
	line := func(text *string) { *text = string(visible(*text, "")) }
	for _, v := range s.Vertexes {
		line(&v.Name)
		v.Error = string(visible(v.Error, "\n\t"))
	}
	for _, v := range s.Statuses {
		line(&v.ID)
		line(&v.Name)
	}
	for _, v := range s.Logs {
		v.Data = removeControls(v.Data)
	}
	for _, v := range s.Warnings {
		v.Short = removeControls(v.Short)
		for i := range v.Detail {
			v.Detail[i] = removeControls(v.Detail[i])
		}
	}
}
