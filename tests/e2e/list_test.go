package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/tests/testbundle"
)

// detached runs a container in the background and returns its first process.
func detached(t *testing.T, b *testbundle.Bundle) (pid int) {
	t.Helper()
	pidFile := filepath.Join(b.Host, "pid")
	b.Detach("--pid-file", pidFile).Exit(t, 0)
	t.Cleanup(func() {
		b.Minirun("delete", "--force", b.ID).Exit(t, 0)
		testbundle.Reap()
	})
	text, err := os.ReadFile(pidFile)
	if err == nil {
		pid, err = strconv.Atoi(string(text))
	}
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// annotated gives a container an annotation that list shows.
func annotated(s *specs.Spec) { s.Annotations = map[string]string{"org.example": "x"} }

// TestRootThatDoesNotExist: list reports it, and commands that only read do not create it.
func TestRootThatDoesNotExist(t *testing.T) {
	b := testbundle.New(t)
	b.Root = filepath.Join(t.TempDir(), "none")
	b.Minirun("list").Fails(t, b.Root, "no such file or directory")
	for _, args := range []string{"list", "list -q", "state x", "ps x", "events x", "kill x", "pause x", "inspect x", "delete --force x", "exec x true"} {
		b.Minirun(strings.Fields(args)...)
		if _, err := os.Stat(b.Root); err == nil {
			t.Fatalf("%s creates the state directory", args)
		}
	}
	b.Root = ""
	b.Minirun("list").Fails(t, "--root")
}

func TestList(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("sleep", "1000"), annotated)
	b.Minirun("list").Prints(t, "ID          PID         STATUS      BUNDLE      CREATED     OWNER")
	b.Minirun("list", "-q").Prints(t, "")
	b.Minirun("list", "--format", "json").Prints(t, "null")
	b.Minirun("list", "--format", "xml").Fails(t, "invalid format option")
	pid := detached(t, b)
	b.Minirun("list", "--quiet").Prints(t, b.ID)

	r := b.Minirun("list", "-f", "json")
	created := regexp.MustCompile(`"created":"([^"]*)"`).FindStringSubmatch(r.Stdout)
	if created == nil {
		t.Fatalf("no time in %s", r.Stdout)
	}
	r.Prints(t, fmt.Sprintf(`[{"ociVersion":"%s","id":"%s","pid":%d,"status":"running","bundle":"%s","rootfs":"%s","created":"%s","annotations":{"org.example":"x"},"owner":"root"}]`,
		specs.Version, b.ID, pid, b.Dir, b.Path(""), created[1]))
	for _, status := range []string{"running", "paused", "stopped"} {
		switch status {
		case "paused":
			b.Minirun("pause", b.ID).Exit(t, 0)
		case "stopped":
			b.Minirun("kill", b.ID, "KILL").Exit(t, 0)
			reap(pid)
			pid = 0
		}
		r := b.Minirun("list")
		want := fmt.Sprintf("%s %d %s %s %s root", b.ID, pid, status, b.Dir, created[1])
		_, row, _ := strings.Cut(r.Stdout, "\n")
		if got := strings.Join(strings.Fields(row), " "); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestListAsRunc compares the layout with runc's: the same columns, and the same JSON keys in the
// same order.
func TestListAsRunc(t *testing.T) {
	testbundle.Need(t)
	runc := runcBeside(t)
	b := testbundle.New(t, testbundle.Args("sleep", "1000"), annotated)
	detached(t, b)
	other := runc.start(t, annotated)
	shape := func(s string) string {
		s = regexp.MustCompile(`mrt[0-9]+-b[0-9]+|/[^ "]*`).ReplaceAllString(s, "X")
		s = regexp.MustCompile(`[0-9.]+(-dev|\+dev)?`).ReplaceAllString(s, "0")
		return regexp.MustCompile(` +`).ReplaceAllString(s, " ")
	}
	for _, args := range [][]string{{"list"}, {"list", "-f", "json"}} {
		ours, theirs := b.Minirun(args...).Stdout, runc.run(t, args...)
		if shape(ours) != shape(theirs) {
			t.Errorf("%v:\n%s\nrunc:\n%s", args, shape(ours), shape(theirs))
		}
	}
	_ = other
}

// A runc is the installed runc, with a separate state directory and separate containers.
type runc struct {
	path, root string
	bundle     *testbundle.Bundle
}

func runcBeside(t *testing.T) *runc {
	t.Helper()
	path, err := exec.LookPath("runc")
	if err != nil {
		t.Skip("needs runc to compare with: ", err)
	}
	return &runc{path: path, root: t.TempDir()}
}

func (r *runc) run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(r.path, append([]string{"--root", r.root}, args...)...).Output()
	if err != nil {
		t.Fatalf("runc %v: %v", args, err)
	}
	return string(out)
}

// start starts a container that sleeps, and returns its cgroups.
func (r *runc) start(t *testing.T, change ...func(*specs.Spec)) (cgroups map[string]string) {
	t.Helper()
	b := testbundle.New(t, append([]func(*specs.Spec){testbundle.Args("sleep", "1000")}, change...)...)
	b.Spec.Version = "1.0.2"
	b.Write()
	cmd := exec.Command(r.path, "--root", r.root, "run", "--detach", b.ID)
	cmd.Dir = b.Dir
	if err := cmd.Run(); err != nil {
		t.Skipf("runc cannot run a container here: %v", err)
	}
	r.bundle = b
	t.Cleanup(func() {
		_ = exec.Command(r.path, "--root", r.root, "delete", "--force", b.ID).Run()
		testbundle.Reap()
	})
	data, err := os.ReadFile(filepath.Join(r.root, b.ID, "state.json"))
	if err != nil {
		t.Fatal(err)
	}
	var state struct {
		Cgroups map[string]string `json:"cgroup_paths"`
	}
	if err := json.Unmarshal(data, &state); err != nil {
		t.Fatal(err)
	}
	return state.Cgroups
}

func TestPSListsProcesses(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("sleep 1001 & exec sleep 1000"))
	pid := detached(t, b)
	var pids []int
	for len(pids) < 2 { // the shell's child may take a moment
		r := b.Minirun("ps", "--format", "json", b.ID)
		r.Exit(t, 0)
		if err := json.Unmarshal([]byte(r.Stdout), &pids); err != nil {
			t.Fatal(err)
		}
	}
	if len(pids) != 2 || pids[0] != pid && pids[1] != pid {
		t.Errorf("processes %v, the first of the container is %d", pids, pid)
	}
	b.Minirun("ps", "--format", "xml", b.ID).Fails(t, "invalid format option")
	b.Minirun("ps", "nosuch").Fails(t, "container does not exist")
	// Without ps(1) in PATH the table cannot be printed, but the list can.
	b.Env = []string{"PATH=/nonexistent"}
	b.Minirun("ps", b.ID).Fails(t, "procps", "--format json")
	b.Minirun("ps", "-f", "json", b.ID).Exit(t, 0)
	b.Env = nil
	if _, err := exec.LookPath("ps"); err != nil {
		t.Skip("no ps(1) here: ", err)
	}
	testbundle.Await(t, "both programs", func() bool {
		out := b.Minirun("ps", b.ID, "-o", "pid,args").Stdout
		return strings.Contains(out, "sleep 1000\n") && strings.Contains(out, "sleep 1001\n") && !strings.Contains(out, "sh -c")
	})
	for _, args := range [][]string{nil, {"-ef"}, {"-o", "pid,args"}, {"aux"}} {
		r := b.Minirun(append([]string{"ps", b.ID}, args...)...)
		r.Exit(t, 0)
		if lines := strings.Split(strings.TrimSpace(r.Stdout), "\n"); len(lines) != 3 || !strings.Contains(lines[0], "PID") ||
			!strings.Contains(r.Stdout, "sleep 1000\n") || !strings.Contains(r.Stdout, "sleep 1001\n") {
			t.Errorf("ps %v: %s", args, r.Stdout)
		}
	}
	b.Minirun("ps", b.ID, "-o", "args").Fails(t, "column PID")
	b.Minirun("ps", b.ID, "--nosuch").Fails(t, "ps --nosuch")
}
