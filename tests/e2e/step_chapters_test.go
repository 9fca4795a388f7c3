package e2e

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/tests/testbundle"
)

var chapterLine = regexp.MustCompile(`(?m)^chapter \d+ of \d+: (\w+)$`)

// introduced returns the names of the chapters that step introduced.
func introduced(text string) (names []string) {
	for _, m := range chapterLine.FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	return names
}

// TestStepRunsToNextChapter: each command leads to the first step of the next chapter, until the program.
func TestStepRunsToNextChapter(t *testing.T) {
	for name, change := range map[string]func(*specs.Spec){
		"default": func(*specs.Spec) {}, "user namespace": userns,
		"no mounts": func(s *specs.Spec) {
			s.Mounts, s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = nil, nil, nil
			s.Hostname, s.Linux.Namespaces = "", []specs.LinuxNamespace{{Type: specs.MountNamespace}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := testbundle.New(t, change, testbundle.Sh("echo ran"))
			b.Write()
			b.Stdin = strings.Repeat("chapter\n", 12) + "chapters\ncontinue\n"
			r := b.Minirun("step", b.ID, b.Dir)
			r.Prints(t, "ran")
			names := introduced(r.Stderr)
			got := strings.Join(names, " ")
			if !strings.HasPrefix(got, "start ") || !strings.HasSuffix(got, " exec") ||
				!strings.Contains(got, " pivot ") || !strings.Contains(got, " capabilities identity capabilities ") {
				t.Errorf("chapters: %s", got)
			}
			if has := strings.Contains(got, "namespaces"); has != (name != "no mounts") {
				t.Errorf("chapters: %s", got)
			}
			has(t, r.Stderr, "exec is the last chapter: continue runs the program", "→ exec ", "NoNewPrivs: 0 → 1")
		})
	}
}

// TestStepChapterOfUnprivilegedUser: a rootless plan has its chapters in another order.
func TestStepChapterOfUnprivilegedUser(t *testing.T) {
	u := asUser(t, false, "echo ran")
	u.Stdin = "chapters\nat namespaces\nat mounts\nat namespaces\ncontinue\n"
	r := u.minirun(t, "step", u.ID, u.Dir)
	if got := strings.Join(introduced(r.Stderr), " "); r.Status != 0 || got != "start namespaces mounts" {
		t.Errorf("status %d, chapters: %s\n%s", r.Status, got, r.Stderr)
	}
	has(t, r.Stderr, "→ start ", "create the user namespace", "chapter namespaces began before step")
}

// TestStepStopsAtChapter: --at and --until accept a chapter. One that the plan lacks is an error.
func TestStepStopsAtChapter(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("echo ran"))
	b.Write()
	b.Stdin = "quit\n"
	for flag, want := range map[string]string{"--at": "mounts", "--until": "pivot"} {
		r := b.Minirun("step", flag, "mounts", b.ID, b.Dir)
		if got := strings.Join(introduced(r.Stderr), " "); r.Status != 0 || got != want {
			t.Errorf("%s mounts: status %d, chapters: %s\n%s", flag, r.Status, got, r.Stderr)
		}
	}
	testbundle.Without(specs.NetworkNamespace)(b.Spec)
	b.Write()
	b.Stdin = ""
	r := b.Minirun("step", "--at", "namespaces", b.ID, b.Dir)
	if r.Status == 0 || strings.Contains(r.Stdout, "ran") {
		t.Errorf("status %d: %s", r.Status, r.Stderr)
	}
	has(t, r.Stderr, "this plan has no chapter namespaces")
	if entries, _ := os.ReadDir(b.Root); len(entries) > 0 {
		t.Errorf("left in the state directory: %v", entries)
	}
}

// TestStepDoesNotRunPastFilter: the debugger cannot stop after a seccomp filter is loaded, and does not run
// to a chapter that begins there.
func TestStepDoesNotRunPastFilter(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("echo ran"), func(s *specs.Spec) {
		s.Process.NoNewPrivileges = false
		s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow}
	})
	b.Write()
	b.Stdin = strings.Repeat("chapter\n", 12) + "quit\n"
	r := b.Minirun("step", b.ID, b.Dir)
	if r.Status != 0 || strings.Contains(r.Stdout, "ran") {
		t.Errorf("status %d: %s%s", r.Status, r.Stdout, r.Stderr)
	}
	has(t, r.Stderr, "cannot stop in chapter", "seccomp filter", "aborted: nothing")
}

// TestStepChapterKeys: on a terminal N runs to the next chapter, and L lists them all.
func TestStepChapterKeys(t *testing.T) {
	testbundle.Need(t)
	p := testbundle.NewPty(t)
	b := testbundle.New(t, testbundle.Sh("echo container runs"))
	b.Write()
	cmd := b.Command("step", "--at", "mounts", b.ID, b.Dir)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.Slave, p.Slave, p.Slave
	b.Start(cmd)
	p.Expect(": mounts")
	p.Expect("(step) ")
	p.Type("N")
	p.Expect("mount added: ")
	p.Expect(": pivot")
	p.Expect("(step) ")
	p.Type("L")
	p.Expect("→ pivot")
	p.Expect("(step) ")
	p.Type("?")
	p.Expect("run to the first step of the next chapter")
	p.Expect("(step) ")
	p.Type("q")
	p.Expect("aborted: nothing of the container is left")
	exits(t, cmd, 0)
}
