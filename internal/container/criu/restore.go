package criu

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/container/compile"
	"github.com/minirun/minirun/internal/container/terminal"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/rootfs"
)

const restoreLog = "restore.log"

// RestoreOptions are the flags of `restore` that are passed to criu(8).
type RestoreOptions struct {
	ImagePath, WorkPath       string // "" is ./checkpoint, the image path
	TCPEstablished, ExtUnixSk bool
	ShellJob, FileLocks       bool
	AutoDedup, LazyPages      bool
	LinkRemap                 bool
	ManageCgroups             string // soft, full, strict, ignore; "" is soft
	EmptyNS                   []string
	LSMProfile, LSMContext    string
}

// A Restoration is what criu needs to restore a container, apart from the images.
type Restoration struct {
	Options      *RestoreOptions
	Spec         *specs.Spec
	Bundle       string
	RootFS       string
	Annotations  map[string]string
	PidFile      string            // in which criu writes the PID of the first process
	Stop         bool              // leave the processes stopped
	CgroupMounts []rootfs.Cgroup   // the content of a cgroup mount
	CgroupRoots  map[string]string // by controllers, the cgroup of the container

	NotifyDirectory string // for the notify socket, if the container had one

	OpenDescriptors func() (*terminal.Descriptors, error) // the standard descriptors of this process
	NewTerminal     func() (*os.File, error)              // returns the slave of a new one
}

// Run has criu restore the processes. It needs a thread for which the root file system is
// a mount: see WithRootMounted.
func (r *Restoration) Run(ctx context.Context, in compile.Inputs) error {
	args, files, err := r.command()
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	if err != nil {
		return err
	}
	dir := cmp.Or(r.Options.WorkPath, r.Options.ImagePath)
	return withRootMounted(in, r.Spec.Root.Readonly, func() error {
		return runCommand(newCommand(ctx, args, files), filepath.Join(dir, restoreLog))
	})
}

// ReadPID returns the PID that criu has written.
func (r *Restoration) ReadPID() (int, error) {
	text, err := os.ReadFile(r.PidFile)
	if err != nil {
		return 0, fmt.Errorf("criu restore: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("criu restore: %s: %w", r.PidFile, err)
	}
	return pid, nil
}

// command returns criu's command line, and the files that it refers to: the joined
// namespaces, then standard descriptors.
func (r *Restoration) command() (args []string, files []*os.File, err error) {
	o := r.Options
	args = []string{
		"restore", "--images-dir", o.ImagePath, "--root", r.RootFS, "--log-file", restoreLog, "-v4",
		"--restore-detached", "--restore-sibling", "--pidfile", r.PidFile,
	}
	for _, f := range [...]struct {
		on   bool
		args []string
	}{
		{o.WorkPath != "", []string{"--work-dir", o.WorkPath}},
		{r.Stop, []string{"--leave-stopped"}},
		{o.TCPEstablished, []string{"--tcp-established"}},
		{o.ExtUnixSk, []string{"--ext-unix-sk"}},
		{o.ShellJob, []string{"--shell-job"}},
		{o.FileLocks, []string{"--file-locks"}},
		{o.AutoDedup, []string{"--auto-dedup"}},
		{o.LinkRemap, []string{"--link-remap"}},
		{o.LazyPages, []string{"--lazy-pages"}},
		{o.LSMProfile != "", []string{"--lsm-profile", o.LSMProfile}},
		{o.LSMContext != "", []string{"--lsm-mount-context", o.LSMContext}},
	} {
		if f.on {
			args = append(args, f.args...)
		}
	}
	mode, err := cgroupsMode(o.ManageCgroups)
	if err != nil {
		return nil, nil, err
	}
	empty, err := emptyNamespaces(o.EmptyNS, r.Spec)
	if err != nil {
		return nil, nil, err
	}
	args = append(append(append(args, mode), empty...), configArgs(r.Annotations, configFile)...)
	for _, controllers := range slices.Sorted(maps.Keys(r.CgroupRoots)) {
		root := r.CgroupRoots[controllers]
		if controllers != "" {
			root = controllers + ":" + root
		}
		args = append(args, "--cgroup-root", root)
	}
	external, err := r.externalMounts()
	if err != nil {
		return nil, nil, err
	}
	return r.addFiles(append(args, external...))
}

// addFiles adds what is passed to criu by descriptor.
func (r *Restoration) addFiles(args []string) (_ []string, files []*os.File, err error) {
	const first = 3 // os/exec's first
	setup := namespaces.Decide(r.Spec)
	for _, n := range joinedNames {
		if j := setup.Join(n.flag); j != nil {
			f, err := namespaces.OpenNamespace(j.Path, j.Flag)
			if err != nil {
				return nil, files, err
			}
			args = append(args, "--inherit-fd", fmt.Sprintf("fd[%d]:%s", first+len(files), n.key))
			files = append(files, f)
		}
	}
	pipes, streams, err := r.inheritPipes(first + len(files))
	files = append(files, streams...)
	if err != nil {
		return nil, files, err
	}
	terminal, slave, err := r.inheritTerminal(first + len(files))
	return slices.Concat(args, pipes, terminal), append(files, slave...), err
}
