package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/doctor"
	"github.com/minirun/minirun/internal/inspect"
	"github.com/minirun/minirun/tests/testbundle"
)

// has checks that a text contains all of some words.
func has(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("there is no %q in:\n%s", w, text)
		}
	}
}

func memory(limit int64) func(*specs.Spec) {
	return func(s *specs.Spec) { s.Linux.Resources.Memory = &specs.LinuxMemory{Limit: &limit} }
}

// The narration shows the results of the steps and of the kernel.
func TestExplain(t *testing.T) {
	for name, change := range map[string]func(*specs.Spec){"default": func(*specs.Spec) {}, "user namespace": userns, "filtered": func(s *specs.Spec) {
		s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow}
	}} {
		t.Run(name, func(t *testing.T) {
			b := testbundle.New(t, change, memory(64<<20), testbundle.Sh("echo inside; exit 5"))
			r := b.Run("--explain")
			if r.Status != 5 || r.Stdout != "inside\n" {
				t.Errorf("status %d, output %q", r.Status, r.Stdout)
			}
			has(t, r.Stderr, "config.json: linux.resources.memory.limit", "wrote 67108864; the file contains 67108864", "see it: cat /sys/fs/cgroup",
				"config.json: mounts[0]", "mount proc on /proc", "the kernel reports: mount added:", "pivot_root")
			if name != "filtered" {
				has(t, r.Stderr, "the program runs")
			}
			full := b.Run("--explain-level", "full").Stderr
			has(t, full, "close_range(3, 4294967295, CLOSE_RANGE_CLOEXEC) = 0", "-1 ENOENT (no such file or directory), so the plan continues at step")
			if len(full) < 2*len(r.Stderr) {
				t.Errorf("the full narration is %d bytes, the short one %d", len(full), len(r.Stderr))
			}
			to := filepath.Join(b.Host, "told")
			if r := b.Run("--explain-to", to); strings.Contains(r.Stderr, "pivot_root") {
				t.Error("--explain-to tells standard error too")
			}
			if text, err := os.ReadFile(to); err != nil || !strings.Contains(string(text), "pivot_root") {
				t.Errorf("--explain-to: %d bytes, %v", len(text), err)
			}
		})
	}
	b := testbundle.New(t)
	b.Run("--explain-level", "loud").Fails(t, "--explain-level", "short or full")
	b.Run("--explain", "--trace", "/x.txt").Fails(t, "choose one")
}

// A container that is run with --explain fails in the same way as without it.
func TestExplainFailure(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("/no/such"))
	b.Run("--explain").Fails(t, "config.json: process.args", "/no/such", "no such file")
	b.Run("--trace", filepath.Join(b.Host, "t.txt")).Fails(t, "config.json: process.args", "/no/such", "no such file")
}

// The reader of the narration may exit; the container is not affected.
func TestExplainWithoutReader(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("true"))
	b.Write()
	cmd := b.Command("run", "--explain", b.ID, b.Dir)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	cmd.Stderr = w
	if err := cmd.Run(); err != nil {
		t.Error(err)
	}
	w.Close()
}

