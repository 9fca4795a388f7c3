package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// Signals sent to minirun are forwarded to the process, and when the process ends, minirun ends.
func TestExecForwardsSignals(t *testing.T) {
	b, _ := up(t)
	cmd := b.Command("exec", b.ID, "probe", "hold", "7")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	b.Start(cmd)
	buf := make([]byte, 100)
	expect := func(want string) {
		t.Helper()
		if n, _ := out.Read(buf); string(buf[:n]) != want+"\n" {
			t.Errorf("the process wrote %q, want %q", buf[:n], want)
		}
	}
	expect("ready")
	for _, sig := range []unix.Signal{unix.SIGUSR1, unix.SIGINT, unix.SIGHUP, unix.SIGTERM} {
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		expect(unix.SignalName(sig))
	}
	_ = cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != 7 {
		t.Errorf("exit status %d, want 7", got)
	}
}

// exec concurrent with delete: each exec ends with its program's status or reports that the container
// does not exist, and nothing is left.
func TestExecRacesDelete(t *testing.T) {
	for name, change := range map[string]func(*specs.Spec){"default": func(*specs.Spec) {}, "the host's processes": without(specs.PIDNamespace)} {
		t.Run(name, func(t *testing.T) {
			for round := range 10 {
				b, _ := up(t, change)
				var wg sync.WaitGroup
				for range 8 {
					wg.Go(func() {
						r := in(b, "sleep 0.02; exit 5")
						switch r.Status {
						case 5, 137:
						case 255:
							r.Fails(t, "container")
							if !strings.Contains(r.Stderr, "container not running") && !strings.Contains(r.Stderr, "container does not exist") {
								t.Errorf("exec failed with %s", r.Stderr)
							}
						default:
							t.Errorf("exit status %d: %s", r.Status, r.Stderr)
						}
					})
				}
				time.Sleep(time.Duration(round) * 3 * time.Millisecond)
				b.Minirun("delete", "--force", b.ID).Exit(t, 0)
				wg.Wait()
			}
		})
	}
}

// If the minirun process of an exec is killed, delete finds everything that it leaves.
func TestDeleteFindsWhatKilledExecLeaves(t *testing.T) {
	for _, change := range []func(*specs.Spec){func(*specs.Spec) {}, without(specs.PIDNamespace)} {
		b, _ := up(t, change)
		for i := range 40 {
			cmd := b.Command("exec", b.ID, "sleep", "1000")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(i) * 150 * time.Microsecond)
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
		// The orphans are this test's children, and a PID namespace ends only after all its processes
		// have been reaped.
		deletion := b.Command("delete", "--force", b.ID)
		if err := deletion.Start(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- deletion.Wait() }()
		for waiting := true; waiting; time.Sleep(time.Millisecond) {
			select {
			case err := <-done:
				waiting = false
				if err != nil {
					t.Error(err)
				}
			default:
				reapExcept(deletion.Process.Pid)
			}
		}
		testbundle.Reap()
	}
}

// reapExcept reaps all children of this process that exited, except one.
func reapExcept(spared int) {
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		for _, field := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(field); err == nil && pid != spared {
				_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
			}
		}
	}
}

// CVE-2016-9962: processes in the container can see a process enter, but cannot trace it or reach
// anything through it.
func TestExecIsHidden(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("probe", "spy", "3"))
	b.Write()
	cmd := b.Command("run", b.ID, b.Dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	b.Start(cmd)
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "ready" {
		t.Fatalf("the spy says %q", lines.Text())
	}
	for end := time.Now().Add(2500 * time.Millisecond); time.Now().Before(end); {
		in(b, "true")
	}
	said := map[string]bool{}
	for lines.Scan() {
		said[lines.Text()] = true
	}
	_ = cmd.Wait()
	if !said["seen"] {
		t.Skipf("the spy never saw a process on its way in, so nothing is shown: %v", said)
	}
	if len(said) > 1 {
		t.Errorf("a program of the container got at a process on its way in: %v", said)
	}
}

