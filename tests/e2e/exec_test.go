package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// up starts a container that sleeps, as a target for exec, and returns its first process.
func up(t *testing.T, change ...func(*specs.Spec)) (b *testbundle.Bundle, pid int) {
	t.Helper()
	b = testbundle.New(t, append([]func(*specs.Spec){testbundle.Args("sleep", "1000")}, change...)...)
	pidFile := filepath.Join(b.Host, "pid")
	b.Detach("--pid-file", pidFile).Exit(t, 0)
	t.Cleanup(func() {
		b.Minirun("delete", "--force", b.ID)
		for end := time.Now().Add(5 * time.Second); unix.Kill(pid, 0) == nil && time.Now().Before(end); time.Sleep(time.Millisecond) {
			testbundle.Reap()
		}
		testbundle.Reap()
	})
	text, err := os.ReadFile(pidFile)
	if err == nil {
		pid, err = strconv.Atoi(string(text))
	}
	if err != nil {
		t.Fatal(err)
	}
	return b, pid
}

// in runs exec with flags and a script for the container's shell.
func in(b *testbundle.Bundle, script string, flags ...string) testbundle.Result {
	return b.Minirun(append(append([]string{"exec"}, flags...), b.ID, "sh", "-c", script)...)
}

// A process of exec is in all namespaces and cgroups and has the root directory of the container's
// first process, whichever of these are shared with the host.
func TestExecJoinsAllNamespaces(t *testing.T) {
	cgroupns := with(specs.CgroupNamespace, "")
	timens := func(s *specs.Spec) {
		with(specs.TimeNamespace, "")(s)
		s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"boottime": {Secs: 1000}}
	}
	noMounts := func(s *specs.Spec) {
		without(specs.MountNamespace)(s)
		s.Mounts, s.Linux.MaskedPaths, s.Linux.ReadonlyPaths, s.Root.Readonly = nil, nil, nil, false
	}
	noProc := testbundle.NoMount(func(d string) bool { return d == "/proc" })
	for _, c := range []struct {
		name   string
		change []func(*specs.Spec)
	}{
		{"default", nil},
		{"user namespace", []func(*specs.Spec){userns}},
		{"user, cgroup and time namespace", []func(*specs.Spec){userns, cgroupns, timens}},
		{"user namespace, the host's processes", []func(*specs.Spec){userns, without(specs.PIDNamespace), noProc}},
		{"the host's processes and network", []func(*specs.Spec){without(specs.PIDNamespace), without(specs.NetworkNamespace)}},
		{"time namespace", []func(*specs.Spec){timens}},
		{"user namespace, without privilege", []func(*specs.Spec){userns, user(1000, 1000, 5, 6)}},
		{"the host's mounts", []func(*specs.Spec){noMounts}},
		{"the host's mounts, a user namespace", []func(*specs.Spec){noMounts, userns}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, first := up(t, c.change...)
			pidFile := filepath.Join(b.Host, "exec-pid")
			cmd := b.Command("exec", "-d", "--pid-file", pidFile, b.ID, "sleep", "1000")
			if err := cmd.Run(); err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(pidFile)
			if err != nil {
				t.Fatal(err)
			}
			pid, _ := strconv.Atoi(string(text))
			defer func() { _ = unix.Kill(pid, unix.SIGKILL); reap(pid) }()
			one, other := portrait(t, first), portrait(t, pid)
			if one != other {
				t.Errorf("the first process has\n%s\nthat of exec\n%s", one, other)
			}
		})
	}
}

