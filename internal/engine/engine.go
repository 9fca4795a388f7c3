// Package engine is what stands around the runtime when a container is made of an
// image: what Docker's daemon, or podman and conmon, are to runc.
//
//	settings.go  flags of `run` → changes of config.json (pure)
//	mounts.go    volumes, and the files that a container needs of its host
//	make.go      an image and settings → a bundle in the store
//	run.go       a container's whole life, attended by this process
//	detach.go    the same, attended by another one in the background
//	log.go       what a detached container writes
//	health.go    HEALTHCHECK: when to look, and what the answers mean (pure)
//	probe.go     the look itself
//	list.go      ps; stop.go: stop and rm
//
// The runtime below knows nothing of any of it: a container of an image is a
// bundle like others, in DIR/containers/ID of the image store.
package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/minirun/minirun/internal/atomicfile"
	"github.com/minirun/minirun/internal/image"
)

// An Engine makes and finds containers.
type Engine struct {
	Store   *image.Store
	Root    string // of the runtime's state
	Program string // minirun's own, to execute for a monitor or a probe
	Helper  string // minirun-image, for what needs the network or a copy of files; "" if there is none

	Inherited []int // descriptors that are the caller's: see container.Options
	Systemd   bool  // --systemd-cgroup
	NoCgroup  bool  // --cgroup-manager disabled
	Warn      func(any)
}

// A Record is what is known of a container from its beginning. [image.Origin] is
// part of it.
type Record struct {
	image.Origin
	Container  string             `json:"container"`
	Command    []string           `json:"command"`
	Created    time.Time          `json:"created"`
	Remove     bool               `json:"remove,omitempty"`   // --rm
	Terminal   bool               `json:"terminal,omitempty"` // -t
	StopSignal string             `json:"stopSignal,omitempty"`
	Network    string             `json:"network"`
	Ports      []string           `json:"ports,omitempty"`
	Health     *image.Healthcheck `json:"health,omitempty"`
	Shell      []string           `json:"shell,omitempty"` // for a health check in shell form
}

// An End is how a container ended.
type End struct {
	Status   int       `json:"status"`
	Finished time.Time `json:"finished"`
}

// ErrNoContainer is the cause when there is no container of an image by this name.
var ErrNoContainer = errors.New("no such container of an image")

const (
	recordFile = "container.json"
	endFile    = "end.json"
	healthFile = "health.json"
	logFile    = "log"

	attendedFile = "attended" // see attend
)

// file is a file in a container's directory.
func (e *Engine) file(id, name string) string { return filepath.Join(e.Store.Container(id), name) }

// Record reads what is known of a container.
func (e *Engine) Record(id string) (*Record, error) {
	var r Record
	err := readJSON(e.file(id, recordFile), &r)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNoContainer, id)
	}
	return &r, err
}

func readJSON(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// writeJSON writes a file whole.
func writeJSON(path string, what any) error {
	text, err := json.Marshal(what)
	if err != nil {
		return err
	}
	return atomicfile.Write(path, append(text, '\n'), 0o644)
}