func TestTrace(t *testing.T) {
	b := testbundle.New(t, memory(64<<20), testbundle.Args("true"))
	file := func(ext string) string {
		t.Helper()
		name := filepath.Join(b.Host, "trace."+ext)
		b.Run("--trace", name).Exit(t, 0)
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	has(t, file("txt"), "steps took", "minirun", "config.json: ")
	var trace struct {
		TraceEvents []struct {
			Name, Ph string
			TS, Dur  float64
			Args     map[string]string
		}
	}
	if err := json.Unmarshal([]byte(file("json")), &trace); err != nil {
		t.Fatal(err)
	}
	steps, last, inside := 0, 0.0, 0.0
	for _, e := range trace.TraceEvents {
		if e.Ph != "X" {
			continue
		}
		if e.TS < last || e.Dur < 0 {
			t.Errorf("%s begins at %v after %v and takes %v", e.Name, e.TS, last, e.Dur)
		}
		last = e.TS
		if e.Args["step"] != "" {
			steps, inside = steps+1, inside+e.Dur
		}
	}
	if steps < 100 || inside < 100 || inside > 10e6 {
		t.Errorf("%d steps took %v microseconds", steps, inside)
	}
	b.Run("--trace", "/x.pdf").Fails(t, "--trace", ".json", ".html", ".txt")
	has(t, file("html"), "<!doctype html>", `"call":"pivot_root(`, "Content-Security-Policy")
}

// A real browser renders the page, which fetches nothing.
func TestTracePage(t *testing.T) {
	testbundle.Need(t)
	browser := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			browser = path
		}
	}
	if browser == "" {
		t.Skip("needs a browser: apt-get install chromium")
	}
	b := testbundle.New(t, testbundle.Args("true"))
	page, picture := filepath.Join(b.Host, "trace.html"), filepath.Join(b.Host, "trace.png")
	b.Run("--trace", page).Exit(t, 0)
	flags := []string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--user-data-dir=" + filepath.Join(b.Host, "profile"),
		"--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=3000"}
	cmd := exec.Command(browser, append(flags, "--dump-dom", "file://"+page)...)
	cmd.Env = append(os.Environ(), "HOME="+b.Host, "XDG_CONFIG_HOME="+b.Host, "XDG_CACHE_HOME="+b.Host)
	dom, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", browser, err)
	}
	drawn := regexp.MustCompile(`data-ready="(\d+)"`).FindSubmatch(dom)
	if drawn == nil {
		t.Fatalf("the page's script did not come to its end:\n%.2000s", dom)
	}
	if rows := strings.Count(string(dom), "<tr>"); fmt.Sprint(rows-1) != string(drawn[1]) {
		t.Errorf("%d rows of %s", rows-1, drawn[1])
	}
	has(t, string(dom), "pivot_root", "config.json: mounts[0]")
	cmd = exec.Command(browser, append(flags, "--screenshot="+picture, "--window-size=1200,900", "file://"+page)...)
	cmd.Env = append(os.Environ(), "HOME="+b.Host, "XDG_CONFIG_HOME="+b.Host, "XDG_CACHE_HOME="+b.Host)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if info, err := os.Stat(picture); err != nil || info.Size() < 10000 {
		t.Errorf("the screenshot: %v, %v", info, err)
	}
}

// step with a pipe: its commands are lines, and the rest of the input is the container's.
func TestStep(t *testing.T) {
	for name, change := range map[string]func(*specs.Spec){"default": func(*specs.Spec) {}, "user namespace": userns, "PID namespace of the host": testbundle.Without(specs.PIDNamespace)} {
		t.Run(name, func(t *testing.T) {
			b := testbundle.New(t, change, testbundle.Sh("read line; echo got $line; exit 4"))
			b.Write()
			b.Stdin = "next\nat pivot_root\nlist\ninfo\nshell echo from $(cat /proc/self/mountinfo | wc -l) mounts\nuntil process.capabilities\nfrobnicate\nat nowhere\n?\ncontinue\nfor the container\n"
			r := b.Minirun("step", b.ID, b.Dir)
			if r.Status != 4 {
				t.Errorf("status %d: %s", r.Status, r.Stderr)
			}
			has(t, r.Stdout, "got for the container", "from ", " mounts")
			has(t, r.Stderr, "step 0:", "step 1:", ": pivot_root", "→ ", "changed: mount added:", "nsenter --target", "its own", "CapEff", "frobnicate", `"nowhere" is not the number`, "stop before X")
		})
	}
}

// The shell may be the container's shell, and does not get the environment of minirun's caller.
func TestStepShellHasNoVariablesOfTheCaller(t *testing.T) {
	b := testbundle.New(t)
	b.Write()
	b.Env = []string{"SECRET_OF_THE_CALLER=1"}
	b.Stdin = "shell env\nat capset\nshell env\ncontinue\n"
	r := b.Minirun("step", b.ID, b.Dir)
	if r.Status != 0 || strings.Contains(r.Stdout, "SECRET") || strings.Count(r.Stdout, "PATH=") != 2 {
		t.Errorf("status %d: %s%s", r.Status, r.Stdout, r.Stderr)
	}
}

