package e2e

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

var kinds = []struct {
	spec specs.LinuxNamespaceType
	proc string
	flag uintptr
}{
	{specs.PIDNamespace, "pid", unix.CLONE_NEWPID}, {specs.NetworkNamespace, "net", unix.CLONE_NEWNET},
	{specs.IPCNamespace, "ipc", unix.CLONE_NEWIPC}, {specs.UTSNamespace, "uts", unix.CLONE_NEWUTS},
	{specs.MountNamespace, "mnt", unix.CLONE_NEWNS}, {specs.UserNamespace, "user", unix.CLONE_NEWUSER},
	{specs.CgroupNamespace, "cgroup", unix.CLONE_NEWCGROUP}, {specs.TimeNamespace, "time", unix.CLONE_NEWTIME},
}

const showNamespaces = "for n in pid net ipc uts mnt user cgroup time; do readlink /proc/self/ns/$n; done"

// A namespace of each kind is new if and only if config.json requests it, and a time namespace is
// also entered, not only created.
func TestNamespacesAreNewOnlyOnRequest(t *testing.T) {
	host := map[string]string{}
	for _, k := range kinds {
		host[k.proc] = testbundle.Namespace("self", k.proc)
	}
	all := func(s *specs.Spec) {
		for _, k := range kinds {
			with(k.spec, "")(s)
		}
		maps(s)
	}
	for _, c := range []struct {
		name   string
		change func(*specs.Spec)
		own    string
	}{
		{"default", func(*specs.Spec) {}, "pid net ipc uts mnt"},
		{"all", all, "pid net ipc uts mnt user cgroup time"},
		{"user", userns, "pid net ipc uts mnt user"},
		{"cgroup", with(specs.CgroupNamespace, ""), "pid net ipc uts mnt cgroup"},
		{"time", with(specs.TimeNamespace, ""), "pid net ipc uts mnt time"},
		{"no pid", without(specs.PIDNamespace), "net ipc uts mnt"},
		{"no net", without(specs.NetworkNamespace), "pid ipc uts mnt"},
		{"no ipc", func(s *specs.Spec) {
			without(specs.IPCNamespace)(s)
		}, "pid net uts mnt"},
		{"no uts", func(s *specs.Spec) { without(specs.UTSNamespace)(s); s.Hostname = "" }, "pid net ipc mnt"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := testbundle.New(t, testbundle.Sh(showNamespaces), c.change).Run()
			r.Exit(t, 0)
			for i, line := range strings.Fields(r.Stdout) {
				kind := kinds[i].proc
				if !strings.HasPrefix(line, map[bool]string{true: kind + ":", false: kind}[kind != "mnt"]) {
					t.Fatalf("line %d is %q", i, line)
				}
				wantOwn := strings.Contains(" "+c.own+" ", " "+kindName(kind)+" ")
				if own := line != host[kind]; own != wantOwn {
					t.Errorf("%s: own %v, want %v (%s)", kind, own, wantOwn, line)
				}
			}
		})
	}
}

func kindName(proc string) string { return proc }

// The host's names do not change.
func TestHostnameOfHostIsUnchanged(t *testing.T) {
	before, _ := os.Hostname()
	b := testbundle.New(t, testbundle.Sh("hostname; cat /proc/sys/kernel/domainname"), func(s *specs.Spec) {
		s.Hostname, s.Domainname = "inside", "example.org"
	})
	b.Run().Prints(t, "inside\nexample.org")
	if after, _ := os.Hostname(); after != before {
		t.Errorf("the host's name was %q and is %q", before, after)
	}
}

func TestLoopbackIsUp(t *testing.T) {
	testbundle.New(t, testbundle.Sh("ip -o addr show lo | grep -o 127.0.0.1/8; ip link show lo | grep -o LOOPBACK,UP")).Run().
		Prints(t, "127.0.0.1/8\nLOOPBACK,UP")
}

