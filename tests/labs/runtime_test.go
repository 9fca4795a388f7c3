package labs

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minirun/minirun/internal/lab/course"
	"github.com/minirun/minirun/labs"
	"github.com/minirun/minirun/tests/testbundle"
)

const capstone = "../../labs/19-capstone"

// TestReferenceRuntimes: the two runtimes of the capstone, in shell and in Go, pass the checks of labs 1
// to 6 that a runtime can decide. The skeletons do not, but they are programs.
func TestReferenceRuntimes(t *testing.T) {
	testbundle.Need(t)
	c, err := course.Read(labs.FS)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"solution", "files"} {
		for name, program := range map[string]string{"shell": fromShell(t, dir, kind), "Go": fromGo(t, dir, kind)} {
			t.Run(kind+" in "+name, func(t *testing.T) { checkLabs(t, c, program, kind == "solution") })
		}
	}
}

func checkLabs(t *testing.T, c *course.Course, program string, passes bool) {
	for _, l := range c.Labs {
		if l.Runtime == nil {
			continue
		}
		out, err := exec.Command(testbundle.Binary, "lab", "check", l.Number, "--runtime", program).CombinedOutput()
		switch {
		case err != nil && passes:
			t.Errorf("lab %s: %v\n%s", l.Number, err, out)
		case err != nil:
			return
		}
	}
	if !passes {
		t.Error("the skeleton passes all labs")
	}
}

func fromShell(t *testing.T, dir, kind string) string {
	text, err := os.ReadFile(filepath.Join(capstone, kind, "mine.sh"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, kind+"-sh")
	if err := os.WriteFile(path, text, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func fromGo(t *testing.T, dir, kind string) string {
	path := filepath.Join(dir, kind+"-go")
	cmd := exec.Command("go", "build", "-o", path, filepath.Join(capstone, kind, "mine.go"))
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// TestChrootIsNotEnough: a runtime that is complete except that it uses chroot passes lab 1, and not lab 4,
// whose program escapes.
func TestChrootIsNotEnough(t *testing.T) {
	testbundle.Need(t)
	text, err := os.ReadFile(filepath.Join(capstone, "solution", "mine.sh"))
	if err != nil {
		t.Fatal(err)
	}
	changed := string(text)
	for _, change := range [][2]string{{`enter "$readonly"`, `cd "$root"`}, {`cd "$cwd"`, ""}, {`exec "$@"`, `exec chroot . "$@"`}} {
		if strings.Count(changed, change[0]) != 1 {
			t.Fatalf("the reference runtime does not have %q once", change[0])
		}
		changed = strings.Replace(changed, change[0], change[1], 1)
	}
	program := filepath.Join(t.TempDir(), "mine")
	if err := os.WriteFile(program, []byte(changed), 0o755); err != nil {
		t.Fatal(err)
	}
	for number, passes := range map[string]bool{"1": true, "4": false} {
		out, err := exec.Command(testbundle.Binary, "lab", "check", number, "--runtime", program).CombinedOutput()
		if (err == nil) != passes {
			t.Errorf("lab %s: %v\n%s", number, err, out)
		}
	}
}

// TestResetRemovesKilledCheck: after kill -9 of a check of a runtime, reset --all removes its container and its
// files.
func TestResetRemovesKilledCheck(t *testing.T) {
	testbundle.Need(t)
	temporary := t.TempDir()
	// The skeleton starts a container in which a check fails: it is asked again for some seconds.
	check := exec.Command(testbundle.Binary, "lab", "check", "1", "--runtime", fromShell(t, t.TempDir(), "files"))
	check.Env = append(os.Environ(), "TMPDIR="+temporary)
	if err := check.Start(); err != nil {
		t.Fatal(err)
	}
	pid := waitForMark(t, temporary)
	if err := check.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = check.Wait() // it was killed
	homes, err := filepath.Glob(filepath.Join(temporary, "minirun-lab-*"))
	if err != nil || len(homes) != 1 {
		t.Fatalf("%q, %v", homes, err)
	}
	reset := exec.Command(testbundle.Binary, "lab", "reset", "--all")
	reset.Env = append(os.Environ(), "TMPDIR="+temporary, "HOME="+t.TempDir())
	if out, err := reset.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, path := range []string{homes[0], "/proc/" + pid, "/var/lib/minirun-labs/test-" + filepath.Base(homes[0])} {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left: %v", path, err)
		}
	}
}

// waitForMark waits for a process of the lab that a check has started, and returns its number.
func waitForMark(t *testing.T, temporary string) string {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		files, _ := filepath.Glob(filepath.Join(temporary, "minirun-lab-*/.local/state/minirun/labs.json"))
		environments, _ := filepath.Glob("/proc/[0-9]*/environ")
		for _, name := range environments {
			environment, _ := os.ReadFile(name)
			_, mark, _ := strings.Cut(string(environment), "MINIRUN_LAB=")
			token, _, isMarked := strings.Cut(mark, ":")
			for _, f := range files {
				if text, _ := os.ReadFile(f); isMarked && strings.Contains(string(text), `"`+token+`"`) && hasRuntime(name) {
					return filepath.Base(filepath.Dir(name))
				}
			}
		}
	}
	t.Fatal("the check starts no container")
	return ""
}

// hasRuntime reports whether the parent of a process is not minirun: the reference solution's is.
func hasRuntime(environ string) bool {
	status, _ := os.ReadFile(filepath.Join(filepath.Dir(environ), "status"))
	_, after, _ := strings.Cut(string(status), "PPid:\t")
	parent, _, _ := strings.Cut(after, "\n")
	exe, err := os.Readlink("/proc/" + parent + "/exe")
	return err == nil && filepath.Base(exe) == "unshare"
}