// If step is ended half-way, nothing is left: testbundle checks for it.
func TestStepAbort(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("echo ran"))
	b.Write()
	for _, commands := range []string{"quit\n", "", "at mounts[3]\nquit\n", "at capset\nabort\n", "at execve\nq\n", "next 50\n"} {
		b.Stdin = commands
		r := b.Minirun("step", b.ID, b.Dir)
		if r.Status != 0 || strings.Contains(r.Stdout, "ran") {
			t.Errorf("%q: status %d, output %q", commands, r.Status, r.Stdout)
		}
		has(t, r.Stderr, "aborted: nothing of the container is left")
		if entries, _ := os.ReadDir(b.Root); len(entries) > 0 {
			t.Errorf("%q: left in the state directory: %v", commands, entries)
		}
	}
	b.Stdin = ""
	b.Minirun("step", "--at", "no such step", b.ID, b.Dir).Fails(t, "no such step")
	b.Stdin = "continue\n"
	b.Minirun("step", "--until", "filesystem", b.ID, b.Dir).Prints(t, "ran")
}

// A signal ends a container that is run with step.
func TestStepSignal(t *testing.T) {
	b := testbundle.New(t)
	b.Write()
	cmd := b.Command("step", b.ID, b.Dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	for text := ""; !strings.Contains(text, "(step)"); {
		n, err := out.Read(buf)
		if err != nil {
			t.Fatal(text, err)
		}
		text += string(buf[:n])
	}
	if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("it went on")
	}
	in.Close()
}

// TestStepShellTakesInterrupts: while a shell of step has the terminal, the signal sent by ^C goes to
// the shell.
func TestStepShellTakesInterrupts(t *testing.T) {
	testbundle.Need(t)
	p := testbundle.NewPty(t)
	b := testbundle.New(t)
	b.Write()
	cmd := b.Command("step", b.ID, b.Dir)
	p.Attach(cmd)
	b.Start(cmd)
	p.Expect("(step) ")
	p.Type("s")
	p.Type("echo first-$((1+1))\n")
	p.Expect("first-2")
	if err := cmd.Process.Signal(unix.SIGINT); err != nil {
		t.Fatal(err)
	}
	p.Type("echo second-$((1+1))\n")
	p.Expect("second-2")
	p.Type("exit\n")
	p.Expect("(step) ")
	p.Type("q")
	p.Expect("aborted: nothing of the container is left")
	exits(t, cmd, 0)
}

