// Which runtimes exist, and how each is called.
package compare

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

type ociRuntime struct {
	name       string   // heading of its column
	path       string   // the program; "" if missing
	missing    string   // the reason
	unjudged   string   // of the reference: why a difference from it is printed but is not a failure
	prefix     []string // prepended to its command line
	stateRoot  string   // --root
	hostPID    string   // the process whose namespaces count as the host's
	ociVersion string   // written to config.json instead of runc's version if not ""
	global     []string // flags before the command
	user       uint32   // the user who runs it, 0: root
	env        []string // that user's environment, in addition to PATH
}

// runtimes is set by findRuntimes: the reference first, then the candidate, then those that are shown
// only for information.
var (
	runtimes  []*ociRuntime
	reference *ociRuntime
	candidate *ociRuntime // minirun, or runc a second time
	// holders are processes that the harness itself keeps: they are not leftovers.
	holders     = map[string]bool{}
	crunRelease io.Closer
)

// referenceVersion is the prefix of the version of runc with which minirun is compared.
const referenceVersion = "1.5."

// findReference returns runc 1.5: the program named by COMPARE_RUNC, or the one built by
// reference/build. Another version of runc on the machine is used in its place, but its differences
// are not failures: the declared differences apply to runc 1.5.
func findReference() *ociRuntime {
	rt := installed("runc")
	path, reason := os.Getenv("COMPARE_RUNC"), ""
	if path == "" {
		path, reason = buildReference()
	}
	if path == "" {
		rt.unjudged = reason
		return rt
	}
	rt.path, rt.missing = path, ""
	out, err := exec.Command(path, "--version").Output()
	first, _, _ := strings.Cut(string(out), "\n")
	if version := strings.TrimPrefix(first, "runc version "); err != nil || !strings.HasPrefix(version, referenceVersion) {
		rt.unjudged = fmt.Sprintf("%s is %q instead of runc %sx", path, first, referenceVersion)
	}
	return rt
}

func buildReference() (path, reason string) {
	var stderr strings.Builder
	build := exec.Command("reference/build")
	build.Stderr = &stderr
	out, err := build.Output()
	if err == nil {
		return strings.TrimSpace(string(out)), ""
	}
	lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
	return "", "runc 1.5 could not be built: " + lines[len(lines)-1]
}

// stateEntries returns what a runtime keeps in its state directory, except crun's cache of compiled
// filters, which does not belong to a container.
func (rt *ociRuntime) stateEntries() []os.DirEntry {
	entries, _ := os.ReadDir(rt.stateRoot)
	return slices.DeleteFunc(entries, func(e os.DirEntry) bool { return rt.name == "crun" && e.Name() == ".cache" })
}

// installed returns a runtime found in $PATH.
func installed(name string) *ociRuntime {
	rt := &ociRuntime{name: name, hostPID: "self", stateRoot: filepath.Join(box.dir, "state-"+name)}
	var err error
	if rt.path, err = exec.LookPath(name); err != nil {
		rt.missing = err.Error()
	}
	return rt
}

// findRuntimes looks for runc, minirun and crun. Without minirun, runc runs twice, which shows that
// the harness itself reports no false differences.
func findRuntimes() error {
	reference = findReference()
	candidate = &ociRuntime{name: "minirun", hostPID: "self", stateRoot: filepath.Join(box.dir, "state-minirun"), path: os.Getenv("MINIRUN")}
	if candidate.path == "" {
		if _, err := os.Stat("../../cmd/minirun"); err == nil {
			candidate.path = filepath.Join(box.dir, "minirun")
			build := exec.Command("go", "build", "-tags", "urfave_cli_no_docs", "-o", candidate.path, "../../cmd/minirun")
			build.Env = append(os.Environ(), "CGO_ENABLED=0")
			if out, err := build.CombinedOutput(); err != nil {
				return fmt.Errorf("build minirun: %w\n%s", err, out)
			}
		} else {
			candidate.missing = "MINIRUN is not set and there is no cmd/minirun: runc is compared with a second run of itself"
			candidate.path, candidate.name = reference.path, "runc again"
		}
	}
	crun := installed("crun")
	if os.Getenv("COMPARE_CRUN") == "0" {
		crun.path, crun.missing = "", "COMPARE_CRUN=0"
	}
	if crun.path != "" {
		if err := houseCrun(crun); err != nil {
			return fmt.Errorf("crun: %w", err)
		}
	}
	runtimes = []*ociRuntime{reference, candidate, crun}
	return nil
}

