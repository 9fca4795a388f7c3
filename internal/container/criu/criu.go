// Package criu runs criu(8) for checkpoint and restore, and describes to it which parts of
// a container belong to the host. Those are not in the images; restore takes them from
// its own bundle. mounts.go handles those that are mounts, terminal.go the terminal.
package criu

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/atomicfile"
	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/container/terminal"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/signals"
	"github.com/minirun/minirun/internal/spec"
)

const missing = "checkpoint and restore need criu(8) in PATH: install the package criu"

// descriptorsFile is runc's: the targets of descriptors 0 to 2, as links of
// /proc/PID/fd.
const descriptorsFile = "descriptors.json"

// joinedNames are criu's names for namespaces that the container has joined, and ours
// for them in the images.
var joinedNames = []struct {
	flag      uintptr
	kind, key string
}{
	{unix.CLONE_NEWNET, "net", "extRootNetNS"},
	{unix.CLONE_NEWPID, "pid", "extRootPidNS"},
}

// excludeJoined excludes the namespaces that the container has joined.
func excludeJoined(r *record.Record, s *specs.Spec) (args []string, err error) {
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

// emptyNamespaces excludes the devices and rules of a network namespace: if the user
// requests it and, as in runc, if the namespace is the container's own, because
// whatever created its devices will create them again.
func emptyNamespaces(asked []string, s *specs.Spec) ([]string, error) {
	for _, ns := range asked {
		if ns != "network" {
			return nil, fmt.Errorf("--empty-ns %q: criu supports this only for network", ns)
		}
	}
	if len(asked) > 0 || namespaces.Decide(s).New&unix.CLONE_NEWNET != 0 {
		return []string{"--empty-ns", "net"}, nil
	}
	return nil, nil
}

// configFile is the additional configuration of criu that runc and crun read.
const configFile = "/etc/criu/runc.conf"

// configArgs adds a configuration file: that of the annotation, which may be empty for
// none, or else the usual one if it exists.
func configArgs(annotations map[string]string, usual string) []string {
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

func cgroupsMode(mode string) (arg string, err error) {
	switch mode {
	case "":
		mode = "soft"
	case "soft", "full", "strict", "ignore":
	default:
		return "", fmt.Errorf("--manage-cgroups-mode %q: must be soft, full, strict or ignore", mode)
	}
	return "--manage-cgroups=" + mode, nil
}

// writeDescriptors records the targets of the container's standard descriptors: a
// pipe's other end is on the host.
func writeDescriptors(r *record.Record, dir string) error {
	var links [3]string
	for fd := range links {
		// a closed one is not an error
		links[fd], _ = os.Readlink("/proc/" + strconv.Itoa(r.Pid) + "/fd/" + strconv.Itoa(fd))
	}
	data, err := json.Marshal(links)
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, descriptorsFile), data, 0o600)
}

// inheritPipes gives the container standard descriptors of this process, or their
// replacements, instead of the pipes and sockets that it had.
func (r *Restoration) inheritPipes(first int) (args []string, files []*os.File, err error) {
	data, err := os.ReadFile(filepath.Join(r.Options.ImagePath, descriptorsFile))
	if err != nil {
		return nil, nil, fmt.Errorf("--image-path: %w", err)
	}
	var links []string
	if err := json.Unmarshal(data, &links); err != nil {
		return nil, nil, fmt.Errorf("--image-path: %s: %w", descriptorsFile, err)
	}
	given, err := r.OpenDescriptors()
	if err != nil {
		return nil, nil, err
	}
	defer given.Close()
	for fd := range min(len(links), len(given.FDs)) {
		link := links[fd]
		if given.FDs[fd] == bootstrap.Closed || !strings.HasPrefix(link, "pipe:[") &&
			!strings.HasPrefix(link, "socket:[") {
			continue
		}
		f, err := terminal.Duplicate(given.FDs[fd], link)
		if err != nil {
			return nil, files, err
		}
		args = append(args, "--inherit-fd", fmt.Sprintf("fd[%d]:%s", first+len(files), link))
		files = append(files, f)
	}
	return args, files, nil
}

// newCommand returns a criu command, which is killed when the context ends or when the
// thread that starts it exits: files are its descriptors from 3 on.
func newCommand(ctx context.Context, args []string, files []*os.File) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "criu", args...)
	cmd.ExtraFiles = files
	// Kill criu if minirun dies: the lock is released then, and the next command must
	// not find criu running. Processes that criu restores do not inherit this.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	cmd.WaitDelay = time.Second // its children may hold the pipes of its output open
	return cmd
}

// runCommand runs criu and adds its error messages to the error. The calling thread is
// the one that forks.
func runCommand(cmd *exec.Cmd, logFile string) error {
	if errors.Is(cmd.Err, exec.ErrNotFound) {
		return fmt.Errorf("%s: %w", missing, cmd.Err)
	}
	bootstrap.KeepSlack()
	signals.DefaultInChildren() // the restored processes are its children
	output, err := cmd.CombinedOutput()
	if err == nil || errors.Is(err, exec.ErrWaitDelay) {
		return nil
	}
	log, _ := os.ReadFile(logFile) // may not exist
	return fmt.Errorf("criu %s: %w: %s (full log: %s)", cmd.Args[1], err, findErrors(string(output)+"\n"+string(log)),
		logFile)
}

// Dump runs criu for checkpoint.
func Dump(ctx context.Context, args []string, o *DumpOptions) error {
	var files []*os.File
	if o.StatusFD >= 0 {
		if o.StatusFD <= 2 {
			return fmt.Errorf("--status-fd %d: must be above 2", o.StatusFD)
		}
		if !slices.Contains(o.Inherited, o.StatusFD) {
			return fmt.Errorf("--status-fd %d: is not an open descriptor of the caller", o.StatusFD)
		}
		status, err := terminal.Duplicate(o.StatusFD, "status-fd")
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
	return runCommand(newCommand(ctx, args, files), filepath.Join(dir, dumpLog))
}

// findErrors returns the first few error lines of criu's output.
func findErrors(output string) string {
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
