package labs

import (
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// killings is how many commands are killed at a random moment: MINIRUN_LAB_KILLS, or a sample.
func killings(t *testing.T) int {
	text := os.Getenv("MINIRUN_LAB_KILLS")
	if text == "" {
		return 12
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A learner is a home directory with which labs are used.
type learner struct {
	t    *testing.T
	home string
}

func newLearner(t *testing.T) *learner {
	testbundle.Need(t)
	l := &learner{t, t.TempDir()}
	if err := os.Chmod(filepath.Dir(l.home), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.do("reset", "--all")
		for _, pattern := range []string{"/run/minirun-labs/0/01-*", "/var/lib/minirun-labs/0/01-*",
			"/sys/fs/cgroup/minirun-labs/0-01-*", "/sys/fs/cgroup/*/minirun-labs/0-01-*"} {
			if left, _ := filepath.Glob(pattern); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		}
		if table, _ := os.ReadFile("/proc/self/mountinfo"); strings.Contains(string(table), l.home) {
			t.Errorf("mounts are left below %s", l.home)
		}
	})
	return l
}

func (l *learner) command(args ...string) *exec.Cmd {
	cmd := exec.Command(testbundle.Binary, append([]string{"lab"}, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+l.home, "XDG_STATE_HOME=", "LANG=C", "LC_ALL=C")
	cmd.Dir = l.home
	return cmd
}

// do runs a command that must succeed, and returns what it prints.
func (l *learner) do(args ...string) string {
	l.t.Helper()
	out, err := l.command(args...).CombinedOutput()
	if err != nil {
		l.t.Fatalf("minirun lab %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// fail runs a command that must fail, and returns what it prints.
func (l *learner) fail(args ...string) string {
	l.t.Helper()
	out, err := l.command(args...).CombinedOutput()
	if err == nil {
		l.t.Fatalf("minirun lab %s succeeds\n%s", strings.Join(args, " "), out)
	}
	return string(out)
}

func (l *learner) dir() string { return filepath.Join(l.home, "minirun-labs", "01-process") }

// TestKilledLabs: start, check, solve and reset may be killed at any moment. The progress is never lost,
// and reset always works afterwards.
func TestKilledLabs(t *testing.T) {
	l := newLearner(t)
	l.do("start", "1")
	l.do("solve", "1")
	l.do("check", "1")
	l.do("predict", "b", "a")
	random := rand.New(rand.NewPCG(1, 2))
	commands := [][]string{{"start", "1"}, {"check", "1"}, {"reset", "1"}, {"solve", "1"}, {"reset", "--all"}}
	for i := range killings(t) {
		args := commands[i%len(commands)]
		cmd := l.command(args...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(random.IntN(700)) * time.Millisecond)
		_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL) // with its children, as a closed terminal would
		_ = cmd.Wait()
		if out := l.do("status"); !strings.Contains(out, "seen") || !strings.Contains(out, "2 of 2 predictions right") {
			t.Fatalf("after %v was killed the progress is lost: %s", args, out)
		}
		l.do("reset", "1")
		if _, err := os.Stat(filepath.Join(l.dir(), "bundle/config.json")); err != nil {
			t.Fatalf("after %v was killed reset does not restore: %v", args, err)
		}
	}
	l.do("solve", "1")
	l.do("check", "1")
}

// TestResetKeepsChangedFiles: what the learner changed is kept as .bak, and the start state is back.
func TestResetKeepsChangedFiles(t *testing.T) {
	l := newLearner(t)
	l.do("start", "1")
	config := filepath.Join(l.dir(), "bundle/config.json")
	before, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{config: "mine", filepath.Join(l.dir(), "notes"): "notes"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // it is idempotent
		l.do("reset")
		if now, err := os.ReadFile(config); err != nil || string(now) != string(before) {
			t.Fatalf("config.json is not restored: %v", err)
		}
		for name, text := range map[string]string{config: "mine", filepath.Join(l.dir(), "notes"): "notes"} {
			if kept, err := os.ReadFile(name + ".bak"); err != nil || string(kept) != text {
				t.Errorf("%s.bak: %q %v", name, kept, err)
			}
		}
	}
	l.do("reset", "--all")
	var left []string
	err = filepath.WalkDir(l.dir(), func(name string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			left = append(left, filepath.Base(name))
		}
		return err
	})
	if err != nil || strings.Join(left, " ") != "config.json.bak notes.bak" {
		t.Errorf("left: %v %v", left, err)
	}
}

// TestEditedProgressDoesNotPass: a lab that was marked as passed with an editor is shown as edited, and
// check asks the kernel all the same.
func TestEditedProgressDoesNotPass(t *testing.T) {
	l := newLearner(t)
	l.do("start", "1")
	path := filepath.Join(l.home, ".local/state/minirun/labs.json")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), `"state": "started"`, `"state": "passed"`, 1)
	if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := l.do("status"); !strings.Contains(out, "0 of ") || !strings.Contains(out, "edited") {
		t.Errorf("status: %s", out)
	}
	if out := l.do("status", "--csv"); !strings.Contains(out, ",edited,") {
		t.Errorf("status --csv: %s", out)
	}
	l.fail("check", "1")
	// A program of the learner's called minirun answers nothing.
	if err := os.WriteFile(filepath.Join(l.dir(), "minirun"), []byte("#!/bin/sh\necho '{\"pid\": 1}'\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	l.fail("check", "1")
}

// TestLabsBelongToTheUser: under sudo the files and the progress belong to the user who called it.
func TestLabsBelongToTheUser(t *testing.T) {
	testbundle.Need(t)
	name, uid := testbundle.SubordinateUser(t)
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("home", u.HomeDir, "tmpfs", 0, "mode=755"); err != nil { // nothing of the real one is touched
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(u.HomeDir, unix.MNT_DETACH) })
	if err := os.Chown(u.HomeDir, uid, uid); err != nil {
		t.Fatal(err)
	}
	sudo := func(args ...string) {
		t.Helper()
		cmd := exec.Command(testbundle.Binary, append([]string{"lab"}, args...)...)
		cmd.Env = append(os.Environ(), "SUDO_UID="+strconv.Itoa(uid), "SUDO_USER="+name, "HOME=/root")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("minirun lab %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	sudo("start", "1")
	sudo("solve", "1")
	sudo("check", "1")
	err = filepath.WalkDir(u.HomeDir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Name() == "rootfs" { // the container's root file system
			return filepath.SkipDir
		}
		info, err := d.Info()
		if err == nil && int(info.Sys().(*syscall.Stat_t).Uid) != uid {
			t.Errorf("%s belongs to user %d", path, info.Sys().(*syscall.Stat_t).Uid)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	sudo("reset", "--all")
}

// TestResetOnFullDisk: reset works on a full disk, since it removes before it writes.
func TestResetOnFullDisk(t *testing.T) {
	l := newLearner(t)
	if err := unix.Mount("home", l.home, "tmpfs", 0, "size=8m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(l.home, unix.MNT_DETACH) })
	l.do("start", "1")
	config := filepath.Join(l.dir(), "bundle/config.json")
	f, err := os.Create(filepath.Join(l.home, "junk"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	if err := os.Truncate(config, 0); err != nil { // as an editor leaves it
		t.Fatal(err)
	}
	l.do("reset", "1")
	if info, err := os.Stat(config); err != nil || info.Size() == 0 {
		t.Errorf("config.json is not restored: %v", err)
	}
	l.do("reset", "--all")
}

// value is a random value that is not filled in; {{.Field}} belongs to a command.
var value = regexp.MustCompile(`\{\{[a-z]`)

// TestSlides: the slides of all labs have one slide per idea and no value that is not filled in.
func TestSlides(t *testing.T) {
	testbundle.Need(t)
	for _, tag := range []string{"en", "pt"} {
		cmd := exec.Command(testbundle.Binary, "--lang", tag, "lab", "slides", "--seed", "class")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if n := strings.Count(string(out), "\n---\n"); n < 4*19 || value.Match(out) {
			t.Errorf("%s: %d slides, or a value that is not filled in", tag, n)
		}
	}
}