// On a terminal, commands are single keys.
func TestStepKeys(t *testing.T) {
	testbundle.Need(t)
	p := testbundle.NewPty(t)
	b := testbundle.New(t, testbundle.Sh("echo container runs"))
	b.Write()
	start := func() *exec.Cmd {
		cmd := b.Command("step", b.ID, b.Dir)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = p.Slave, p.Slave, p.Slave
		b.Start(cmd)
		p.Expect("(step) ")
		return cmd
	}
	cmd := start()
	p.Type("n")
	p.Expect("step 1:")
	p.Type("apivot_root\n")
	p.Expect(": pivot_root")
	p.Type("i")
	p.Expect("NoNewPrivs")
	p.Type("l")
	p.Expect("unmount the old root")
	p.Type("q")
	p.Expect("aborted: nothing of the container is left")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if entries, _ := os.ReadDir(b.Root); len(entries) > 0 {
		t.Errorf("left in the state directory: %v", entries)
	}
	cmd = start()
	p.Type("\x03")
	p.Expect("aborted")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	cmd = start()
	p.Type("c")
	p.Expect("container runs")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// plan: it needs no privilege, and is tested for identical bytes, every format, and other hosts.
func TestPlan(t *testing.T) {
	b := testbundle.New(t, memory(64<<20))
	b.Write()
	if err := os.Chmod(b.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	print := func(args ...string) string {
		t.Helper()
		r := b.Minirun(append([]string{"plan"}, append(args, b.Dir)...)...)
		r.Exit(t, 0)
		return r.Stdout
	}
	text := print()
	has(t, text, "# minirun: linux.resources.memory.limit", `"67108864"`, "pivot_root", "# filesystem: mounts[0]", "execve(")
	if again := print(); again != text {
		t.Error("the second plan is not the first")
	}
	has(t, print("--cgroups", "v2"), "/memory.max", "bpf(BPF_PROG_ATTACH")
	has(t, print("--cgroups", "v1"), "/sys/fs/cgroup/memory/", "memory.limit_in_bytes", "devices.allow")
	has(t, print("--format", "md"), "## filesystem", "| step |")
	var document struct {
		Clone   []string
		Writes  []struct{ File, Value, Source string }
		Process []struct{ Call, Text, Source string }
	}
	if err := json.Unmarshal([]byte(print("--format", "json")), &document); err != nil || len(document.Process) < 200 || len(document.Clone) < 4 || len(document.Writes) == 0 {
		t.Errorf("JSON: %v, %d steps", err, len(document.Process))
	}
	b.Minirun("plan", "--format", "xml", b.Dir).Fails(t, "--format", "text, json or md")
	b.Minirun("plan", "--cgroups", "v3", b.Dir).Fails(t, "--cgroups", "v1 or v2")

	cmd := b.Command("plan", "--cgroups", "v2", b.Dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	nobody := testbundle.Finish(t, cmd)
	nobody.Exit(t, 0)
	has(t, nobody.Stdout, "/memory.max", "pivot_root")

	other := testbundle.New(t, memory(32<<20), func(s *specs.Spec) { s.Process.NoNewPrivileges = false })
	other.Spec.Linux.CgroupsPath = b.Spec.Linux.CgroupsPath
	other.Write()
	r := b.Minirun("plan", "--cgroups", "v2", "--diff", b.Dir, other.Dir)
	if r.Status != 1 {
		t.Errorf("status %d: %s", r.Status, r.Stderr)
	}
	var signs []string
	for line := range strings.Lines(r.Stdout) {
		if line[0] != '#' {
			signs = append(signs, line[:1]+strings.Fields(line)[1])
		}
	}
	if got := strings.Join(signs, " "); got != "-limit +limit -set" {
		t.Errorf("the difference is %s:\n%s", got, r.Stdout)
	}
	b.Minirun("plan", "--diff", b.Dir, b.Dir).Prints(t, "")
}

func TestInspect(t *testing.T) {
	limit := int64(77)
	b, pid := up(t, userns, memory(64<<20), func(s *specs.Spec) { s.Linux.Resources.Pids = &specs.LinuxPids{Limit: &limit} })
	has(t, b.Minirun("inspect", b.ID).Stdout, "running", "HOST", "CONTAINER", "its own", "64 MiB", "77", "CapEff", "MOUNTS")
	var v inspect.View
	r := b.Minirun("inspect", "--format", "json", b.ID)
	if err := json.Unmarshal([]byte(r.Stdout), &v); err != nil {
		t.Fatal(err, r.Stderr)
	}
	facts := map[string]inspect.Pair{}
	for _, p := range v.Process {
		facts[p.Name] = p
	}
	for _, p := range v.Namespaces {
		facts["ns "+p.Name] = p
	}
	if p := facts["pid"]; p.Host != fmt.Sprint(pid) || p.Container != "1" {
		t.Errorf("pid: %+v", p)
	}
	if p := facts["uid"]; p.Host == "0" || p.Container != "0" {
		t.Errorf("uid: %+v", p)
	}
	if p := facts["ns user"]; p.Host == p.Container || p.Note != "its own" {
		t.Errorf("user namespace: %+v", p)
	}
	if p := facts["ns time"]; p.Host != p.Container || p.Note != "the host's" {
		t.Errorf("time namespace: %+v", p)
	}
	// A shared namespace is named.
	other, _ := up(t, userns, with(specs.UTSNamespace, fmt.Sprintf("/proc/%d/ns/uts", pid)), with(specs.UserNamespace, fmt.Sprintf("/proc/%d/ns/user", pid)),
		func(s *specs.Spec) { s.Hostname = ""; s.Linux.UIDMappings, s.Linux.GIDMappings = nil, nil })
	cmd := exec.Command(testbundle.Binary, "--root", other.Root, "inspect", other.ID)
	if out, err := cmd.Output(); err != nil || !strings.Contains(string(out), "uts:[") {
		t.Errorf("%v: %s", err, out)
	}
	b.Minirun("inspect", "nobody").Fails(t, "does not exist")
	b.Minirun("inspect", "--format", "xml", b.ID).Fails(t, "--format")
	b.Minirun("delete", "--force", b.ID).Exit(t, 0)
}

// layers: which layer has a path, what hides it, and what was written.
func TestLayersCommand(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("sleep", "1000"), testbundle.Writable)
	for _, d := range []string{"low/etc", "low/dir/below", "high/dir"} {
		if err := os.MkdirAll(filepath.Join(b.Dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"low/etc/kept": "k", "low/etc/gone": "g", "low/etc/new": "old", "high/dir/own": "o", "low/dir/hidden": "h"} {
		if err := os.WriteFile(filepath.Join(b.Dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Setxattr(filepath.Join(b.Dir, "high/dir"), "trusted.overlay.opaque", []byte("y"), 0); err != nil {
		t.Skipf("the bundle's file system has no trusted attributes: %v", err)
	}
	b.Spec.Annotations = map[string]string{"dev.minirun.layers": `["low", "rootfs", "high"]`}
	b.Write()
	var found []inspect.LayerFile
	where := func(of, path string) (kinds string) {
		t.Helper()
		r := b.Minirun("layers", "--format", "json", of, path)
		if err := json.Unmarshal([]byte(r.Stdout), &found); err != nil {
			t.Fatal(err, r.Stderr)
		}
		for _, v := range found {
			kinds += fmt.Sprintf("%d:%s:%v ", v.Number, v.Kind, v.Seen)
		}
		return strings.TrimSpace(kinds)
	}
	if got := where(b.Dir, "/dir/hidden"); got != "3:-:false 2:-:false 1:file:false" || !strings.Contains(found[2].Why, "/dir in layer 3") {
		t.Errorf("/dir/hidden: %s, %q", got, found[2].Why)
	}
	if got := where(b.Dir, "/etc/kept"); got != "3:-:false 2:-:false 1:file:true" {
		t.Errorf("/etc/kept: %s", got)
	}
	detached(t, b)
	in(b, "rm /etc/gone; echo more >> /etc/new; echo x > /etc/made; mkdir /opt/d").Exit(t, 0)
	if got := where(b.ID, "/etc/gone"); got != "4:whiteout:false 3:-:false 2:-:false 1:file:false" {
		t.Errorf("/etc/gone: %s", got)
	}
	if got := where(b.ID, "/../../etc/new"); got != "4:file:true 3:-:false 2:-:false 1:file:false" {
		t.Errorf("/etc/new: %s", got)
	}
	var all struct{ Written []inspect.Written }
	if err := json.Unmarshal([]byte(b.Minirun("layers", "--format", "json", b.ID).Stdout), &all); err != nil {
		t.Fatal(err)
	}
	did := map[string]string{}
	for _, w := range all.Written {
		did[w.Path] = w.What
	}
	for path, want := range map[string]string{"/etc/gone": "deleted", "/etc/new": "changed", "/etc/made": "new", "/opt/d": "new"} {
		if did[path] != want {
			t.Errorf("%s is %q, want %s: %v", path, did[path], want, did)
		}
	}
	has(t, b.Minirun("layers", b.ID).Stdout, "LAYER", "upper", "WRITTEN", "/etc/gone")
	if r := b.Minirun("layers", b.ID, "/no/such"); r.Status != 1 {
		t.Errorf("a path that no layer has: status %d", r.Status)
	}
	b.Minirun("layers", "nobody").Fails(t, "nobody")
}

func TestDoctor(t *testing.T) {
	b := testbundle.New(t)
	has(t, b.Minirun("doctor").Stdout, "kernel", "namespaces", "cgroups", "overlay", "seccomp", "engines")
	var all []doctor.Finding
	r := b.Minirun("doctor", "--format", "json")
	if err := json.Unmarshal([]byte(r.Stdout), &all); err != nil || len(all) < 12 {
		t.Fatalf("%v: %s%s", err, r.Stdout, r.Stderr)
	}
	if worst := doctor.Worst(all); (worst == doctor.Fail) != (r.Status == 1) {
		t.Errorf("status %d, worst %s", r.Status, worst)
	}
	// On a machine that provides nothing it reports what is missing.
	for _, c := range []struct {
		wrap []string
		want string
	}{
		{[]string{"setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"}, "CAP_SYS_ADMIN"},
		{[]string{"unshare", "--mount", "sh", "-c", "umount -R -l /sys/fs/cgroup && mount -t tmpfs x /sys/fs/cgroup && exec \"$@\"", "sh"}, "cgroup"},
	} {
		cmd := exec.Command(c.wrap[0], append(c.wrap[1:], testbundle.Binary, "doctor")...)
		out, _ := cmd.Output()
		if cmd.ProcessState.ExitCode() != 1 {
			t.Errorf("%v: status %d", c.wrap, cmd.ProcessState.ExitCode())
		}
		has(t, string(out), "fail", c.want, "→")
	}
}

func TestCompareCommand(t *testing.T) {
	testbundle.Need(t)
	if _, err := exec.LookPath("runc"); err != nil {
		t.Skip("needs runc: apt-get install runc")
	}
	b := testbundle.New(t, memory(64<<20), testbundle.Sh("touch /tmp/ran"), testbundle.Writable)
	b.Write()
	var result struct {
		Facts       int
		Differences []struct{ Fact, Left, Right, Why string }
		Create      []float64
	}
	r := b.Minirun("compare", "--format", "json", "--rounds", "1", b.Dir)
	if err := json.Unmarshal([]byte(r.Stdout), &result); err != nil || result.Facts < 80 || result.Create[0] == 0 {
		t.Fatalf("%v: %s%s", err, r.Stdout, r.Stderr)
	}
	for _, d := range result.Differences {
		if d.Why == "" {
			t.Errorf("not explained: %s: %q, with runc %q", d.Fact, d.Left, d.Right)
		}
	}
	if _, err := os.Stat(b.Path("/tmp/ran")); err == nil {
		t.Error("the program has run")
	}
	has(t, b.Minirun("compare", "--rounds", "0", b.Dir).Stdout, "facts compared", "MINIRUN", "RUNC")
	b.Minirun("compare", "--with", "/no/such", b.Dir).Fails(t, "--with", "/no/such")
}

// TestCompareWithoutMountNamespace: neither runtime leaves mounts on the host.
func TestCompareWithoutMountNamespace(t *testing.T) {
	testbundle.Need(t)
	if _, err := exec.LookPath("runc"); err != nil {
		t.Skip("needs runc: apt-get install runc")
	}
	b := testbundle.New(t, onHost)
	b.Write()
	has(t, b.Minirun("compare", "--rounds", "1", b.Dir).Stdout, "facts compared", "medians")
	if n := mountsBelow(b.Path("")); n != 0 {
		t.Errorf("%d mounts are left on the host", n)
	}
}

// TestCompareAfterSignal: compare deletes its containers, and runs as one process.
func TestCompareAfterSignal(t *testing.T) {
	testbundle.Need(t)
	if _, err := exec.LookPath("runc"); err != nil {
		t.Skip("needs runc: apt-get install runc")
	}
	for name, change := range map[string]func(*specs.Spec){"a mount namespace": func(*specs.Spec) {}, "no mount namespace": onHost} {
		t.Run(name, func(t *testing.T) {
			b := testbundle.New(t, change)
			began := filepath.Join(b.Host, "began")
			hook := shellHook("env >" + b.Host + "/env; touch " + began + "; exec sleep 1000")
			hook.Env = nil // the hook inherits the environment of the runtime's caller
			b.Spec.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{hook}}
			b.Spec.Linux.CgroupsPath = ""
			b.Write()
			cmd := b.Command("compare", b.Dir)
			cmd.Env = append(cmd.Env, "TMPDIR="+b.Host)
			b.Start(cmd)
			await(t, began)
			endsAfterSIGTERM(t, cmd, 143)
			if text, err := os.ReadFile(b.Host + "/env"); err != nil || strings.Contains(string(text), "MINIRUN_COMPARE") {
				t.Errorf("a hook has a variable of minirun's own: %s, %v", text, err)
			}
			if left, _ := filepath.Glob(b.Host + "/minirun-compare-*"); len(left) > 0 {
				t.Errorf("left: %q", left)
			}
		})
	}
}

// TestLayersErrorIsOneLine: the error about an ID without a container.
func TestLayersErrorIsOneLine(t *testing.T) {
	b := testbundle.New(t)
	if r := b.Minirun("layers", "nosuch"); r.Status != 1 || strings.Count(r.Stderr, "\n") != 1 {
		t.Errorf("status %d: %q", r.Status, r.Stderr)
	}
}
