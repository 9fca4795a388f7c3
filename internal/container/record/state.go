// Package record is a container on disk: its state.json and its lock, and what can be found
// from them: its status and its processes.
package record

import (
	"fmt"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/netdevice"
	"github.com/minirun/minirun/internal/resctrl"
	"github.com/minirun/minirun/internal/spec/strictjson"
	"github.com/minirun/minirun/internal/systemd"
)

// A Record is a container's state on disk: enough to find it, to report its state, and
// to undo everything about it. It is written before the first side effect (with Pid 0)
// and again when the process exists.
type Record struct {
	Version string `json:"ociVersion"`
	ID      string `json:"id"`
	Pid     int    `json:"pid"`
	// of the pid, in clock ticks since boot (proc_pid_stat(5)): a reused pid has a different one
	StartTime uint64            `json:"startTime"`
	Bundle    string            `json:"bundle"`
	Rootfs    string            `json:"rootfs"`
	Created   time.Time         `json:"created"`
	Cgroups   map[string]string `json:"cgroups,omitempty"` // controller → directory
	// once created: the descriptor of the process that `start` takes
	Socket    int        `json:"socket,omitempty"`
	LastSteps []LastStep `json:"lastSteps,omitempty"`
	Layers    []string   `json:"layers,omitempty"` // lowest first
	Upper     string     `json:"upper,omitempty"`  // where writes to them go
	// overlay's work directory, if it is not below the state directory
	Work        string            `json:"work,omitempty"`
	Hooks       *specs.Hooks      `json:"hooks,omitempty"`
	Listener    *Listener         `json:"listener,omitempty"`
	Namespaces  uintptr           `json:"namespaces"`       // CLONE_NEW* that differ from minirun's: created or joined
	Joined      uintptr           `json:"joined,omitempty"` // those of them that existed before
	NoKeyring   bool              `json:"noKeyring,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	OnHost      *HostMount        `json:"onHost,omitempty"`
	Unit        *systemd.Unit     `json:"unit,omitempty"` // with --systemd-cgroup
	IntelRdt    *resctrl.Group    `json:"intelRdt,omitempty"`
	// Devices are those of linux.netDevices while the container is being created, and
	// NetworkNamespace is their destination if that is joined by path.
	Devices          []netdevice.Device `json:"devices,omitempty"`
	NetworkNamespace string             `json:"networkNamespace,omitempty"`
	// Declared is the ociVersion of config.json, if a rule depends on it.
	Declared string `json:"declaredVersion,omitempty"`
	// HookOutputs are the descriptors of the process that receive the output of its
	// startContainer hooks, once created.
	HookOutputs []int `json:"hookOutputs,omitempty"`
}

// A Listener is the agent that answers for a seccomp filter, and the data that it
// receives (config-linux.md, "Seccomp", listenerPath and listenerMetadata).
type Listener struct {
	Path     string `json:"path"`
	Metadata string `json:"metadata,omitempty"`
}

// encode encodes the record as JSON. json.Marshal would prepare an encoder for each type that
// it meets first, which takes 2 % of a start (docs/decisions/0003-own-config-decoder.md).
func (r *Record) encode() ([]byte, error) { return strictjson.Marshal(r) }

// A LastStep is the record of a step that comes after start, when only the process
// that runs the plan has it.
type LastStep struct {
	Step int    `json:"step"`
	Text string `json:"text"`           // what requested it, and its name
	Call string `json:"call"`           // its system call
	Exec bool   `json:"exec,omitempty"` // its failure concerns the program
}

// A NotCreatedError reports a container that is past its start, or not ready for it.
type NotCreatedError struct{ Status specs.ContainerState }

func (e *NotCreatedError) Error() string {
	switch e.Status {
	case specs.StateStopped:
		return "cannot start a container that has stopped"
	case specs.StateRunning:
		return "cannot start an already running container"
	}
	return fmt.Sprintf("cannot start a container in the state %s", e.Status)
}