// The properties that a process sees of itself are the same under runc and under minirun.
func TestExecAsRunc(t *testing.T) {
	runc, err := exec.LookPath("runc")
	if err != nil {
		t.Skip("needs runc to compare with: ", err)
	}
	b, _ := up(t, func(s *specs.Spec) {
		s.Version = "1.0.2"
		s.Process.Env = append(s.Process.Env, "A=config")
		s.Process.Cwd = "/tmp"
		s.Process.User.AdditionalGids = []uint32{3, 4}
		s.Process.OOMScoreAdj = ptr(300)
		s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_CORE", Soft: 5, Hard: 6}}
		s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: []string{"acct"}, Action: specs.ActErrno}}}
	})
	// runc uses the same bundle with a different cgroup.
	other := filepath.Join(b.Host, "bundle")
	id := b.ID + "r"
	b.Spec.Linux.CgroupsPath, b.Spec.Root.Path = "/"+id, b.Path("/")
	data, err := json.Marshal(b.Spec)
	if err == nil {
		err = os.Mkdir(other, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(other, "config.json"), data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(b.Host, "runc")
	start := exec.Command(runc, "--root", root, "run", "-d", "-b", other, id)
	t.Cleanup(func() {
		_ = exec.Command(runc, "--root", root, "delete", "-f", id).Run()
		testbundle.Reap()
	})
	if err := start.Run(); err != nil {
		t.Fatal("runc run: ", err)
	}
	const script = `id; env | sort | grep -v -E '^(SHLVL|PWD|OLDPWD)='; pwd; umask; cat /proc/self/limits | grep -v files
		grep -E '^(Cap|NoNew|Seccomp:|Groups|Sig(Blk|Ign)|Umask|Uid|Gid)' /proc/self/status; sed s/` + "mrt[0-9a-z-]*" + `/ID/ /proc/self/cgroup
		cat /proc/self/oom_score_adj; ` + testbundle.ListFDs
	file := filepath.Join(b.Host, "process.json")
	process := fmt.Sprintf(`{"cwd":"/","args":["sh","-c",%q],"env":["PATH=/bin","X=1"],"user":{"uid":1000,"gid":1000,"additionalGids":[10,20]},"rlimits":[{"type":"RLIMIT_CORE","soft":1,"hard":2}],
		"capabilities":{"bounding":["CAP_CHOWN","CAP_KILL"],"permitted":["CAP_KILL"],"effective":["CAP_KILL"],"inheritable":["CAP_KILL"],"ambient":["CAP_KILL"]},"noNewPrivileges":true}`, script)
	if err := os.WriteFile(file, []byte(process), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, flags := range [][]string{
		nil, {"-u", "1000"}, {"-u", "1000:1000", "-g", "7", "-g", "3"}, {"-e", "A=1", "-e", "B=2", "-e", "A=3"}, {"-e", "HOME="}, {"-e", "PATH=/none"}, {"--cwd", "/home"},
		{"--cap", "CAP_SYS_ADMIN"}, {"--cap", "CAP_NONSENSE"}, {"-u", "1000", "--cap", "CAP_CHOWN"}, {"--no-new-privs"}, {"--no-new-privs=false"}, {"-u", "4000"}, {"--cgroup", "/"}, {"--process", file},
		{"--cwd", "/none"}, {"--cwd", "x"}, {"-u", "user"}, {"--cgroup", ".."}, {"--process", "/none"}, {"--apparmor", "x"}, {"--process-label", "x"}, {"-t", "-d"},
	} {
		t.Run(strings.Join(flags, " "), func(t *testing.T) {
			words := func(id string) []string {
				w := append(append([]string{"exec"}, flags...), id)
				if len(flags) > 0 && flags[0] == "--process" {
					return w
				}
				return append(w, "sh", "-c", script)
			}
			want := testbundle.Finish(t, exec.Command(runc, append([]string{"--root", root}, words(id)...)...))
			got := b.Minirun(words(b.ID)...)
			if got.Status != want.Status || got.Stdout != want.Stdout {
				t.Errorf("exit status %d, under runc %d\n%s%s\nunder runc:\n%s%s", got.Status, want.Status, got.Stdout, got.Stderr, want.Stdout, want.Stderr)
			}
		})
	}
	for _, args := range [][]string{{"nosuch"}, {"/none"}, {"/tmp"}, {"/etc/passwd"}, {"sh", "-c", "kill -15 $$"}, {"sh", "-c", "exit 3"}, {""}, nil} {
		want := testbundle.Finish(t, exec.Command(runc, append([]string{"--root", root, "exec", id}, args...)...))
		if got := b.Minirun(append([]string{"exec", b.ID}, args...)...); got.Status != want.Status {
			t.Errorf("%q: exit status %d, under runc %d\n%s", args, got.Status, want.Status, got.Stderr)
		}
	}
}
