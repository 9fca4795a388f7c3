package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/minirun/minirun/internal/container/record"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups"
	"github.com/minirun/minirun/internal/container/wait"
	"github.com/minirun/minirun/internal/signals"
	"github.com/minirun/minirun/internal/spec"
)

// CheckpointOptions are the flags of `checkpoint`; most of them are passed to criu(8).
type CheckpointOptions struct {
	ImagePath, WorkPath, ParentPath string // "" is ./checkpoint, the image path, no parent
	LeaveRunning, PreDump           bool
	TCPEstablished, TCPSkipInFlight bool
	ExtUnixSk                       bool
	ShellJob, FileLocks, AutoDedup  bool
	LinkRemap, LazyPages            bool
	StatusFD                        int    // criu writes a zero byte when lazy pages can be fetched; -1: none
	Inherited                       []int  // as in Options; StatusFD must be one of them
	PageServer                      string // ADDRESS:PORT
	ManageCgroups                   string // soft, full, strict, ignore; "" is soft
	EmptyNS                         []string
}

const (
	dumpLog    = "dump.log"
	criuStatus = 3 // where criu finds StatusFD
)

// Checkpoint writes the state of a container's processes to image files with criu.
// Without LeaveRunning and PreDump this ends the container, which is then deleted;
// warnings are those of its poststop hooks.
func Checkpoint(root, id string, o CheckpointOptions) (warnings []error, err error) {
	h, err := record.Acquire(root, id, unix.LOCK_EX)
	if err != nil {
		return nil, err
	}
	defer h.Lock.Release()
	status, err := h.Status()
	if err != nil {
		return nil, err
	}
	if status != specs.StateRunning && status != record.StatePaused {
		return nil, fmt.Errorf("container cannot be checkpointed in %s state", status)
	}
	if err := o.makeDirectories(); err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	config, _, err := spec.Load(h.Bundle) // create has printed its warnings
	if err != nil {
		return nil, err
	}
	ends := !o.LeaveRunning && !o.PreDump
	if ends {
		if err := checkRestore(config, len(h.Layers) > 0 && h.Work == ""); err != nil {
			return nil, fmt.Errorf("%w\nhint: keep the container with --leave-running", err)
		}
	}
	args, err := dumpArgs(&h.Record, &o, config)
	if err != nil {
		return nil, err
	}
	if !o.PreDump {
		external, err := describeExternal(h, config, o.ImagePath)
		if err != nil {
			return nil, err
		}
		args = append(args, external...)
	}
	c := newContainer(Options{}, purpose{})
	c.Record = h.Record
	if c.signals.Queue, err = signals.Catch(); err != nil {
		return nil, err
	}
	if err := c.dump(args, &o, status == record.StatePaused); err != nil {
		return nil, err
	}
	if !ends {
		return nil, nil
	}
	if err := c.End(true); err != nil { // criu has killed it; the kernel may not be done yet
		return nil, err
	}
	warnings, err = remove(&c.Record, filepath.Join(root, id), cgroups.Open(c.Cgroups))
	if err != nil {
		return warnings, err
	}
	h.Lock.Release() // its hooks may call minirun
	return append(warnings, c.poststop()...), nil
}

// makeDirectories creates the directories for the images and the log.
func (o *CheckpointOptions) makeDirectories() (err error) {
	if o.ImagePath == "" {
		o.ImagePath = "checkpoint"
	}
	if o.ImagePath, err = filepath.Abs(o.ImagePath); err != nil {
		return err
	}
	for _, dir := range [2]string{o.ImagePath, o.WorkPath} {
		if dir != "" {
			if err := os.MkdirAll(dir, 0o700); err != nil {
				return err
			}
		}
	}
	return nil
}

