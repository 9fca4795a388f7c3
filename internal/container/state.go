package container

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/container/wait"
	"github.com/minirun/minirun/internal/debuglog"
	"github.com/minirun/minirun/internal/netdevice"
	"github.com/minirun/minirun/internal/resctrl"
	"github.com/minirun/minirun/internal/spec"
	"github.com/minirun/minirun/internal/systemd"
)

// A Record is a container's state on disk: enough to find it, to report its state, and
// to undo everything about it. It is written before the first side effect (with Pid 0)
// and again when the process exists.
type Record struct {
	Version     string            `json:"ociVersion"`
	ID          string            `json:"id"`
	Pid         int               `json:"pid"`
	StartTime   uint64            `json:"startTime"` // of the pid, in clock ticks since boot (proc_pid_stat(5)): a reused pid has a different one
	Bundle      string            `json:"bundle"`
	Rootfs      string            `json:"rootfs"`
	Created     time.Time         `json:"created"`
	Cgroups     map[string]string `json:"cgroups,omitempty"` // controller → directory
	Socket      int               `json:"socket,omitempty"`  // once created: the descriptor of the process that `start` takes
	LastSteps   []LastStep        `json:"lastSteps,omitempty"`
	Layers      []string          `json:"layers,omitempty"` // lowest first
	Upper       string            `json:"upper,omitempty"`  // where writes to them go
	Work        string            `json:"work,omitempty"`   // overlay's work directory, if it is not below the state directory
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

const recordFile = "state.json"

// write writes the record to the state directory atomically.
func (r *Record) write(dir string) error {
	data, err := r.encode()
	if err != nil {
		return fmt.Errorf("container state: %w", err)
	}
	tmp := filepath.Join(dir, "."+recordFile)
	if err := writeFile(tmp, data); err != nil {
		return fmt.Errorf("container state: write %s: %w", tmp, err)
	}
	if err := unix.Rename(tmp, filepath.Join(dir, recordFile)); err != nil {
		return fmt.Errorf("container state: rename %s to %s: %w", tmp, recordFile, err)
	}
	debuglog.Printf("wrote %s/%s", dir, recordFile)
	return nil
}

// encode encodes the record as JSON, like json.Marshal. That has to analyze each type
// that it encounters first, which costs two tenths of a millisecond in a process that
// writes two records; so it only gets the parts that most containers do not have.
func (r *Record) encode() ([]byte, error) {
	out := fmt.Appendf(make([]byte, 0, 2<<10), `{"ociVersion":%s,"id":%s,"pid":%d,"startTime":%d,"bundle":%s,"rootfs":%s,"created":%q,"namespaces":%d`,
		quote(r.Version), quote(r.ID), r.Pid, r.StartTime, quote(r.Bundle), quote(r.Rootfs), r.Created.Format(time.RFC3339Nano), r.Namespaces)
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
	if r.Hooks == nil && r.Listener == nil && len(r.Annotations) == 0 && r.OnHost == nil && r.Unit == nil && r.Declared == "" && r.IntelRdt == nil && len(r.Devices) == 0 {
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
	}{r.Hooks, r.Listener, r.Annotations, r.OnHost, r.Unit, r.Declared, r.HookOutputs, r.IntelRdt, r.Devices, r.NetworkNamespace})
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

// writeFile is os.WriteFile without the runtime's poller, whose threads and
// descriptors would noticeably slow down a start of a few milliseconds.
func writeFile(path string, data []byte) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	n, err := unix.Write(fd, data)
	if err == nil && n < len(data) {
		err = unix.ENOSPC
	}
	return errors.Join(err, unix.Close(fd))
}

// readFile is os.ReadFile without the runtime's poller, like writeFile.
func readFile(path string) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer func() { _ = unix.Close(fd) }()
	buf := make([]byte, 0, 4096)
	for {
		buf = slices.Grow(buf, 1024)
		n, err := unix.Read(fd, buf[len(buf):cap(buf)])
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return nil, &os.PathError{Op: "read", Path: path, Err: err}
		case n == 0:
			return buf, nil
		default:
			buf = buf[:len(buf)+n]
		}
	}
}

