package e2e

import (
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// status prints lines of /proc/self/status, from a program that is run without a shell.
func status(names string) func(*specs.Spec) {
	return testbundle.Args("grep", "-E", "^("+names+"):", "/proc/self/status")
}

func ptr[T any](v T) *T { return &v }

// TestProcessProperties runs one program for each property of process, and compares what the program
// sees.
func TestProcessProperties(t *testing.T) {
	type changes = []func(*specs.Spec)
	for _, c := range []struct {
		name   string
		change changes
		want   string
	}{
		{"PID 1", changes{testbundle.Sh("echo $$; readlink /proc/self/exe")}, "1\n/bin/busybox"},
		{"user", changes{user(1000, 1001), testbundle.Sh("id -u; id -g; id -G")}, "1000\n1001\n1001"},
		{"additional groups", changes{user(1000, 1000, 5, 20, 1234), testbundle.Args("id", "-G")}, "1000 5 20 1234"},
		{"no group is kept", changes{status("Groups"), user(7, 7)}, "Groups:\t"},
		{"all four ids", changes{user(11, 12), status("Uid|Gid")}, "Uid:\t11\t11\t11\t11\nGid:\t12\t12\t12\t12"},
		{"umask by default", changes{testbundle.Sh("umask")}, "0022"},
		{"umask", changes{testbundle.Sh("umask"), func(s *specs.Spec) { s.Process.User.Umask = ptr(uint32(0o127)) }}, "0127"},
		{"HOME from passwd", changes{user(1000, 1000), testbundle.Sh("echo $HOME")}, "/home/user"},
		{"HOME of nobody known", changes{user(4321, 1), testbundle.Sh("echo $HOME")}, "/"},
		{"HOME as given", changes{testbundle.Sh("echo $HOME"), func(s *specs.Spec) { s.Process.Env = append(s.Process.Env, "HOME=/x") }}, "/x"},
		{"cwd", changes{testbundle.Args("pwd"), func(s *specs.Spec) { s.Process.Cwd = "/usr" }}, "/usr"},
		{"cwd is made", changes{testbundle.Args("pwd"), testbundle.Writable, func(s *specs.Spec) { s.Process.Cwd = "/made/for/me" }}, "/made/for/me"},
		{"cwd is made under a read-only root", changes{testbundle.Args("pwd"), func(s *specs.Spec) { s.Process.Cwd = "/made" }}, "/made"},
		{"PATH search", changes{testbundle.Args("which", "sh"), func(s *specs.Spec) { s.Process.Env = []string{"PATH=/nowhere:/etc/passwd:/bin"} }}, "/bin/sh"},
		{"the last PATH counts", changes{testbundle.Args("echo", "found"), func(s *specs.Spec) { s.Process.Env = []string{"PATH=/nowhere", "PATH=/bin"} }}, "found"},
		{"a relative program", changes{testbundle.Args("bin/echo", "found"), func(s *specs.Spec) { s.Process.Cwd = "/" }}, "found"},
		{"argv[0]", changes{testbundle.Sh("echo $0")}, "sh"},
		{"no capabilities", changes{status("Cap.*"), func(s *specs.Spec) { s.Process.Capabilities = nil }},
			"CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nCapAmb:\t0000000000000000"},
		{"five sets as root", changes{status("Cap.*"), caps(func(c *specs.LinuxCapabilities) {
			c.Bounding, c.Permitted = []string{"CAP_CHOWN", "CAP_KILL", "CAP_SYS_CHROOT"}, []string{"CAP_CHOWN", "CAP_KILL"}
			c.Effective, c.Inheritable = []string{"CAP_CHOWN"}, []string{"CAP_KILL"}
		})}, // when root executes a file, all permitted capabilities become effective (capabilities(7))
			"CapInh:\t0000000000000020\nCapPrm:\t0000000000000021\nCapEff:\t0000000000000021\nCapBnd:\t0000000000040021\nCapAmb:\t0000000000000000"},
		{"ambient as user", changes{status("Cap.*"), user(1000, 1000), caps(func(c *specs.LinuxCapabilities) {
			k := []string{"CAP_NET_BIND_SERVICE"}
			c.Bounding, c.Permitted, c.Effective, c.Inheritable, c.Ambient = append(k, "CAP_KILL"), k, k, k, k
		})},
			"CapInh:\t0000000000000400\nCapPrm:\t0000000000000400\nCapEff:\t0000000000000400\nCapBnd:\t0000000000000420\nCapAmb:\t0000000000000400"},
		{"a user has none", changes{status("CapEff|CapPrm|CapAmb"), user(1000, 1000)},
			"CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapAmb:\t0000000000000000"},
		{"no_new_privs", changes{status("NoNewPrivs")}, "NoNewPrivs:\t1"},
		{"without no_new_privs", changes{status("NoNewPrivs"), func(s *specs.Spec) { s.Process.NoNewPrivileges = false }}, "NoNewPrivs:\t0"},
		{"rlimits", changes{testbundle.Sh("ulimit -Sn; ulimit -Hn; ulimit -Sc; ulimit -Hc"), func(s *specs.Spec) {
			s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 100, Hard: 200}, {Type: "RLIMIT_CORE", Soft: 0, Hard: 1024}}
		}}, "100\n200\n0\n2"},
		{"oomScoreAdj", changes{testbundle.Args("cat", "/proc/self/oom_score_adj"), func(s *specs.Spec) { s.Process.OOMScoreAdj = ptr(321) }}, "321"},
		{"scheduler", changes{testbundle.Args("probe", "sched"), func(s *specs.Spec) {
			s.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedBatch, Nice: 5}
		}}, "policy=3 nice=5 priority=0 ioclass=0 ioprio=0 mempolicy=0 nodes=0"},
		{"ioPriority", changes{testbundle.Args("probe", "sched"), func(s *specs.Spec) {
			s.Process.IOPriority = &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_BE, Priority: 6}
		}}, "policy=0 nice=0 priority=0 ioclass=2 ioprio=6 mempolicy=0 nodes=0"},
		{"memoryPolicy", changes{testbundle.Args("probe", "sched"), func(s *specs.Spec) {
			s.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Nodes: "0"}
		}}, "policy=0 nice=0 priority=0 ioclass=0 ioprio=0 mempolicy=2 nodes=1"},
		{"personality", changes{testbundle.Args("probe", "personality"), func(s *specs.Spec) {
			s.Linux.Personality = &specs.LinuxPersonality{Domain: specs.PerLinux32}
		}}, "0x8"},
		{"LINUX32 says i686", changes{testbundle.Args("uname", "-m"), func(s *specs.Spec) {
			s.Linux.Personality = &specs.LinuxPersonality{Domain: specs.PerLinux32}
		}}, "i686"},
		{"a session of its own", changes{testbundle.Sh("cut -d' ' -f5,6 /proc/self/stat")}, "1 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := testbundle.New(t, c.change...).Run()
			if c.name == "LINUX32 says i686" && strings.TrimSpace(r.Stdout) == "x86_64" && os.Getenv("GOARCH") != "" {
				t.Skip("another architecture")
			}
			r.Prints(t, c.want)
		})
	}
}