// portrait returns the properties that make a process part of a container.
func portrait(t *testing.T, pid int) string {
	t.Helper()
	proc := fmt.Sprintf("/proc/%d/", pid)
	var out strings.Builder
	for _, kind := range []string{"user", "mnt", "uts", "ipc", "pid", "net", "cgroup", "time"} {
		fmt.Fprintln(&out, testbundle.Namespace(strconv.Itoa(pid), kind))
	}
	var root unix.Stat_t
	if err := unix.Stat(proc+"root", &root); err != nil {
		t.Fatal(err)
	}
	cgroups, err := os.ReadFile(proc + "cgroup")
	if err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile(proc + "status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		switch name, _, _ := strings.Cut(line, ":"); name {
		case "Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Umask", "SigIgn", "SigBlk":
			out.WriteString(line)
		}
	}
	limits, err := os.ReadFile(proc + "limits")
	if err != nil {
		t.Fatal(err)
	}
	link, _ := os.Readlink(proc + "cwd")
	fmt.Fprintf(&out, "root %d:%d\ncwd %s\n%s%s", root.Dev, root.Ino, link, cgroups, limits)
	return out.String()
}

func TestExecProcess(t *testing.T) {
	b, _ := up(t, func(s *specs.Spec) {
		s.Process.Env = []string{"PATH=/bin", "A=config"}
		s.Process.Cwd = "/tmp"
		s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 100, Hard: 200}}
		s.Process.User.AdditionalGids = []uint32{7}
		s.Process.OOMScoreAdj = ptr(500)
		s.Process.Capabilities.Ambient = []string{"CAP_KILL"} // create warns that it is not raised
	})
	const env = "env | grep -v -E '^(PWD|SHLVL|OLDPWD)=' | sort"
	const privileges = "grep -E '^(CapPrm|CapBnd|CapAmb|NoNewPrivs)' /proc/self/status | tr '\t' ' '"
	for _, c := range []struct {
		name   string
		flags  []string
		script string
		want   string
	}{
		{"the container's own", nil, env + "; pwd; id -u; id -G; ulimit -n; cat /proc/self/oom_score_adj; umask", "A=config\nHOME=/root\nPATH=/bin\n/tmp\n0\n0 7\n100\n500\n0022"},
		{"env", []string{"-e", "A=flag", "-e", "B=1,2", "-e", "C="}, env, "A=flag\nB=1,2\nC=\nHOME=/root\nPATH=/bin"},
		{"HOME", []string{"--env", "HOME=/x"}, "echo $HOME", "/x"},
		{"cwd", []string{"--cwd", "/home/user"}, "pwd", "/home/user"},
		{"user", []string{"--user", "1000"}, "id -u; id -g; echo $HOME", "1000\n0\n/home/user"},
		{"user and group", []string{"-u", "1000:2000", "-g", "8", "-g", "9"}, "id -u; id -G", "1000\n2000 7 8 9"},
		{"capabilities", nil, privileges, "CapPrm: 0000000020000420\nCapBnd: 0000000020000420\nCapAmb: 0000000000000000\nNoNewPrivs: 1"},
		{"cap", []string{"--cap", "CAP_SYS_ADMIN", "--cap", "CAP_NET_RAW"}, privileges, "CapPrm: 0000000020202420\nCapBnd: 0000000020202420\nCapAmb: 0000000000000000\nNoNewPrivs: 1"},
		{"privileges", []string{"--no-new-privs=false", "-u", "1000"}, privileges, "CapPrm: 0000000000000000\nCapBnd: 0000000020000420\nCapAmb: 0000000000000000\nNoNewPrivs: 0"},
		{"a session of its own", nil, "set -- $(cat /proc/$$/stat); [ $1 = $5 ] && [ $1 = $6 ] && echo leader; [ $$ != 1 ] && echo second", "leader\nsecond"},
		{"descriptors", nil, testbundle.ListFDs, "0\n1\n2"},
		{"signals", nil, "grep -E 'SigBlk|SigIgn' /proc/self/status | tr '\t' ' '", "SigBlk: 0000000000000000\nSigIgn: 0000000000000000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := in(b, c.script, c.flags...)
			r.Prints(t, c.want)
			if r.Stderr != "" {
				t.Errorf("exec says %q", r.Stderr)
			}
		})
	}
	t.Run("stdin", func(t *testing.T) {
		b.Stdin = "through"
		defer func() { b.Stdin = "" }()
		in(b, "cat; echo error >&2").Prints(t, "through")
	})
	for script, want := range map[string]int{"exit 0": 0, "exit 42": 42, "kill -9 $$": 137, "kill -15 $$": 143} {
		in(b, script).Exit(t, want)
	}
}