// houseCrun gives crun a mount namespace without /sys/fs/cgroup/unified (crun 1.8.1 rejects a host
// that combines cgroup v1 and v2). One process keeps it for the whole suite so that delete sees the
// same mounts as run. A tmpfs hides the mountpoint: crun creates a directory for each container there
// and leaves it. Mounts made by the harness still propagate into the namespace.
func houseCrun(crun *ociRuntime) error {
	crun.ociVersion = "1.0.2"
	if _, err := os.Stat("/sys/fs/cgroup/unified"); err != nil {
		return nil // not a hybrid host
	}
	cmd := exec.Command("unshare", "-m", "--propagation", "slave", "sh", "-c", "umount /sys/fs/cgroup/unified && mount -t tmpfs none /sys/fs/cgroup/unified && echo ready && exec cat")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	release, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		return fmt.Errorf("unmount the hybrid hierarchy: %q, %w", line, err)
	}
	crun.hostPID = strconv.Itoa(cmd.Process.Pid)
	crun.prefix = []string{"nsenter", "--mount=/proc/" + crun.hostPID + "/ns/mnt", "--"}
	holders[crun.hostPID] = true
	crunRelease = release
	return nil
}

func stopRuntimes() {
	if crunRelease == nil {
		return
	}
	crunRelease.Close()
	for pid := range holders {
		n, _ := strconv.Atoi(pid)
		unix.Wait4(n, nil, 0, nil)
	}
}

// command returns a command line; the words of wrap precede everything (a shell that changes what the
// runtime inherits).
func (rt *ociRuntime) command(wrap []string, args ...string) *exec.Cmd {
	words := append([]string{}, wrap...)
	words = append(words, rt.prefix...)
	words = append(words, rt.demotion()...)
	words = append(words, rt.path, "--root", rt.stateRoot)
	words = append(words, rt.global...)
	words = append(words, args...)
	cmd := exec.Command(words[0], words[1:]...)
	// A pipe: crun's exec gives its standard input to the user, so it must not be the host's /dev/null.
	cmd.Stdin = strings.NewReader("")
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C"}
	cmd.Env = append(cmd.Env, rt.env...)
	cmd.Dir = "/"
	return cmd
}

// hostNamespace returns the identity of a namespace of the runtime's caller, "mnt:[4026531832]".
func (rt *ociRuntime) hostNamespace(kind string) string {
	link, _ := os.Readlink("/proc/" + rt.hostPID + "/ns/" + kind)
	return link
}

// pause is a process of the harness that keeps namespaces for a case to join.
type pause struct {
	cmd     *exec.Cmd
	release io.Closer
	pid     int
}

// startPause starts the probe's pause in new namespaces; unshare has the flags that clone does not
// support (CLONE_NEWTIME).
func startPause(clone, unshare uintptr, maps []syscall.SysProcIDMap) (*pause, error) {
	cmd := exec.Command(box.probe, "pause")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: clone, Unshareflags: unshare, UidMappings: maps, GidMappings: maps, Pdeathsig: syscall.SIGKILL}
	release, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &pause{cmd, release, cmd.Process.Pid}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || strings.TrimSpace(line) != "ready" {
		p.stop()
		return nil, fmt.Errorf("pause: %q, %w", line, err)
	}
	return p, nil
}

func (p *pause) path(kind string) string { return fmt.Sprintf("/proc/%d/ns/%s", p.pid, kind) }

func (p *pause) stop() {
	p.release.Close()
	p.cmd.Wait()
}

// as returns the runtime with the case's options: with flags before the command, and as a user.
func (rt *ociRuntime) as(opts runOptions) (*ociRuntime, error) {
	other := *rt
	other.global = opts.global
	if !opts.user {
		return &other, nil
	}
	other.user, other.stateRoot = plainUser(), rt.stateRoot+"-user"
	session := fmt.Sprintf("/run/user/%d", other.user)
	if _, err := os.Stat(session); err == nil {
		other.env = []string{"XDG_RUNTIME_DIR=" + session, "DBUS_SESSION_BUS_ADDRESS=unix:path=" + session + "/bus"}
	}
	if err := os.MkdirAll(other.stateRoot, 0o700); err != nil {
		return nil, err
	}
	return &other, os.Chown(other.stateRoot, int(other.user), int(other.user))
}

// plainUser returns an unprivileged user: the user minirun created by tests/vm, with a session and
// ranges of IDs, or the user nobody.
func plainUser() uint32 {
	if who, err := user.Lookup("minirun"); err == nil {
		if uid, err := strconv.ParseUint(who.Uid, 10, 32); err == nil {
			return uint32(uid)
		}
	}
	return 65534
}

// demotion is prepended to the runtime's command line if it runs as a user.
func (rt *ociRuntime) demotion() []string {
	if rt.user == 0 {
		return nil
	}
	id := strconv.Itoa(int(rt.user))
	return []string{"setpriv", "--reuid=" + id, "--regid=" + id, "--clear-groups", "--"}
}
