// Package record is a container on disk: its state.json and its lock, and what can be found
// from them: its status and its processes.
package record

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/netdevice"
	"github.com/minirun/minirun/internal/resctrl"
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

// encode encodes the record as JSON, like json.Marshal. That has to analyze each type
// that it encounters first, which costs two tenths of a millisecond in a process that
// writes two records; so it only gets the parts that most containers do not have.
func (r *Record) encode() ([]byte, error) {
	out := fmt.Appendf(make([]byte, 0, 2<<10),
		`{"ociVersion":%s,"id":%s,"pid":%d,"startTime":%d,"bundle":%s,"rootfs":%s,"created":%q,"namespaces":%d`,
		quote(r.Version), quote(r.ID), r.Pid, r.StartTime, quote(r.Bundle), quote(r.Rootfs),
		r.Created.Format(time.RFC3339Nano), r.Namespaces)
	if r.NoKeyring {
		out = append(out, `,"noKeyring":true`...)
	}
	if r.Joined != 0 {
		out = fmt.Appendf(out, `,"joined":%d`, r.Joined)
	}
	if r.Socket != 0 {
		out = fmt.Appendf(out, `,"socket":%d`, r.Socket)
	}
	separator := `,"lastSteps":[`
	for _, s := range r.LastSteps {
		out = fmt.Appendf(out, `%s{"step":%d,"text":%s,"exec":%t}`, separator, s.Step, quote(s.Text), s.Exec)
		separator = ","
	}
	if len(r.LastSteps) > 0 {
		out = append(out, ']')
	}
	separator = `,"layers":[`
	for _, l := range r.Layers {
		out = fmt.Appendf(out, `%s%s`, separator, quote(l))
		separator = ","
	}
	if len(r.Layers) > 0 {
		out = fmt.Appendf(out, `],"upper":%s`, quote(r.Upper))
	}
	if r.Work != "" {
		out = fmt.Appendf(out, `,"work":%s`, quote(r.Work))
	}
	separator = `,"cgroups":{`
	for _, controller := range slices.Sorted(maps.Keys(r.Cgroups)) {
		out = fmt.Appendf(out, `%s%s:%s`, separator, quote(controller), quote(r.Cgroups[controller]))
		separator = ","
	}
	if len(r.Cgroups) > 0 {
		out = append(out, '}')
	}
	if r.Hooks == nil && r.Listener == nil && len(r.Annotations) == 0 && r.OnHost == nil && r.Unit == nil &&
		r.Declared == "" && r.IntelRdt == nil && len(r.Devices) == 0 {
		return append(out, '}'), nil
	}
	rest, err := json.Marshal(struct {
		Hooks       *specs.Hooks      `json:"hooks,omitempty"`
		Listener    *Listener         `json:"listener,omitempty"`
		Annotations map[string]string `json:"annotations,omitempty"`
		OnHost      *HostMount        `json:"onHost,omitempty"`
		Unit        *systemd.Unit     `json:"unit,omitempty"`
		Declared    string            `json:"declaredVersion,omitempty"`
		HookOutputs []int             `json:"hookOutputs,omitempty"`

		IntelRdt         *resctrl.Group     `json:"intelRdt,omitempty"`
		Devices          []netdevice.Device `json:"devices,omitempty"`
		NetworkNamespace string             `json:"networkNamespace,omitempty"`
	}{r.Hooks, r.Listener, r.Annotations, r.OnHost, r.Unit, r.Declared, r.HookOutputs, r.IntelRdt, r.Devices,
		r.NetworkNamespace})
	if len(rest) <= len("{}") { // an empty object has nothing to add
		return append(out, '}'), err
	}
	return append(append(out, ','), rest[1:]...), err
}

// quote writes a JSON string. A path may contain any byte except zero.
func quote(s string) string {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == '"' || s[i] == '\\' {
			text, _ := json.Marshal(s) // a string always marshals
			return string(text)
		}
	}
	return `"` + s + `"`
}

// A LastStep is the record of a step that comes after start, when only the process
// that runs the plan has it.
type LastStep struct {
	Step int    `json:"step"`
	Text string `json:"text"`
	Exec bool   `json:"exec,omitempty"` // its failure concerns the program
}
