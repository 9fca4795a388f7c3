package container

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/cgroups"
)

// CheckpointOptions are the flags of `checkpoint`; criu(8) has most of them.
type CheckpointOptions struct {
	ImagePath, WorkPath, ParentPath string // "" is ./checkpoint, the image path, no parent
	LeaveRunning, PreDump           bool
	TCPEstablished, ExtUnixSk       bool
	ShellJob, FileLocks, AutoDedup  bool
	LinkRemap, LazyPages            bool
	StatusFD                        int    // criu writes a zero byte when lazy pages can be fetched; -1: none
	PageServer                      string // ADDRESS:PORT
	ManageCgroups                   string // soft, full, strict, ignore; "" is soft
	EmptyNS                         []string
}

const (
	dumpLog     = "dump.log"
	criuStatus  = 3 // where criu finds StatusFD
	criuMissing = "checkpoint needs criu(8) in PATH: install the package criu"
)

// Checkpoint writes the state of a container's processes to image files with
// criu. Without LeaveRunning and PreDump that ends the container, which is then
// deleted; warnings are those of its poststop hooks.
func Checkpoint(root, id string, o CheckpointOptions) (warnings []error, err error) {
	h, err := hold(root, id, unix.LOCK_EX)
	if err != nil {
		return nil, err
	}
	defer h.lock.release()
	if status := h.Status(); status != specs.StateRunning && status != StatePaused {
		return nil, fmt.Errorf("container cannot be checkpointed in %s state", status)
	}
	if o.ImagePath == "" {
		o.ImagePath = "checkpoint"
	}
	if o.ImagePath, err = filepath.Abs(o.ImagePath); err != nil {
		return nil, err
	}
	for _, dir := range [2]string{o.ImagePath, o.WorkPath} {
		if dir != "" {
			if err := os.MkdirAll(dir, 0o700); err != nil {
				return nil, fmt.Errorf("checkpoint: %w", err)
			}
		}
	}
	args, err := h.dumpArgs(&o)
	if err != nil {
		return nil, err
	}
	if err := runCRIU(args, &o); err != nil {
		return nil, err
	}
	if o.LeaveRunning || o.PreDump {
		return nil, nil
	}
	if err := h.end(true); err != nil { // criu has ended it; the kernel may not be done
		return nil, err
	}
	if err := h.remove(filepath.Join(root, id), cgroups.Open(h.Cgroups)); err != nil {
		return nil, err
	}
	return h.poststop(), nil
}

// dumpArgs is criu's command line (pure).
func (r *Record) dumpArgs(o *CheckpointOptions) ([]string, error) {
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
		// What the host has bound into the container is given again at restore.
		{!o.PreDump, []string{"--external", "mnt[]", "--evasive-devices"}},
		{o.LeaveRunning && !o.PreDump, []string{"--leave-running"}},
		{o.TCPEstablished, []string{"--tcp-established"}},
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
		return nil, fmt.Errorf("--parent-path %q: must be relative to the image path, as criu keeps it in the images", o.ParentPath)
	}
	switch o.ManageCgroups {
	case "":
		args = append(args, "--manage-cgroups=soft")
	case "soft", "full", "strict", "ignore":
		args = append(args, "--manage-cgroups="+o.ManageCgroups)
	default:
		return nil, fmt.Errorf("--manage-cgroups-mode %q: must be soft, full, strict or ignore", o.ManageCgroups)
	}
	if o.PageServer != "" {
		colon := strings.LastIndexByte(o.PageServer, ':')
		if colon <= 0 || colon == len(o.PageServer)-1 {
			return nil, fmt.Errorf("--page-server %q: must be ADDRESS:PORT", o.PageServer)
		}
		args = append(args, "--page-server", "--address", strings.Trim(o.PageServer[:colon], "[]"), "--port", o.PageServer[colon+1:])
	}
	for _, ns := range o.EmptyNS {
		if ns != "network" {
			return nil, fmt.Errorf("--empty-ns %q: criu can do that to network only", ns)
		}
		args = append(args, "--empty-ns", "net")
	}
	return args, nil
}

// runCRIU runs criu; what it complains of goes into the error.
func runCRIU(args []string, o *CheckpointOptions) error {
	cmd := exec.Command("criu", args...)
	if errors.Is(cmd.Err, exec.ErrNotFound) {
		return fmt.Errorf("%s: %w", criuMissing, cmd.Err)
	}
	if o.StatusFD >= 0 {
		if o.StatusFD <= 2 {
			return fmt.Errorf("--status-fd %d: must be above 2", o.StatusFD)
		}
		status := os.NewFile(uintptr(o.StatusFD), "status-fd")
		defer status.Close()
		cmd.ExtraFiles = []*os.File{status}
	}
	runtime.LockOSThread()
	bootstrap.KeepSlack()
	output, err := cmd.CombinedOutput()
	runtime.UnlockOSThread()
	if err == nil {
		return nil
	}
	dir := o.WorkPath
	if dir == "" {
		dir = o.ImagePath
	}
	log, _ := os.ReadFile(filepath.Join(dir, dumpLog)) // may not have come into being
	said := complaints(string(output) + "\n" + string(log))
	return fmt.Errorf("criu %s: %w: %s (all of it is in %s)", args[0], err, said, filepath.Join(dir, dumpLog))
}

// complaints are the lines of criu's output that tell of errors, the first few.
func complaints(output string) string {
	var lines []string
	for line := range strings.Lines(output) {
		if i := strings.Index(line, "Error ("); i >= 0 && len(lines) < 5 {
			if line = strings.TrimSpace(line[i:]); len(lines) == 0 || lines[len(lines)-1] != line {
				lines = append(lines, line)
			}
		}
	}
	if len(lines) == 0 {
		return strings.TrimSpace(output)
	}
	return strings.Join(lines, "; ")
}

// errRestore says what there is instead.
var errRestore = errors.New("restore is not supported by minirun: it can checkpoint a container, and not bring it back")

// Restore refuses: nothing is made, nothing is read.
func Restore() error { return errRestore }
