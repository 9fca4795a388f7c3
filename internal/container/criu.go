package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/atomicfile"
	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/cgroups"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/rootfs"
	"github.com/minirun/minirun/internal/signals"
	"github.com/minirun/minirun/internal/spec"
)

// What checkpoint and restore have in common: criu(8) is run, and told which
// things of the container are the host's. They are not in the images; restore
// gives those of its own bundle.

const criuMissing = "checkpoint and restore need criu(8) in PATH: install the package criu"

// descriptorsFile is runc's: where descriptors 0 to 2 led, as links of
// /proc/PID/fd.
const descriptorsFile = "descriptors.json"

// externalFile is ours: which mounts of the container come from the host
// without config.json naming them, and from where.
const externalFile = "external.json"

// places has the mount points that config.json has from the host, and where
// restore finds what belongs there: bind mounts and, where they are bound and
// not mounted, cgroups.
func places(s *specs.Spec, bundle string, shown []rootfs.Cgroup) map[string]string {
	all := map[string]string{}
	for i := range s.Mounts {
		m := &s.Mounts[i]
		at := filepath.Join("/", m.Destination)
		switch {
		case rootfs.IsBind(m):
			if text, err := copiedLink(bundle, m); err == nil && text != "" {
				continue // a link was made, and nothing mounted
			}
			all[at] = rootfs.BindSource(bundle, m)
		case (m.Type == "cgroup" || m.Type == "cgroup2") && !namespaces.Decide(s).Has(unix.CLONE_NEWCGROUP):
			for _, g := range shown {
				all[filepath.Join(at, g.Name)] = g.Dir
			}
		}
	}
	return all
}

// fromHost finds the others: files of the host's devtmpfs, as masks are, and
// whatever else is part of a file system that the host has mounted.
func fromHost(inside, host []*mountinfo.Info, known map[string]string) map[string]string {
	found := map[string]string{}
	for _, m := range inside {
		if _, there := known[m.Mountpoint]; there || m.Root == "/" || m.Mountpoint == "/" {
			continue
		}
		if m.FSType == "proc" || m.FSType == "sysfs" || strings.HasPrefix(m.FSType, "cgroup") {
			continue // parts of the container's own, which criu knows
		}
		for _, h := range host {
			if h.Major == m.Major && h.Minor == m.Minor && below(m.Root, h.Root) {
				found[m.Mountpoint] = filepath.Join(h.Mountpoint, strings.TrimPrefix(m.Root, h.Root))
				break
			}
		}
	}
	return found
}

// mountsOf lists the mounts that a process sees.
func mountsOf(pid int) ([]*mountinfo.Info, error) {
	f, err := os.Open("/proc/" + strconv.Itoa(pid) + "/mountinfo")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return mountinfo.GetMountsFromReader(f, nil)
}

// externalAtDump tells criu what comes from the host, and writes down what
// restore cannot know of config.json.
func (r *Record) externalAtDump(s *specs.Spec, images string) (args []string, err error) {
	host, err := mountinfo.GetMounts(nil)
	if err != nil {
		return nil, fmt.Errorf("read the host's mounts: %w", err)
	}
	inside, err := mountsOf(r.Pid)
	if err != nil {
		return nil, fmt.Errorf("read the container's mounts: %w", err)
	}
	var shown []rootfs.Cgroup
	if machine, err := cgroups.Detect(); err == nil {
		if shown, err = cgroupMounts(s, machine, cgroups.Open(r.Cgroups)); err != nil {
			return nil, err
		}
	}
	known := places(s, r.Bundle, shown)
	others := fromHost(inside, host, known)
	data, err := json.Marshal(others)
	if err != nil {
		return nil, err
	}
	if err := atomicfile.Write(filepath.Join(images, externalFile), data, 0o600); err != nil {
		return nil, err
	}
	maps.Copy(known, others)
	for _, at := range slices.Sorted(maps.Keys(known)) {
		args = append(args, "--external", "mnt["+at+"]:"+at)
	}
	return args, nil
}

// externalAtRestore says what is mounted in their places now.
func externalAtRestore(s *specs.Spec, bundle, images string, shown []rootfs.Cgroup) (args []string, err error) {
	known := map[string]string{}
	data, err := os.ReadFile(filepath.Join(images, externalFile))
	if err == nil {
		err = json.Unmarshal(data, &known)
	}
	if err != nil {
		return nil, fmt.Errorf("--image-path: %s: %w", externalFile, err)
	}
	maps.Copy(known, places(s, bundle, shown))
	for _, at := range slices.Sorted(maps.Keys(known)) {
		args = append(args, "--external", "mnt["+at+"]:"+known[at])
	}
	return args, nil
}

// joinedNames are criu's words for namespaces that the container has joined,
// and ours for them in the images.
var joinedNames = []struct {
	flag      uintptr
	kind, key string
}{
	{unix.CLONE_NEWNET, "net", "extRootNetNS"},
	{unix.CLONE_NEWPID, "pid", "extRootPidNS"},
}

// joinedAtDump leaves out the namespaces that the container has joined.
func (r *Record) joinedAtDump(s *specs.Spec) (args []string, err error) {
	setup := namespaces.Decide(s)
	for _, n := range joinedNames {
		if !setup.Joined(n.flag) {
			continue
		}
		var st unix.Stat_t
		path := fmt.Sprintf("/proc/%d/ns/%s", r.Pid, n.kind)
		if err := unix.Stat(path, &st); err != nil {
			return nil, fmt.Errorf("stat %s: %w", path, err)
		}
		args = append(args, "--external", fmt.Sprintf("%s[%d]:%s", n.kind, st.Ino, n.key))
	}
	return args, nil
}

