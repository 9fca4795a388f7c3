package main

import (
	"bytes"
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"sync"

	controlapi "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/client"
)

// A build is one request to solve, with its status so far.
type build struct {
	ref     string
	request *controlapi.SolveRequest

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at each change
	stream  []*controlapi.StatusResponse
	done    bool

	begun    chan struct{}  // closed when request is set
	frontend *frontendState // set by the gateway
}

func newBuild(ref string) *build {
	return &build{
		ref: ref, changed: make(chan struct{}),
		begun: make(chan struct{}), frontend: newFrontendState(),
	}
}

func (b *build) begin(req *controlapi.SolveRequest) {
	b.change(func() { b.request = req })
	close(b.begun)
}

func (b *build) finish() { b.change(func() { b.done = true }) }

func (b *build) running() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.request != nil && !b.done
}

func (b *build) change(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
	close(b.changed)
	b.changed = make(chan struct{})
}

func (b *build) send(s *controlapi.StatusResponse) {
	b.change(func() { b.stream = append(b.stream, s) })
}

// follow sends the status from its beginning until the build ends.
func (b *build) follow(ctx context.Context, send func(*controlapi.StatusResponse) error) error {
	for sent := 0; ; {
		b.mu.Lock()
		stream, done, changed := b.stream[sent:], b.done, b.changed
		b.mu.Unlock()
		for _, s := range stream {
			if err := send(s); err != nil {
				return err
			}
		}
		sent += len(stream)
		if done {
			return nil
		}
		if len(stream) > 0 {
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// A display parses what minirun build --progress rawjson writes to standard error. A line that is not
// JSON belongs to an error message.
type display struct {
	build   *build
	line    []byte
	message bytes.Buffer
}

func (d *display) Write(p []byte) (int, error) {
	d.line = append(d.line, p...)
	for {
		line, rest, ok := bytes.Cut(d.line, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		d.read(line)
		d.line = bytes.Clone(rest)
	}
}

func (d *display) read(line []byte) {
	var s client.SolveStatus
	if bytes.HasPrefix(line, []byte("{")) && json.Unmarshal(line, &s) == nil {
		s.Warnings = slices.DeleteFunc(s.Warnings,
			func(w *client.VertexWarning) bool { return isMinirunRule(string(w.Short)) })
		for _, m := range s.Marshal() {
			d.build.send(m)
		}
		return
	}
	d.message.Write(line)
	d.message.WriteByte('\n')
}

// minirunRules matches the rules of minirun's linter that BuildKit's does not have.
var minirunRules = regexp.MustCompile(`^(AptGetUpdateAlone|CopyFromWorkdir|CdAlone|ExecFormQuotes|EntrypointAndCmd|CopyOverInstalled|SourceOutsideContext|WindowsLineEnds)(:|$)`)

func isMinirunRule(warning string) bool { return minirunRules.MatchString(warning) }
