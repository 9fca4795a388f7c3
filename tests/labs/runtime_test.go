package labs

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

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
