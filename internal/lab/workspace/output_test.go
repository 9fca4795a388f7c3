package workspace

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/lab/course"
)

// TestOutputDoesNotWaitForBackground: a command that leaves a process is evidence too. A pipe would be held
// open until that process ends.
func TestOutputDoesNotWaitForBackground(t *testing.T) {
	w := &Workspace{Lab: &course.Lab{Dir: "01-a"}, Learner: &Learner{Home: t.TempDir(), ID: "test"}}
	if err := os.MkdirAll(w.Dir(), 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := w.Output(context.Background(), "sleep 20 & echo $!")
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(out))
	if err != nil {
		t.Fatalf("the output is %q", out)
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Errorf("the process in the background ended first: %v", err)
	}
}

// TestAddedFilesAreTheLearners: a generated root file system belongs to root, except what the lab's files
// add to it.
func TestAddedFilesAreTheLearners(t *testing.T) {
	w := &Workspace{Lab: &course.Lab{Bundles: []course.Bundle{{Dir: "bundle"}},
		Files: fstest.MapFS{"files/bundle/rootfs/app/start.sh": {}}}}
	for path, want := range map[string]bool{
		"bundle":                     false,
		"bundle/config.json":         false,
		"bundle/rootfs":              true,
		"bundle/rootfs/bin/sh":       true,
		"bundle/rootfs/app":          false,
		"bundle/rootfs/app/start.sh": false,
	} {
		if got := w.isGenerated(path); got != want {
			t.Errorf("isGenerated(%q) = %v", path, got)
		}
	}
}