// readRecord reads the record of a container.
func readRecord(root, id string) (*Record, error) {
	if err := CheckID(id); err != nil {
		return nil, err
	}
	data, err := readFile(filepath.Join(root, id, recordFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, notExist(root, id)
	}
	if err != nil {
		return nil, fmt.Errorf("container %q: %w", id, err)
	}
	var r Record
	if err := spec.Decode(data, recordFile, &r); err != nil { // a fifth of a millisecond faster than encoding/json
		return nil, fmt.Errorf("container %q: its state is damaged: %w", id, err)
	}
	return &r, nil
}

// startTime returns when a process was started, in clock ticks since boot.
func startTime(pid int) (uint64, error) {
	fields, err := statFields(pid)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(fields[19], 10, 64)
}

// statFields are the fields of /proc/PID/stat after the name (proc_pid_stat(5)).
func statFields(pid int) ([]string, error) {
	fd, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/stat", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	buf := make([]byte, 1024)
	n, err := unix.Read(fd, buf)
	unix.Close(fd)
	if err != nil {
		return nil, err
	}
	data := string(buf[:n])
	// The name in parentheses may contain anything, even parentheses.
	_, rest, ok := strings.Cut(data[strings.LastIndexByte(data, ')')+1:], " ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 20 {
		return nil, fmt.Errorf("/proc/%d/stat is malformed", pid)
	}
	return fields, nil
}

// open returns a pidfd of the container's process, or nil if it no longer exists.
func (r *Record) open() (*os.File, error) {
	if r.Pid <= 0 {
		return nil, nil
	}
	fd, err := unix.PidfdOpen(r.Pid, 0)
	if noProcess(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("pidfd_open %d: %w", r.Pid, err)
	}
	f := os.NewFile(uintptr(fd), "pidfd")
	// The descriptor holds the process now, so there is no race with the check.
	if t, err := startTime(r.Pid); err != nil || t != r.StartTime || wait.HasExited(fd) {
		f.Close()
		return nil, nil
	}
	return f, nil
}

// noProcess reports whether pidfd_open(2) has found no process with that PID: ESRCH,
// or EINVAL while one exits, or, if the number now belongs to a thread, EINVAL too,
// and ENOENT since Linux 6.9.
func noProcess(err error) bool {
	return errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT)
}

// Status returns the container's state in OCI's terms, or "paused" as in runc. The
// error is for a process that cannot be inspected and may be alive.
func (r *Record) Status() (specs.ContainerState, error) {
	status, err := r.status()
	debuglog.Printf("container %q is %s, its first process is %d", r.ID, status, r.Pid)
	return status, err
}

func (r *Record) status() (specs.ContainerState, error) {
	f, err := r.open()
	switch {
	case err != nil:
		return "", fmt.Errorf("container %q: %w", r.ID, err)
	case f != nil:
		defer f.Close()
		return r.alive(), nil
	case r.Pid == 0:
		return specs.StateCreating, nil
	}
	return specs.StateStopped, nil
}

// alive returns the state of a container whose first process exists.
func (r *Record) alive() specs.ContainerState {
	switch {
	case r.paused(): // also before its program: start would wait for a frozen process
		return StatePaused
	case bootstrap.InPlan(r.Pid) && r.Socket != 0:
		return specs.StateCreated
	case bootstrap.InPlan(r.Pid):
		return specs.StateCreating
	}
	return specs.StateRunning
}

// StatePaused is the state of a container whose processes are frozen. It comes from
// runc: the specification does not define it.
const StatePaused specs.ContainerState = "paused"

// state returns the document for hooks and `state` (runtime.md, "State").
func (r *Record) state(status specs.ContainerState, pid int) *specs.State {
	return &specs.State{
		Version: specs.Version, ID: r.ID, Status: status, Pid: pid, Bundle: r.Bundle, Annotations: r.Annotations,
	}
}

// A Report is the state of a container (runtime.md, "State"), with runc's additional
// fields.
type Report struct {
	specs.State
	Rootfs  string    `json:"rootfs"`
	Created time.Time `json:"created"`
}

// State reports the state of a container.
func State(root, id string) (*Report, error) {
	r, err := readRecord(root, id)
	if err != nil {
		return nil, err
	}
	status, err := r.Status()
	if err != nil {
		return nil, err
	}
	pid := r.Pid
	if status == specs.StateStopped {
		pid = 0
	}
	return &Report{*r.state(status, pid), r.Rootfs, r.Created}, nil
}