func TestSysctl(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax /proc/sys/net/ipv4/conf/lo/log_martians"), func(s *specs.Spec) {
		s.Linux.Sysctl = map[string]string{"net.ipv4.ip_forward": "1", "kernel.msgmax": "12345", "net/ipv4/conf/lo/log_martians": "1"}
	})
	before, _ := os.ReadFile("/proc/sys/kernel/msgmax")
	b.Run().Prints(t, "1\n12345\n1")
	if after, _ := os.ReadFile("/proc/sys/kernel/msgmax"); string(after) != string(before) {
		t.Errorf("the host's kernel.msgmax was %s and is %s", before, after)
	}
	b.Spec.Linux.Sysctl = map[string]string{"net.ipv4.no_such_thing": "1"}
	b.Run().Fails(t, `linux.sysctl["net.ipv4.no_such_thing"]`, "no such file")
	b.Spec.Linux.Sysctl = map[string]string{"kernel.panic": "1"}
	b.Run().Fails(t, `linux.sysctl["kernel.panic"]`)
}

// TestSysctlByNamespace: a parameter belongs to the namespace in which it is set, and only parameters
// of the container's namespaces may be changed.
func TestSysctlByNamespace(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("cat /proc/sys/user/max_user_namespaces"), userns)
	b.Spec.Linux.Sysctl = map[string]string{"user.max_user_namespaces": "5"}
	before, _ := os.ReadFile("/proc/sys/user/max_user_namespaces")
	b.Run().Prints(t, "5")
	if after, _ := os.ReadFile("/proc/sys/user/max_user_namespaces"); string(after) != string(before) {
		t.Errorf("the host's user.max_user_namespaces was %s and is %s", before, after)
	}

	for _, c := range []struct{ name, key, domainname, network, want string }{
		{"without a user namespace", "user.max_user_namespaces", "", "", "needs a user namespace"},
		{"two domain names", "kernel.domainname", "example.org", "", "together with domainname"},
		{"the host's network namespace by path", "net.ipv4.ip_forward", "", "/proc/self/ns/net", "is the host's"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := testbundle.New(t, testbundle.Args("true"), func(s *specs.Spec) {
				s.Linux.Sysctl, s.Domainname = map[string]string{c.key: "1"}, c.domainname
			})
			if c.network != "" {
				with(specs.NetworkNamespace, c.network)(b.Spec)
			}
			b.Run().Fails(t, `config.json: linux.sysctl["`+c.key+`"]: `, c.want)
		})
	}
}

func TestTimeOffsets(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("probe", "clocks"), with(specs.TimeNamespace, ""), func(s *specs.Spec) {
		s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"monotonic": {Secs: 1000000}, "boottime": {Secs: 2000000, Nanosecs: 5}}
	})
	r := b.Run()
	r.Exit(t, 0)
	var mono, boot int64
	if _, err := fmt.Sscan(r.Stdout, &mono, &boot); err != nil {
		t.Fatal(err)
	}
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts)
	for _, d := range []int64{mono - ts.Sec - 1000000, boot - ts.Sec - 2000000} {
		if d < -30 || d > 30 {
			t.Errorf("monotonic %d, boottime %d, host's boottime %d", mono, boot, ts.Sec)
		}
	}
}

// The ID mappings apply to the process and to the files that it creates.
func TestUserNamespace(t *testing.T) {
	b := testbundle.New(t, userns, testbundle.Sh("cat /proc/self/uid_map /proc/self/gid_map; id -u; id -g; touch /tmp/made; stat -c %u:%g /tmp/made /bin/busybox"), testbundle.Writable)
	r := b.Run()
	r.Exit(t, 0)
	if got := strings.Join(strings.Fields(r.Stdout), " "); got != "0 100000 65536 0 200000 65536 0 0 0:0 65534:65534" {
		t.Errorf("inside: %s", got)
	}
	info, err := os.Stat(b.Path("/tmp/made"))
	if err != nil {
		t.Fatal(err)
	}
	if st := info.Sys().(*syscall.Stat_t); st.Uid != 100000 || st.Gid != 200000 {
		t.Errorf("on the host the file is %d:%d's", st.Uid, st.Gid)
	}
}

func TestUserNamespaceUser(t *testing.T) {
	b := testbundle.New(t, userns, user(1000, 1000, 5), testbundle.Sh("id -u; id -g; id -G; echo $HOME"))
	b.Run().Prints(t, "1000\n1000\n1000 5\n/home/user")
}