// --process describes the process completely; only capabilities and labels that it does not specify
// are those of the container.
func TestExecProcessFile(t *testing.T) {
	b, _ := up(t, func(s *specs.Spec) {
		s.Process.Env = append(s.Process.Env, "A=config")
		s.Process.Cwd = "/tmp"
	})
	file := filepath.Join(b.Host, "process.json")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"args":["sh","-c","echo $A$B; pwd; id -u; id -G; umask; ulimit -n; grep -E 'CapBnd|NoNew' /proc/self/status | tr '\t' ' '"],
		"cwd":"/home","env":["PATH=/bin","B=file"],"user":{"uid":1000,"gid":1000,"additionalGids":[5],"umask":63},"rlimits":[{"type":"RLIMIT_NOFILE","soft":77,"hard":88}]}`)
	const want = "file\n/home\n1000\n1000 5\n0077\n77\nCapBnd: 0000000020000420\nNoNewPrivs: 0"
	b.Minirun("exec", "--process", file, b.ID).Prints(t, want)
	b.Minirun("exec", "-p", file, b.ID, "true").Fails(t, "--process", "arguments")
	b.Minirun("exec", "-p", file, "--user", "5", b.ID).Fails(t, "--user", file)
	if runtime.NumCPU() > 1 {
		write(`{"args":["/bin/grep","Cpus_allowed_list","/proc/self/status"],"cwd":"/","execCPUAffinity":{"initial":"0","final":"1"}}`)
		b.Minirun("exec", "--process", file, b.ID).Prints(t, "Cpus_allowed_list:\t1")
	}
	for text, words := range map[string][]string{
		`{"args":["true"]}`:                                   {file, "cwd"},
		`{"args":[],"cwd":"/"}`:                               {file, "args"},
		`{"args":["true"],"cwd":"/","env":["x"]}`:             {file, "env[0]"},
		`{"args":["true"],"cwd":"/","user":{"uid":"root"}}`:   {file, "user.uid"},
		`{"args":["/none"],"cwd":"/"}`:                        {`args[0]: cannot execute "/none"`, "no such file or directory"},
		`{"args":["true"],"cwd":"/none"}`:                     {file + ": cwd", "/none", "no such file or directory"},
		`{"args":["true"],"cwd":"/","apparmorProfile":"nil"}`: {"AppArmor"},
		`{`: {file},
	} {
		write(text)
		r := b.Minirun("exec", "--process", file, b.ID)
		r.Exit(t, 255)
		r.Fails(t, words...)
	}
}

func TestExecErrors(t *testing.T) {
	b, pid := up(t, testbundle.Writable)
	b.File("/plain", "text", 0o644)
	b.File("/dos", "#!/bin/sh\r\n", 0o755)
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{b.ID, "nosuch"}, []string{`exec: cannot execute "nosuch"`, "executable file not found in $PATH"}},
		{[]string{b.ID, "/nosuch"}, []string{`exec: cannot execute "/nosuch": no such file or directory`}},
		{[]string{b.ID, "/plain"}, []string{`exec: cannot execute "/plain": it has mode 0644`, "(permission denied)"}},
		{[]string{b.ID, "/tmp"}, []string{`exec: cannot execute "/tmp": is a directory`, "directory"}},
		{[]string{b.ID, "/dos"}, []string{`exec: cannot execute "/dos"`, "carriage return"}},
		{[]string{"--cwd", "/none", b.ID, "true"}, []string{"exec: process.cwd", "/none", "no such file or directory"}},
		{[]string{"--cwd", "tmp", b.ID, "true"}, []string{"cwd", "absolute"}},
		{[]string{"--cwd", "/proc/self/fd", b.ID, "sh", "-c", "cd 3 && exit 1; exit 255"}, nil},
		{[]string{"--user", "user", b.ID, "true"}, []string{"--user", "UID[:GID]"}},
		{[]string{"--user", "1:", b.ID, "true"}, []string{"--user", "UID[:GID]"}},
		{[]string{"-g", "wheel", b.ID, "true"}, []string{"--additional-gids"}},
		{[]string{"-e", "=value", b.ID, "true"}, []string{"--env", "NAME[=VALUE]"}},
		{[]string{"--apparmor", "profile", b.ID, "true"}, []string{"AppArmor"}},
		{[]string{"--process-label", "label", b.ID, "true"}, []string{"SELinux"}},
		{[]string{"--preserve-fds", "-1", b.ID, "true"}, []string{"--preserve-fds"}},
		{[]string{"--cgroup", "../x", b.ID, "true"}, []string{"--cgroup"}},
		{[]string{"--cgroup", "nonsense:x", b.ID, "true"}, []string{"--cgroup", "nonsense"}},
		{[]string{"--cgroup", "none", b.ID, "true"}, []string{"none", "no such file or directory"}},
		{[]string{"-t", b.ID, "true"}, []string{"--tty", "no terminal"}},
		{[]string{"-t", "-d", b.ID, "true"}, []string{"console socket"}},
		{[]string{"--console-socket", "/none", b.ID, "true"}, []string{"console socket"}},
		{[]string{"-t", "-d", "--console-socket", "/none", b.ID, "true"}, []string{"/none", "no such file or directory"}},
		{[]string{"--pid-file", "/none/pid", b.ID, "true"}, []string{"--pid-file"}},
		{[]string{"nobody", "true"}, []string{"container does not exist"}},
		{[]string{b.ID}, []string{"args"}},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			r := b.Minirun(append([]string{"exec"}, c.args...)...)
			r.Exit(t, 255)
			if c.want != nil {
				r.Fails(t, c.want...)
			}
		})
	}
	b.Minirun("exec").Exit(t, 1)
	_ = unix.Kill(pid, unix.SIGKILL)
	awaitStatus(t, b, specs.StateStopped)
	r := in(b, "true")
	r.Exit(t, 255)
	r.Fails(t, "container not running")
}

// Capabilities, IDs and limits in a user namespace.
func TestExecInUserNamespace(t *testing.T) {
	b, _ := up(t, userns, func(s *specs.Spec) {
		s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 100, Hard: 200}}
	})
	in(b, "id -u; id -g; ulimit -n; cat /proc/self/uid_map | tr -s ' '; grep CapPrm /proc/self/status; echo x > /dev/stdout").
		Prints(t, "0\n0\n100\n 0 100000 65536\nCapPrm:\t0000000020000420\nx")
	in(b, "id -u; id -G; echo $HOME", "-u", "1000:5", "-g", "9").Prints(t, "1000\n5 9\n/home/user")
	in(b, "true", "-u", "70000").Fails(t, "user.uid", "linux.uidMappings", "70000")
	in(b, "true", "-g", "70000").Fails(t, "additionalGids", "linux.gidMappings", "70000")
}

// The seccomp filter of config.json applies to exec too, with and without no_new_privs.
func TestExecSeccomp(t *testing.T) {
	for _, noNewPrivs := range []bool{true, false} {
		b, _ := up(t, func(s *specs.Spec) {
			s.Process.NoNewPrivileges = noNewPrivs
			s.Linux.Seccomp = &specs.LinuxSeccomp{
				DefaultAction: specs.ActAllow, Architectures: []specs.Arch{specs.ArchX86_64, specs.ArchAARCH64},
				Syscalls: []specs.LinuxSyscall{{Names: []string{"mkdirat", "mkdir"}, Action: specs.ActErrno, ErrnoRet: ptr(uint(unix.ENOTNAM))}},
			}
		})
		b.Minirun("exec", b.ID, "probe", "mkdir", "/tmp/x").Prints(t, "ENOTNAM")
		in(b, "grep Seccomp: /proc/self/status").Prints(t, "Seccomp:\t2")
	}
}
