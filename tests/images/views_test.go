package images

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// stored returns the names of everything in a store, and what is in the directory for temporary
// files.
func stored(t *testing.T, s *store) string {
	t.Helper()
	var out []string
	for _, dir := range []string{s.StoreDir, os.TempDir()} {
		err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if dir == s.StoreDir || strings.HasPrefix(d.Name(), "minirun-") {
				out = append(out, path)
			}
			if dir != s.StoreDir && path != dir && d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return strings.Join(out, "\n")
}

// contains checks that a text has some words and lacks others, which begin with !.
func contains(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if absent, no := strings.CutPrefix(w, "!"); no == strings.Contains(text, absent) || !no && !strings.Contains(text, w) {
			t.Errorf("%q in\n%s", w, text)
		}
	}
}

// plan IMAGE shows what run IMAGE would do with the same flags, and creates nothing.
func TestPlanOfImage(t *testing.T) {
	s := loaded(t, runs("sh", "-c", "exit 0"))
	s.Do("unpack", "busybox")
	before := stored(t, s)
	plan := s.Do("plan", "busybox")
	contains(t, plan, `["sh", "-c", "exit 0"]`, "pivot_root", s.StoreDir+"/containers/plan/", "!minirun-preview", `fsopen("overlay"`)
	if again := s.Do("plan", "busybox"); again != plan {
		t.Error("the second plan is not the first")
	}
	plan = s.Do("plan", "--cgroups", "v2", "-m", "64m", "-e", "A=b", "--name", "web", "-v", "/usr:/data:ro", "busybox", "echo", "-n", "hi")
	contains(t, plan, `["echo", "-n", "hi"]`, "67108864", "bind /usr on /data", `sethostname("web", 3)`)
	contains(t, s.Do("plan", "--summary", "busybox", "echo", "hi"), "WHAT IT DOES", `execute ["echo", "hi"]`)
	contains(t, s.Do("plan", "--only", "capabilities", "busybox"), "drop CAP_SYS_ADMIN", "!pivot_root")
	if after := stored(t, s); after != before {
		t.Errorf("the store had\n%s\nand has\n%s", before, after)
	}
	r := s.Minirun("plan", "--diff", "busybox", "busybox")
	r.Exit(t, 0)
	if r.Stdout != "" {
		t.Errorf("equal plans differ:\n%s", r.Stdout)
	}
}

// plan NAME shows the plan of a container's bundle, also after it has exited.
func TestPlanOfContainer(t *testing.T) {
	s := loaded(t, runs("sleep", "1000"))
	id := name("planned")
	s.Do("run", "-d", "--name", id, "busybox")
	defer s.Do("rm", "-f", id)
	contains(t, s.Do("plan", id), `["sleep", "1000"]`, s.StoreDir+"/containers/"+id)
	r := s.Minirun("plan", "--diff", id, "busybox")
	r.Exit(t, 1)
	contains(t, r.Stdout, "- set the host name", "+ set the host name")
	s.Do("stop", "-t", "0", id)
	contains(t, s.Do("plan", id), `["sleep", "1000"]`)
	contains(t, s.Do("layers", id), "WHITEOUTS")
	s.Minirun("step", id).Fails(t, id, "already exists", "hint: minirun plan "+id)
	s.Minirun("compare", id).Fails(t, id, "hint: minirun compare ")
}

// A view of an image that is not there names the command that gets it.
func TestViewsPullNothing(t *testing.T) {
	s := loaded(t, runs("true"))
	for _, verb := range []string{"plan", "step", "compare"} {
		s.Minirun(verb, "nosuchimage").Fails(t, "nosuchimage", "hint: minirun pull nosuchimage")
	}
	s.Minirun("plan", "busybox", "--summary").Fails(t, "--summary after the image", "hint: minirun plan --summary … busybox")
	s.Minirun("plan", "-m", "-5", "busybox").Fails(t, "--memory")
	s.Minirun("plan", "--keep", "busybox").Fails(t)
	s.Minirun("plan", "--layer", "/usr", "busybox").Fails(t, "--layer")
}

// step IMAGE stops before the steps of a new container, which does not stay.
func TestStepOfImage(t *testing.T) {
	s := loaded(t, runs("sh", "-c", "read line; echo got $line; exit 4"))
	s.Do("unpack", "busybox")
	before := stored(t, s)
	s.Stdin = "at pivot_root\nlist\ncontinue\nfor the program\n"
	r := s.Minirun("step", "--name", name("stepped"), "busybox")
	if r.Status != 4 {
		t.Errorf("status %d: %s", r.Status, r.Stderr)
	}
	contains(t, r.Stdout, "got for the program")
	contains(t, r.Stderr, ": pivot_root")
	s.Stdin = "chapter\nchapter\nat pivot\nchapters\nquit\n"
	r = s.Minirun("step", "busybox", "echo", "ran")
	r.Exit(t, 0)
	contains(t, r.Stderr, "→ pivot ", "aborted: nothing of the container is left")
	contains(t, r.Stdout, "!ran")
	s.Minirun("step", "--at", "exec", "busybox").Fails(t, "cannot stop in chapter exec", "hint: minirun run --hold")
	s.Stdin = ""
	if after := stored(t, s); strings.ReplaceAll(after, s.StoreDir+"/containers\n", "") != strings.ReplaceAll(before, s.StoreDir+"/containers\n", "") {
		t.Errorf("the store had\n%s\nand has\n%s", before, after)
	}
}

// run --hold IMAGE waits for a line, with the narration too, though the container has no standard input.
func TestHoldOfImage(t *testing.T) {
	s := loaded(t, runs("sh", "-c", "cat; echo ran"))
	id := name("held")
	for _, flags := range [][]string{{"--hold"}, {"--hold", "--explain"}} {
		s.Stdin = "\nnot for the program\n"
		r := s.Minirun(append(append([]string{"run", "--rm", "--name", id}, flags...), "busybox")...)
		r.Exit(t, 0)
		contains(t, r.Stderr, "held: process", "nsenter --target")
		if r.Stdout != "ran\n" {
			t.Errorf("output %q", r.Stdout)
		}
	}
	s.Stdin = "\nfor the program\n"
	contains(t, s.Do("run", "-i", "--rm", "--hold", "busybox"), "for the program\nran")
	s.Stdin = ""
	s.Minirun("run", "-d", "--hold", "busybox").Fails(t, "--hold cannot be combined with --detach")
	s.Minirun("run", "--hold", "--trace", "/x.txt", "busybox").Fails(t, "--hold cannot be combined with --trace")
}

// compare IMAGE compares containers with the image's files under two runtimes.
func TestCompareOfImage(t *testing.T) {
	if _, err := exec.LookPath("runc"); err != nil {
		t.Skip("needs runc: apt-get install runc")
	}
	s := loaded(t, runs("true"))
	before := stored(t, s)
	r := s.Minirun("compare", "--rounds", "0", "busybox")
	contains(t, r.Stdout, "facts compared")
	if r.Status > 1 || !strings.Contains(r.Stdout, "facts compared") {
		t.Errorf("status %d: %s", r.Status, r.Stderr)
	}
	s.Do("unpack", "busybox")
	if strings.Contains(stored(t, s), "minirun-bundle-") && !strings.Contains(before, "minirun-bundle-") {
		t.Error("the bundle stays")
	}
}
