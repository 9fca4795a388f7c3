package compare

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// TestFindDifferences: a fact that only one container has differs too; equal ones are only counted.
func TestFindDifferences(t *testing.T) {
	left := map[string]string{"status Uid": "0", "exe": "/bin/sh", "descriptor 3": "pipe", "root": "/"}
	right := map[string]string{"status Uid": "0", "exe": "/bin/ash", "root": "/", "mount /proc/kcore": "tmpfs"}
	n, got := findDifferences(left, right)
	want := []Difference{
		{Fact: "descriptor 3", Left: "pipe", Why: explain("descriptor *")},
		{Fact: "exe", Left: "/bin/sh", Right: "/bin/ash"},
		{Fact: "mount /proc/kcore", Right: "tmpfs", Why: explain("mount /proc/*")},
	}
	if n != 5 || !slices.Equal(got, want) {
		t.Errorf("%d facts, %+v\nwant 5 facts, %+v", n, got, want)
	}
}

// TestExplanations: a pattern explains what begins like it, and nothing else.
func TestExplanations(t *testing.T) {
	for _, fact := range []string{"mount /proc/sys/net", "mount /dev/null", "mount /dev/urandom", "mount /proc/keys (above)",
		"mount /sys/fs/cgroup (above)", "mount /sys/fs/cgroup/cpu", "mount /sys/fs/cgroup", "limit Max open files",
		"status CapEff", "environ"} {
		if explain(fact) == "" {
			t.Errorf("%s is not explained", fact)
		}
	}
	for _, fact := range []string{"mount /proc", "mount /dev", "mount /dev/pts", "mount /dev/mqueue", "environ 2", "limit memory.max", "status Uid", ""} {
		if why := explain(fact); why != "" {
			t.Errorf("%q is explained: %s", fact, why)
		}
	}
}

// TestTextFitsTerminal: a reason is written once, for all of its differences, in lines that fit, and wide
// values have their own lines.
func TestTextFitsTerminal(t *testing.T) {
	options := "tmpfs (tmpfs) ro,nosuid,nodev,noexec,relatime"
	why := strings.Repeat("because of it ", 10)
	var out strings.Builder
	res := &Result{Left: "minirun", Right: "runc", Facts: 9, Differences: []Difference{
		{Fact: "exe", Left: "/bin/sh", Right: "/bin/ash"},
		{Fact: "mount /a", Left: options, Right: options + ",x", Why: why},
		{Fact: "oom_score_adj", Left: "0", Right: "1"},
		{Fact: "mount /b", Left: options, Why: why},
	}}
	if err := res.Text(&out); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		if n := len([]rune(line)); n > width+1 {
			t.Errorf("a line of %d columns: %s", n-1, line)
		}
	}
	for _, want := range []string{"9 facts compared, 4 differ\n\n# not explained\n", "RUNC\nexe            /bin/sh  /bin/ash\noom",
		"\nmount /a\n  MINIRUN  " + options + "\n  RUNC     " + options + ",x\nmount /b\n", "  RUNC     -\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("there is no %q in:\n%s", want, out.String())
		}
	}
	if n := strings.Count(out.String(), "# because of it because"); n != 1 {
		t.Errorf("the reason is written %d times:\n%s", n, out.String())
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		list []float64
		want float64
	}{{nil, 0}, {[]float64{7}, 7}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 3, 2}, 3}} {
		if got := median(c.list); got != c.want {
			t.Errorf("%v: %v, want %v", c.list, got, c.want)
		}
	}
}

// TestComparableSpec: the copy has absolute paths and no terminal, and the original is unchanged.
func TestComparableSpec(t *testing.T) {
	s := &specs.Spec{
		Root:    &specs.Root{Path: "rootfs"},
		Process: &specs.Process{Terminal: true, ConsoleSize: &specs.Box{Width: 80}},
		Mounts: []specs.Mount{
			{Type: "bind", Source: "data"},
			{Source: "more", Options: []string{"ro", "rbind"}},
			{Type: "bind", Source: "/abs"},
			{Type: "tmpfs", Source: "tmpfs"},
		},
	}
	got, err := comparableSpec("/b", s)
	if err != nil {
		t.Fatal(err)
	}
	var sources []string
	for _, m := range got.Mounts {
		sources = append(sources, m.Source)
	}
	if want := []string{"/b/data", "/b/more", "/abs", "tmpfs"}; !slices.Equal(sources, want) ||
		got.Root.Path != "/b/rootfs" {
		t.Errorf("sources %q, root %s; want %q", sources, got.Root.Path, want)
	}
	if got.Process.Terminal || got.Process.ConsoleSize != nil {
		t.Error("the copy has a terminal")
	}
	if s.Root.Path != "rootfs" || s.Mounts[0].Source != "data" || !s.Process.Terminal || s.Process.ConsoleSize == nil {
		t.Errorf("the original was changed: %+v", s)
	}
	if _, err := comparableSpec("/b", &specs.Spec{Root: &specs.Root{}}); err == nil {
		t.Error("a specification without a process is accepted")
	}
}

func TestProcessFiles(t *testing.T) {
	facts := map[string]string{}
	for name, text := range map[string]string{
		"cmdline": "sh\x00-c\x00true\x00",
		"uid_map": "         0       1000          1\n         1     100000      65536\n",
		"limits": "Limit                     Soft Limit           Hard Limit           Units     \n" +
			"Max open files            1024                 4096                 files     \n",
		"oom_score_adj": "0\n",
	} {
		parseProcessFile(name, text, facts)
	}
	want := map[string]string{
		"cmdline": "sh -c true", "uid_map 0": "0 1000 1", "uid_map 1": "1 100000 65536", "oom_score_adj": "0",
		"limits 0": "Limit Soft Limit Hard Limit Units", "limit Max open files": "1024 4096 files",
	}
	if fmt.Sprint(facts) != fmt.Sprint(want) {
		t.Errorf("%v\nwant %v", facts, want)
	}
}

// TestMountsOnHost: without a mount namespace a container's mounts are the caller's.
func TestMountsOnHost(t *testing.T) {
	dir := t.TempDir()
	for list, want := range map[string]bool{`{"type": "mount"}`: false, `{"type": "uts"}`: true} {
		text := `{"ociVersion": "1.0.2", "root": {"path": "rootfs"}, "process": {"args": ["sh"], "cwd": "/", ` +
			`"user": {"uid": 0, "gid": 0}}, "linux": {"namespaces": [` + list + `]}}`
		if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := MountsOnHost(dir); err != nil || got != want {
			t.Errorf("%s: %t, %v; want %t", list, got, err, want)
		}
	}
}

// TestTraceExec: the process is examined when it has become the program, and never runs it.
func TestTraceExec(t *testing.T) {
	ran := filepath.Join(t.TempDir(), "ran")
	cmd := exec.Command("/bin/sh", "-c", `read go; exec touch "$0"`, ran)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skipf("needs a shell: %v", err)
	}
	program := ""
	start := func() error {
		_, err := in.Write([]byte("go\n"))
		return err
	}
	err = traceExec(context.Background(), cmd.Process.Pid, start, func() {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", cmd.Process.Pid))
		program = string(text)
	})
	if errors.Is(err, os.ErrPermission) {
		t.Skipf("may not trace its own children here: %v", err)
	}
	if err != nil || !strings.HasPrefix(program, "touch") {
		t.Errorf("examined %q, %v", program, err)
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("the program has run")
	}
}