// A bundle below directories that the mapped root may not search.
func TestUserNamespaceInPrivateDirectory(t *testing.T) {
	b := testbundle.New(t, userns, testbundle.Sh("echo in"))
	if err := os.Chmod(b.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	b.Run().Prints(t, "in")
}

// A holder is a process in new namespaces that a container can join by path.
func holder(t *testing.T, flags uintptr) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(testbundle.Probe, "hold", "0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags, Pdeathsig: unix.SIGKILL}
	if flags&unix.CLONE_NEWUSER != 0 {
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: 300000, Size: 65536}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: 300000, Size: 65536}}
		cmd.SysProcAttr.GidMappingsEnableSetgroups = true
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	bufio.NewScanner(out).Scan() // wait until it is running
	return cmd
}

func TestJoinByPath(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.proc, func(t *testing.T) {
			testbundle.Need(t)
			b := testbundle.New(t, testbundle.Sh(showNamespaces))
			flags := k.flag
			if k.flag == unix.CLONE_NEWTIME {
				t.Skip("Go's ForkExec makes no time namespace: see TestJoinTime")
			}
			h := strconv.Itoa(holder(t, flags).Process.Pid)
			with(k.spec, "/proc/"+h+"/ns/"+k.proc)(b.Spec)
			if k.spec == specs.UTSNamespace {
				b.Spec.Hostname = ""
			}
			r := b.Run()
			r.Exit(t, 0)
			if want := testbundle.Namespace(h, k.proc); !strings.Contains(r.Stdout, want) {
				t.Errorf("the holder's is %s, the container's are\n%s", want, r.Stdout)
			}
		})
	}
}

// The container joins all namespaces of another one, as in a pod.
func TestJoinAllNamespacesOfAnotherContainer(t *testing.T) {
	first := testbundle.New(t, userns, testbundle.Sh("echo up; exec sleep 1000"), func(s *specs.Spec) { s.Hostname = "pod" })
	pid, _ := first.Background(t)
	second := testbundle.New(t, testbundle.Sh("hostname; cat /proc/self/uid_map; ps | grep -c 'sleep 100[0]'"), func(s *specs.Spec) { s.Hostname = "" })
	for _, k := range kinds {
		if k.proc != "mnt" && k.proc != "cgroup" && k.proc != "time" {
			with(k.spec, fmt.Sprintf("/proc/%d/ns/%s", pid, k.proc))(second.Spec)
		}
	}
	r := second.Run()
	r.Exit(t, 0)
	if got := strings.Join(strings.Fields(r.Stdout), " "); got != "pod 0 100000 65536 1" {
		t.Errorf("inside: %s", got)
	}
}

func TestJoinTime(t *testing.T) {
	first := testbundle.New(t, testbundle.Sh("echo up; exec sleep 1000"), with(specs.TimeNamespace, ""), func(s *specs.Spec) {
		s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"monotonic": {Secs: 5000000}}
	})
	pid, _ := first.Background(t)
	second := testbundle.New(t, testbundle.Args("probe", "clocks"), with(specs.TimeNamespace, fmt.Sprintf("/proc/%d/ns/time", pid)))
	r := second.Run()
	r.Exit(t, 0)
	var mono int64
	if _, _ = fmt.Sscan(r.Stdout, &mono); mono < 5000000 {
		t.Errorf("monotonic clock %d, want the first container's offset of 5000000 s", mono)
	}
}

func TestJoinErrors(t *testing.T) {
	b := testbundle.New(t)
	for _, c := range []struct{ name, path, want string }{
		{"missing", "/proc/self/ns/nonesuch", "no such file"},
		{"no namespace", "/etc/passwd", "not a namespace"},
		{"another kind", "/proc/self/ns/net", "different kind"},
		{"a directory", "/proc", "not a namespace"},
	} {
		t.Run(c.name, func(t *testing.T) {
			without(specs.IPCNamespace)(b.Spec)
			with(specs.IPCNamespace, c.path)(b.Spec)
			b.Run().Fails(t, "config.json: linux.namespaces[", c.path, c.want)
		})
	}
}

// The root of the cgroup namespace is the container's cgroup.
func TestCgroupNamespaceRoot(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("grep -e :pids: -e ^0:: /proc/self/cgroup"), with(specs.CgroupNamespace, ""))
	r := b.Run()
	r.Exit(t, 0)
	want := ":pids:/\n"
	if onV2(t) {
		want = "0::/\n"
	}
	if !strings.Contains(r.Stdout, want) {
		t.Errorf("/proc/self/cgroup says %q", r.Stdout)
	}
}
