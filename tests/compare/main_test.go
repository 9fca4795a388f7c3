// Package compare runs one bundle under each of runc, crun and minirun and compares what the
// container sees and what the kernel reports about it. Read the files in this order:
//
//	compare_test.go    TestCompare: the loop, and the definition of a case (type testCase)
//	cases_*_test.go    the cases, as data
//	run_test.go        one run of one bundle under one runtime → Fields
//	probe/             the program inside the container; outside_test.go: what is read from outside meanwhile
//	fields_test.go     converts both into comparable fields (without numbers and names that differ from run to run)
//	diff_test.go       Fields × Fields → differences, minus the declared ones; the table
//	main_test.go       this file: the sandbox in which everything runs, and the check that nothing is left in it
package compare

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// sandbox is where the suite runs. It has a separate mount namespace, so that the machine's other
// users do not see its mounts and do not disturb the check for leftover ones; all its mounts are
// shared between peers, as under systemd, so that a mount which would propagate from a container to a
// host is detected. It has separate network, IPC and UTS namespaces, so that changes that a container
// makes to its host stay inside; a separate cgroup in every hierarchy, so that a container without
// cgroupsPath has a parent that the suite may examine; and a tmpfs for the bundles.
type sandbox struct {
	dir    string // the tmpfs
	tag    string // part of every container ID and cgroup path created here
	cgroup string // this process's cgroup in every hierarchy, "/minirun-compare-PID"
	probe  string // the probe program
	mounts []string
}

var box *sandbox // nil: not root

const innerEnv = "MINIRUN_COMPARE_SANDBOX" // set to the sandbox directory in the re-executed test binary

func TestMain(m *testing.M) {
	switch dir := os.Getenv(innerEnv); {
	case os.Geteuid() != 0:
		os.Exit(m.Run()) // the tests of the harness itself run; TestCompare skips
	case dir == "":
		os.Exit(outer())
	default:
		os.Exit(inner(m, dir))
	}
}

// outer creates what must outlive the sandbox, runs this test binary again inside it, and removes
// everything.
func outer() int {
	dir, err := os.MkdirTemp("", "minirun-compare-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	self := fmt.Sprintf("/minirun-compare-%d", os.Getpid())
	parents, err := cgroupMounts()
	if err == nil {
		err = makeCgroups(parents, self)
	}
	code := 1
	if err == nil {
		cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		cmd.Env = append(os.Environ(), innerEnv+"="+dir)
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS, Pdeathsig: syscall.SIGKILL}
		err = cmd.Run()
		code = cmd.ProcessState.ExitCode()
		if exit := new(exec.ExitError); errors.As(err, &exit) {
			err = nil // its own output explains why
		}
	}
	for _, parent := range parents {
		err = errors.Join(err, removeCgroups(filepath.Join(parent, self)))
	}
	err = errors.Join(err, os.Remove(dir)) // not RemoveAll: its contents were in the sandbox's tmpfs, so it must be empty
	if err != nil {
		fmt.Fprintln(os.Stderr, "compare: leaving the sandbox:", err)
		return 1
	}
	return code
}

func inner(m *testing.M, dir string) int {
	fatal := func(what string, err error) int {
		fmt.Fprintf(os.Stderr, "compare: %s: %v\n", what, err)
		return 1
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return fatal("share /", err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=755"); err != nil {
		return fatal("mount tmpfs", err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	box = &sandbox{
		dir:    dir,
		tag:    fmt.Sprintf("cmp%d", os.Getpid()),
		cgroup: fmt.Sprintf("/minirun-compare-%d", os.Getppid()),
		probe:  filepath.Join(dir, "probe"),
	}
	parents, err := cgroupMounts()
	if err != nil {
		return fatal("cgroups", err)
	}
	for _, parent := range parents {
		if err := os.WriteFile(filepath.Join(parent, box.cgroup, "cgroup.procs"), []byte("0"), 0); err != nil {
			return fatal("join cgroup", err)
		}
	}
	// Orphans of a runtime (a detached container's first process) become this process's children, so
	// they are detected and reaped.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fatal("subreaper", err)
	}
	unix.Umask(0o022)
	if err := makeProbe(box.probe); err != nil {
		return fatal("the probe", err)
	}
	if err := findRuntimes(); err != nil {
		return fatal("runtimes", err)
	}
	box.mounts = mountTable("self")
	code := m.Run()
	if left := leftovers(); len(left) > 0 {
		fmt.Printf("FAIL: left over after the last case:\n\t%s\n", strings.Join(left, "\n\t"))
		code = 1
	}
	stopRuntimes()
	return code
}

// makeProbe builds the probe, or uses COMPARE_PROBE, built elsewhere, for a machine without Go.
func makeProbe(to string) error {
	if built := os.Getenv("COMPARE_PROBE"); built != "" {
		text, err := os.ReadFile(built)
		if err != nil {
			return err
		}
		return os.WriteFile(to, text, 0o755)
	}
	build := exec.Command("go", "build", "-ldflags", "-s -w -E probe_entry", "-o", to, "./probe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	return nil
}

// leftovers lists everything that the suite as a whole left: mounts in the sandbox, cgroups with its
// tag, living children, container state.
func leftovers() (left []string) {
	for _, line := range newLines(box.mounts, mountTable("self")) {
		left = append(left, "mount: "+line)
	}
	left = append(left, taggedCgroups("")...)
	for _, child := range children() {
		left = append(left, "process: "+child)
	}
	for _, rt := range runtimes {
		for _, e := range rt.stateEntries() {
			left = append(left, rt.name+" state: "+e.Name())
		}
	}
	names, _ := filepath.Glob("/run/netns/*" + box.tag + "*")
	return append(left, names...)
}

// mountTable returns the mountpoints of a process's mount namespace with their sources, sorted.
func mountTable(pid string) []string {
	var table []string
	for _, m := range parseMountinfo(readOr("/proc/" + pid + "/mountinfo")) {
		table = append(table, m.point+" "+m.fstype+" "+m.root)
	}
	sort.Strings(table)
	return table
}

// newLines returns the lines that are in after and not in before; both are multisets.
func newLines(before, after []string) (added []string) {
	count := map[string]int{}
	for _, line := range before {
		count[line]++
	}
	for _, line := range after {
		if count[line]--; count[line] < 0 {
			added = append(added, line)
		}
	}
	return added
}

// children lists living children of this process that the harness does not know; dead children are
// reaped.
func children() (names []string) {
	tasks, _ := filepath.Glob("/proc/self/task/*/children")
	for _, task := range tasks {
		for _, pid := range strings.Fields(readOr(task)) {
			stat := readOr("/proc/" + pid + "/stat")
			if i := strings.LastIndexByte(stat, ')'); i < 0 || holders[pid] {
				continue
			} else if strings.HasPrefix(stat[i:], ") Z") {
				var n int
				fmt.Sscan(pid, &n)
				unix.Wait4(n, nil, unix.WNOHANG, nil)
				continue
			}
			names = append(names, pid+" "+strings.ReplaceAll(readOr("/proc/"+pid+"/cmdline"), "\x00", " "))
		}
	}
	return names
}

func readOr(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(text)
}