// dump runs criu, which a signal stops. After a failure the container continues,
// unless it was paused before: a criu that is killed leaves it frozen.
func (c *Container) dump(args []string, o *CheckpointOptions, paused bool) error {
	err := c.signals.Run(func(ctx context.Context) error { return criuDump(ctx, args, o) })
	var interrupted *wait.Interrupted
	if errors.As(err, &interrupted) {
		interrupted.Before = "criu had written all images"
	}
	if err != nil && !paused && c.IsPaused() {
		return errors.Join(err, c.Thaw())
	}
	return err
}

// describeExternal returns criu's options for everything in the container that belongs to the
// host, and stores notes about it with the images.
func describeExternal(h *record.Locked, config *specs.Spec, images string) ([]string, error) {
	if err := noteDescriptors(&h.Record, images); err != nil {
		return nil, err
	}
	mounts, err := externalAtDump(h, config, images)
	if err != nil {
		return nil, err
	}
	joined, err := joinedAtDump(&h.Record, config)
	if err != nil {
		return nil, err
	}
	terminal, err := terminalAtDump(&h.Record, images)
	return slices.Concat(mounts, joined, terminal), err
}

// dumpArgs returns criu's command line, except for what belongs to the host (pure).
func dumpArgs(r *record.Record, o *CheckpointOptions, config *specs.Spec) ([]string, error) {
	verb := "dump"
	if o.PreDump {
		verb = "pre-dump"
	}
	args := []string{verb, "--tree", strconv.Itoa(r.Pid), "--images-dir", o.ImagePath, "--root", r.Rootfs, "--log-file", dumpLog, "-v4"}
	for _, f := range [...]struct {
		on   bool
		args []string
	}{
		{o.WorkPath != "", []string{"--work-dir", o.WorkPath}},
		{o.ParentPath != "", []string{"--prev-images-dir", o.ParentPath}},
		{o.ParentPath != "" || o.PreDump, []string{"--track-mem"}},
		{r.Cgroups["freezer"] != "", []string{"--freeze-cgroup", r.Cgroups["freezer"]}},
		{r.Cgroups["freezer"] == "" && r.Cgroups[""] != "", []string{"--freeze-cgroup", r.Cgroups[""]}},
		{!o.PreDump, []string{"--evasive-devices"}},
		{o.LeaveRunning && !o.PreDump, []string{"--leave-running"}},
		{o.TCPEstablished, []string{"--tcp-established"}},
		{o.TCPSkipInFlight, []string{"--skip-in-flight"}},
		{o.ExtUnixSk, []string{"--ext-unix-sk"}},
		{o.ShellJob, []string{"--shell-job"}},
		{o.FileLocks, []string{"--file-locks"}},
		{o.AutoDedup, []string{"--auto-dedup"}},
		{o.LinkRemap, []string{"--link-remap"}},
		{o.LazyPages, []string{"--lazy-pages"}},
		{o.StatusFD >= 0, []string{"--status-fd", strconv.Itoa(criuStatus)}},
	} {
		if f.on {
			args = append(args, f.args...)
		}
	}
	if o.ParentPath != "" && filepath.IsAbs(o.ParentPath) {
		return nil, fmt.Errorf("--parent-path %q: must be relative to the image path, because criu stores it in the images", o.ParentPath)
	}
	mode, err := manageCgroups(o.ManageCgroups)
	if err != nil {
		return nil, err
	}
	args = append(args, mode)
	if o.PageServer != "" {
		colon := strings.LastIndexByte(o.PageServer, ':')
		if colon <= 0 || colon == len(o.PageServer)-1 {
			return nil, fmt.Errorf("--page-server %q: must be ADDRESS:PORT", o.PageServer)
		}
		args = append(args, "--page-server", "--address", strings.Trim(o.PageServer[:colon], "[]"), "--port", o.PageServer[colon+1:])
	}
	empty, err := emptyNamespaces(o.EmptyNS, config)
	if err != nil {
		return nil, err
	}
	return append(append(args, empty...), criuConfig(r.Annotations, criuConfigFile)...), nil
}
