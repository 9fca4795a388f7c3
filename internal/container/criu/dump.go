package criu

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/container/record"
)

// DumpOptions are the flags of `checkpoint` that are passed to criu(8).
type DumpOptions struct {
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
	dumpLog  = "dump.log"
	statusFD = 3 // where criu finds StatusFD
)

// MakeDirectories creates the directories for the images and the log.
func (o *DumpOptions) MakeDirectories() (err error) {
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

// describeExternal returns criu's options for everything in the container that belongs to the
// host, and stores notes about it with the images.
func describeExternal(r *record.Record, notifyDir string, config *specs.Spec, images string) ([]string, error) {
	if err := writeDescriptors(r, images); err != nil {
		return nil, err
	}
	mounts, err := excludeMounts(r, notifyDir, config, images)
	if err != nil {
		return nil, err
	}
	joined, err := excludeJoined(r, config)
	if err != nil {
		return nil, err
	}
	terminal, err := excludeTerminal(r, images)
	return slices.Concat(mounts, joined, terminal), err
}

// DumpArgs returns the arguments of criu for checkpoint. It writes notes about what
// belongs to the host to the directory of the images. notifyDir is the directory that the
// container has for the notify socket, if it exists.
func DumpArgs(r *record.Record, o *DumpOptions, config *specs.Spec, notifyDir string) ([]string, error) {
	args, err := dumpArgs(r, o, config)
	if err != nil || o.PreDump {
		return args, err
	}
	external, err := describeExternal(r, notifyDir, config, o.ImagePath)
	return append(args, external...), err
}

// dumpArgs returns criu's command line, except for what belongs to the host (pure).
func dumpArgs(r *record.Record, o *DumpOptions, config *specs.Spec) ([]string, error) {
	verb := "dump"
	if o.PreDump {
		verb = "pre-dump"
	}
	args := []string{verb, "--tree", strconv.Itoa(r.Pid), "--images-dir", o.ImagePath, "--root", r.Rootfs, "--log-file",
		dumpLog, "-v4"}
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
		{o.StatusFD >= 0, []string{"--status-fd", strconv.Itoa(statusFD)}},
	} {
		if f.on {
			args = append(args, f.args...)
		}
	}
	if o.ParentPath != "" && filepath.IsAbs(o.ParentPath) {
		return nil, fmt.Errorf("--parent-path %q: must be relative to the image path, because criu stores it in the "+
			"images", o.ParentPath)
	}
	mode, err := cgroupsMode(o.ManageCgroups)
	if err != nil {
		return nil, err
	}
	args = append(args, mode)
	if o.PageServer != "" {
		colon := strings.LastIndexByte(o.PageServer, ':')
		if colon <= 0 || colon == len(o.PageServer)-1 {
			return nil, fmt.Errorf("--page-server %q: must be ADDRESS:PORT", o.PageServer)
		}
		args = append(args, "--page-server", "--address", strings.Trim(o.PageServer[:colon], "[]"), "--port",
			o.PageServer[colon+1:])
	}
	empty, err := emptyNamespaces(o.EmptyNS, config)
	if err != nil {
		return nil, err
	}
	return append(append(args, empty...), configArgs(r.Annotations, configFile)...), nil
}
