package container

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
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/signals"
	"github.com/minirun/minirun/internal/spec"
)

// What checkpoint and restore have in common: criu(8) is run, and told which
// things of the container are the host's. They are not in the images; restore
// gives those of its own bundle. criumounts.go has those that are mounts.

const criuMissing = "checkpoint and restore need criu(8) in PATH: install the package criu"

// descriptorsFile is runc's: where descriptors 0 to 2 led, as links of
// /proc/PID/fd.
const descriptorsFile = "descriptors.json"

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

// criu is a call of criu, which ends with the context, and with the thread that starts
// it: files are its descriptors from 3 on.
func criu(ctx context.Context, args []string, files []*os.File) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "criu", args...)
	cmd.ExtraFiles = files
	// Kill criu if minirun dies: the lock is free then, and the next command must not
	// meet it. What criu restores does not inherit this.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
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
func criuDump(ctx context.Context, args []string, o *CheckpointOptions) error {
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
	return criuRun(criu(ctx, args, files), filepath.Join(dir, dumpLog))
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