// emptyNamespaces leaves the devices and rules of a network namespace out: at
// the user's wish, and, as runc does, if the namespace is the container's own,
// because who has made its devices makes them again.
func emptyNamespaces(asked []string, s *specs.Spec) ([]string, error) {
	for _, ns := range asked {
		if ns != "network" {
			return nil, fmt.Errorf("--empty-ns %q: criu can do that to network only", ns)
		}
	}
	if len(asked) > 0 || namespaces.Decide(s).New&unix.CLONE_NEWNET != 0 {
		return []string{"--empty-ns", "net"}, nil
	}
	return nil, nil
}

// criuConfigFile is the additional configuration of criu that runc and crun read.
const criuConfigFile = "/etc/criu/runc.conf"

// criuConfig adds a configuration file: that of the annotation, which may be empty for
// none, else the usual one if it is there.
func criuConfig(annotations map[string]string, usual string) []string {
	file, given := annotations[spec.AnnotationCRIUConfig]
	if !given {
		if _, err := os.Stat(usual); err != nil {
			return nil
		}
		file = usual
	}
	if file == "" {
		return nil
	}
	return []string{"--config", file}
}

func manageCgroups(mode string) (arg string, err error) {
	switch mode {
	case "":
		mode = "soft"
	case "soft", "full", "strict", "ignore":
	default:
		return "", fmt.Errorf("--manage-cgroups-mode %q: must be soft, full, strict or ignore", mode)
	}
	return "--manage-cgroups=" + mode, nil
}

// noteDescriptors writes down where the container's standard descriptors lead:
// a pipe's other end is the host's.
func (r *Record) noteDescriptors(dir string) error {
	var links [3]string
	for fd := range links {
		links[fd], _ = os.Readlink("/proc/" + strconv.Itoa(r.Pid) + "/fd/" + strconv.Itoa(fd)) // closed is no error
	}
	data, err := json.Marshal(links)
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, descriptorsFile), data, 0o600)
}

// inheritedPipes gives the container standard descriptors of this process, or
// what replaces them, in the place of the pipes and sockets that it had.
func (c *Container) inheritedPipes(dir string, first int) (args []string, files []*os.File, err error) {
	data, err := os.ReadFile(filepath.Join(dir, descriptorsFile))
	if err != nil {
		return nil, nil, fmt.Errorf("--image-path: %w", err)
	}
	var links []string
	if err := json.Unmarshal(data, &links); err != nil {
		return nil, nil, fmt.Errorf("--image-path: %s: %w", descriptorsFile, err)
	}
	given, err := c.handOver(0, false)
	if err != nil {
		return nil, nil, err
	}
	defer given.close()
	for fd := range min(len(links), len(given.fds)) {
		link := links[fd]
		if given.fds[fd] == bootstrap.Closed || !strings.HasPrefix(link, "pipe:[") && !strings.HasPrefix(link, "socket:[") {
			continue
		}
		f, err := duplicate(given.fds[fd], link)
		if err != nil {
			return nil, files, err
		}
		args = append(args, "--inherit-fd", fmt.Sprintf("fd[%d]:%s", first+len(files), link))
		files = append(files, f)
	}
	return args, files, nil
}

// criu is a call of criu, which ends with the context: files are its descriptors from
// 3 on.
func criu(ctx context.Context, args []string, files []*os.File) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "criu", args...)
	cmd.ExtraFiles = files
	cmd.WaitDelay = time.Second // its children may hold the pipes of its output
	return cmd
}

// criuRun runs criu; what it complains of goes into the error. The thread that
// calls is the one that forks.
func criuRun(cmd *exec.Cmd, logFile string) error {
	if errors.Is(cmd.Err, exec.ErrNotFound) {
		return fmt.Errorf("%s: %w", criuMissing, cmd.Err)
	}
	bootstrap.KeepSlack()
	signals.DefaultInChildren() // what criu restores are its children
	output, err := cmd.CombinedOutput()
	if err == nil || errors.Is(err, exec.ErrWaitDelay) {
		return nil
	}
	log, _ := os.ReadFile(logFile) // may not have come into being
	return fmt.Errorf("criu %s: %w: %s (all of it is in %s)", cmd.Args[1], err, complaints(string(output)+"\n"+string(log)), logFile)
}

// criuDump runs criu for checkpoint.
func criuDump(args []string, o *CheckpointOptions) error {
	var files []*os.File
	if o.StatusFD >= 0 {
		if o.StatusFD <= 2 {
			return fmt.Errorf("--status-fd %d: must be above 2", o.StatusFD)
		}
		if !slices.Contains(o.Inherited, o.StatusFD) {
			return fmt.Errorf("--status-fd %d: is not an open descriptor of the caller", o.StatusFD)
		}
		status, err := duplicate(o.StatusFD, "status-fd")
		if err != nil {
			return fmt.Errorf("--status-fd %d: %w", o.StatusFD, err)
		}
		defer status.Close()
		files = []*os.File{status}
	}
	dir := o.WorkPath
	if dir == "" {
		dir = o.ImagePath
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return criuRun(criu(context.Background(), args, files), filepath.Join(dir, dumpLog))
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