func TestRealtimeScheduler(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("probe", "sched"), func(s *specs.Spec) {
		s.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedFIFO, Priority: 7, Flags: []specs.LinuxSchedulerFlag{specs.SchedFlagResetOnFork}}
	})
	r := b.Run()
	if r.Status != 0 && strings.Contains(r.Stderr, "operation not permitted") {
		b.Run().Fails(t, "process.scheduler")
		t.Skip("real-time scheduling is not permitted to minirun here")
	}
	r.Prints(t, "policy=1 nice=0 priority=7 ioclass=0 ioprio=0 mempolicy=0 nodes=0")
}

// A pipe that belongs to another user can be opened as /dev/stdout, also in a user namespace, by a
// user in the pipe's group, and by a root user without capabilities.
func TestStdoutOfUser(t *testing.T) {
	for name, change := range map[string]func(*specs.Spec){
		"user": user(1000, 1000), "group": user(1000, 0), "user namespace": userns, "user in a user namespace": func(s *specs.Spec) { userns(s); user(1000, 1000)(s) },
		"root": func(s *specs.Spec) { s.Process.Capabilities = nil },
	} {
		t.Run(name, func(t *testing.T) {
			b := testbundle.New(t, change, testbundle.Sh("echo text > /dev/stdout; echo $(cat /dev/stdin) > /dev/stderr"))
			b.Stdin = "input"
			r := b.Run()
			r.Prints(t, "text")
			if r.Stderr != "input\n" {
				t.Errorf("standard error: %q", r.Stderr)
			}
			created(t, b)
		})
	}
}

// created checks the same in the way that engines use it: with create and start, and with exec
// --detach.
func created(t *testing.T, b *testbundle.Bundle) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	testbundle.Sh("echo text > /dev/stdout; exec sleep 1000")(b.Spec)
	b.Write()
	pidFile := filepath.Join(b.Host, "pid")
	for _, args := range [][]string{
		{"create", b.ID, b.Dir}, {"start", b.ID}, {"exec", "--detach", "--pid-file", pidFile, b.ID, "sh", "-c", "echo more > /dev/stdout"},
	} {
		cmd := b.Command(args...)
		cmd.Stdout, cmd.Stderr = write, write
		if err := cmd.Run(); err != nil {
			t.Errorf("%s: %v", args[0], err)
		}
	}
	if text, err := os.ReadFile(pidFile); err == nil {
		pid, _ := strconv.Atoi(string(text))
		_, _ = unix.Wait4(pid, nil, 0, nil)
	}
	write.Close()
	b.Minirun("delete", "--force", b.ID).Exit(t, 0)
	testbundle.Reap()
	if text, _ := io.ReadAll(read); string(text) != "text\nmore\n" {
		t.Errorf("the pipe has %q", text)
	}
}

// A cwd that only the process's user may enter.
func TestWorkingDirectoryOfUserAlone(t *testing.T) {
	b := testbundle.New(t, user(1000, 1000), testbundle.Args("pwd"), func(s *specs.Spec) { s.Process.Cwd = "/home/user" })
	if err := os.Chmod(b.Path("/home/user"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(b.Path("/home/user"), 1000, 1000); err != nil {
		t.Fatal(err)
	}
	b.Run().Prints(t, "/home/user")
}

// no_new_privs disables the set-user-ID bit of a file; without it the bit works.
func TestSetUserID(t *testing.T) {
	for _, nnp := range []bool{true, false} {
		b := testbundle.New(t, user(1000, 1000), testbundle.Args("/tmp/busybox", "grep", "^Uid", "/proc/self/status"), func(s *specs.Spec) { s.Process.NoNewPrivileges = nnp })
		testbundle.CopyFile(t, "/bin/busybox", b.Path("/tmp/busybox"), 0o755)
		if err := os.Chmod(b.Path("/tmp/busybox"), 0o755|os.ModeSetuid); err != nil {
			t.Fatal(err)
		}
		want := "0"
		if nnp {
			want = "1000"
		}
		r := b.Run()
		r.Exit(t, 0)
		// busybox drops privileges, but the saved ID shows them.
		if f := strings.Fields(r.Stdout); len(f) != 5 || (f[2] == "0" || f[3] == "0") != (want == "0") {
			t.Errorf("noNewPrivileges %v: %q", nnp, r.Stdout)
		}
	}
}
