// Package engine manages containers created from images on top of the runtime: it does
// what Docker's daemon, or podman and conmon, do for runc.
//
//	settings.go  flags of `run` (runflags reads them)
//	mounts.go    mounts and volumes; hostfiles.go: the files that a container needs from its host
//	create.go    an image and settings → a bundle in the store; package pull finds the image
//	configure.go config.json of that bundle
//	connect.go   networks and ports: package connection, network and ports
//	attend.go    the process that is responsible for a container
//	run.go       a container's whole life, attended by this process
//	detach.go    the same, attended by another process in the background
//	restart.go   --restart: starts it again
//	start.go     start, restart; stop.go: stop, kill; remove.go: rm; wait.go: wait; rename.go: rename
//	update.go    limits that stay for the next start
//	log.go       the output of a detached container
//	notes.go     what minirun itself has to say about one
//	health.go    HEALTHCHECK: when to probe, and what the results mean (pure)
//	probe.go     the probe itself
//	list.go      the containers and their states; status.go: a state in words
//
// The runtime below does not know about any of it: a container created from an image
// is a bundle like any other, in DIR/containers/ID of the image store.
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
	"github.com/minirun/minirun/internal/container"
	"github.com/minirun/minirun/internal/engine/config"
	"github.com/minirun/minirun/internal/engine/ports"
	"github.com/minirun/minirun/internal/engine/restart"
	"github.com/minirun/minirun/internal/engine/volumes"
	"github.com/minirun/minirun/internal/image"
)

// An Engine creates and finds containers.
type Engine struct {
	Store   *image.Store
	Root    string // of the runtime's state
	Program string // minirun's own path, to execute for a monitor or a probe
	Helper  string // minirun-image, for everything that needs the network or copies files; "" if there is none

	Inherited []int // descriptors that belong to the caller: see container.Options
	Systemd   bool  // --systemd-cgroup
	NoCgroup  bool  // --cgroup-manager disabled
	Warn      func(any)

	newVolume func() string // the name of an anonymous volume; nil: a random one
}

// A Record is what is known about a container when it is created. [image.Origin] is
// part of it.
type Record struct {
	image.Origin
	Container  string             `json:"container"`
	Command    []string           `json:"command"`
	Created    time.Time          `json:"created"`
	Remove     bool               `json:"remove,omitempty"`   // --rm
	Restart    restart.Policy     `json:"restart,omitzero"`   // --restart
	Flags      []string           `json:"flags,omitempty"`    // of its monitor
	Manager    string             `json:"manager,omitempty"`  // of its cgroup: systemd or disabled; "" is cgroupfs
	Terminal   bool               `json:"terminal,omitempty"` // -t
	StopSignal string             `json:"stopSignal,omitempty"`
	Network    string             `json:"network"`         // none, host, container:NAME or the names of networks
	Ports      []ports.Mapping    `json:"ports,omitempty"` // as bound on the host
	Exposed    []string           `json:"exposed,omitempty"`
	Health     *image.Healthcheck `json:"health,omitempty"`
	Shell      []string           `json:"shell,omitempty"`    // for a health check in shell form
	AppArmor   string             `json:"appArmor,omitempty"` // the profile

	Interactive bool `json:"interactive,omitempty"` // -i

	StandardNetwork bool `json:"standardNetwork,omitempty"` // --network was not given

	StopTimeout *int              `json:"stopTimeout,omitempty"` // seconds; nil: Docker's default; -1: for ever
	NoLog       bool              `json:"noLog,omitempty"`       // --log-driver none
	Namespaces  config.Namespaces `json:"namespaces,omitzero"`
	Volumes     []volumes.Use     `json:"volumes,omitempty"`
}

// An End is how a container ended.
type End struct {
	Status      int       `json:"status"`
	Lost        bool      `json:"lost,omitempty"` // the status is not known: the attendant was killed
	Finished    time.Time `json:"finished"`
	OutOfMemory bool      `json:"oomKilled,omitempty"`
	MemoryLimit uint64    `json:"memoryLimit,omitempty"` // in bytes, if it ran out of memory
}

// MemoryText describes the end of a container that ran out of memory.
func (e *End) MemoryText() string { return (&container.MemoryEnd{Limit: e.MemoryLimit}).String() }

// ErrNoContainer is the cause if no container created from an image has this name.
var ErrNoContainer = errors.New("no such container created from an image")

// A NoContainerError reports the name that no container created from an image has.
type NoContainerError struct{ Name string }

func (e *NoContainerError) Error() string { return fmt.Sprintf("%v: %s", ErrNoContainer, e.Name) }

func (e *NoContainerError) Unwrap() error { return ErrNoContainer }

const (
	recordFile = "container.json"
	endFile    = "end.json"
	healthFile = "health.json"
	logFile    = "log"

	attendedFile = "attended"  // see attendant
	stopFile     = "stop.json" // see stopRequest
	notesFile    = "notes"     // see Note
)

// file returns the path of a file in a container's directory.
func (e *Engine) file(id, name string) string { return filepath.Join(e.Store.Container(id), name) }

// Record reads the record of a container.
func (e *Engine) Record(id string) (*Record, error) {
	var r Record
	err := readJSON(e.file(id, recordFile), &r)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NoContainerError{id}
	}
	if err == nil && r.Container != id {
		err = e.finishRename(&r, id)
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

// writeJSON replaces a file atomically.
func writeJSON(path string, what any) error {
	text, err := json.Marshal(what)
	if err != nil {
		return err
	}
	return atomicfile.Write(path, append(text, '\n'), 0o644)
}
