package hostile

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/tests/testbundle"
)

// TestInheritedDescriptors: CVE-2024-21626, CVE-2016-9962: descriptors that minirun inherited,
// without close-on-exec, and its own, are closed by the execve.
func TestInheritedDescriptors(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh(testbundle.ListFDs))
	dir, err := os.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	random := func() []*os.File {
		files := make([]*os.File, 1+rand.IntN(900))
		for i := range files {
			if rand.IntN(3) == 0 {
				files[i] = dir
			}
		}
		files[len(files)-1] = dir
		return files
	}
	b.Write()
	for range 10 {
		cmd := b.Command("run", b.ID, b.Dir)
		cmd.ExtraFiles = random()
		testbundle.Finish(t, cmd).Prints(t, "0\n1\n2")
	}
	// With everything that makes minirun open descriptors for the process.
	testbundle.UserNS(b.Spec)
	testbundle.With(specs.TimeNamespace, "")(b.Spec)
	testbundle.With(specs.CgroupNamespace, "")(b.Spec)
	b.Spec.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"boottime": {Secs: 1}}
	testbundle.With(specs.NetworkNamespace, fmt.Sprintf("/proc/%d/ns/net", os.Getpid()))(b.Spec)
	testbundle.AddMount(specs.Mount{Destination: "/mnt", Source: b.Host, Options: []string{"bind", "idmap"}})(b.Spec)
	testbundle.NoMount(func(d string) bool { return d == "/sys" || d == "/sys/fs/cgroup" })(b.Spec)
	b.Run().Prints(t, "0\n1\n2")
	b.Spec.Process.Terminal = true
	b.RunTerminal().Prints(t, "0\n1\n2")

	t.Run("naive", func(t *testing.T) {
		b := testbundle.New(t, testbundle.Sh(testbundle.ListFDs))
		b.Write()
		cmd := b.Command("run", "--preserve-fds=3", b.ID, b.Dir) // the guard is disabled for 3 to 5
		cmd.ExtraFiles = []*os.File{dir, nil, dir}
		testbundle.Finish(t, cmd).Prints(t, "0\n1\n2\n3\n5")
	})
}

// checksum returns the checksum of a binary that a container must not be able to change.
func checksum(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(data))
}

// TestEntryPointIsTheRuntime: CVE-2019-5736, first half: the entry point is a symbolic link to
// /proc/self/exe, or a script that names it as its interpreter, so that the runtime executes itself
// in the container, with libraries of the image.
func TestEntryPointIsTheRuntime(t *testing.T) {
	testbundle.Need(t)
	before := checksum(t, testbundle.Binary)
	b := testbundle.New(t, testbundle.Writable)
	b.File("/script", "#!/proc/self/exe\n", 0o755)
	b.Link("/proc/self/exe", "/link")
	for _, args := range [][]string{{"/proc/self/exe"}, {"/proc/1/exe", "run"}, {"/script"}, {"/link", "x"}, {"/proc/self/exe", "--version"}} {
		b.Spec.Process.Args = args
		r := b.Run()
		if r.Status == 0 || strings.Contains(r.Stdout, "minirun") {
			t.Errorf("%v: the runtime ran in the container: status %d, %q", args, r.Status, r.Stdout)
		}
	}
	if checksum(t, testbundle.Binary) != before {
		t.Error("the runtime's binary has changed")
	}
	t.Run("naive", func(t *testing.T) {
		// What /proc/self/exe would find if the runtime executed itself.
		cmd := exec.Command(testbundle.Binary, "--version")
		cmd.Path = testbundle.Binary
		if out, err := cmd.Output(); err != nil || !strings.Contains(string(out), "minirun") {
			t.Errorf("the runtime itself would not be recognised: %v %s", err, out)
		}
	})
}

// TestPlanImageIsSealed: the target of /proc/PID/exe of a starting container cannot be written,
// grown, shrunk or unsealed.
func TestPlanImageIsSealed(t *testing.T) {
	testbundle.Need(t)
	b := plan.NewBuilder(3)
	b.Add(plan.Op{Name: "end"}, plan.ExitGroup, plan.Int(0))
	f, err := bootstrap.Image(b.Plan())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	seals, err := unix.FcntlInt(f.Fd(), unix.F_GET_SEALS, 0)
	if want := unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE; err != nil || seals&want != want {
		t.Errorf("seals %#x, %v, want %#x", seals, err, want)
	}
	if _, err := f.WriteAt([]byte("x"), 0); err == nil {
		t.Error("the image can be written to")
	}
	if err := f.Truncate(0); err == nil {
		t.Error("the image can be cut off")
	}
	if strings.Contains(readAll(t, f), "minirun/internal") {
		t.Error("the image holds parts of the host's binary")
	}
	t.Run("naive", func(t *testing.T) {
		fd, err := unix.MemfdCreate("unsealed", unix.MFD_ALLOW_SEALING)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		if _, err := unix.Pwrite(fd, []byte("x"), 0); err != nil {
			t.Error("a memfd without seals cannot be written to either:", err)
		}
	})
}

func readAll(t *testing.T, f *os.File) string {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// neighbour starts a container that runs the probe with the words, and returns the PID of its first
// process and a function that waits for its report. Other containers join its PID namespace.
func neighbour(t *testing.T, word []string, change ...func(*specs.Spec)) (pid int, report func() []string) {
	t.Helper()
	change = append(change, testbundle.Args(append([]string{"probe"}, word...)...))
	b := testbundle.New(t, change...)
	b.Write()
	pidFile := filepath.Join(filepath.Dir(b.Dir), "pid")
	cmd := b.Command("run", "--pid-file", pidFile, b.ID, b.Dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	b.Start(cmd)
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "ready" {
		t.Fatalf("the neighbour says %q", lines.Text())
	}
	text, err := os.ReadFile(pidFile)
	if err == nil {
		_, err = fmt.Sscan(string(text), &pid)
	}
	if err != nil {
		t.Fatal(err)
	}
	return pid, func() (all []string) {
		for lines.Scan() {
			all = append(all, lines.Text())
		}
		_ = cmd.Wait()
		sort.Strings(all)
		return all
	}
}

// TestOverwriteFromNeighbour: CVE-2019-5736, second half: a process in a container opens
// /proc/PID/exe of a runtime process that enters its PID namespace and writes to it after that
// process has exited.
func TestOverwriteFromNeighbour(t *testing.T) {
	const sealed = "/memfd:minirun-plan (deleted)"
	testbundle.Need(t)
	before := checksum(t, testbundle.Binary)
	pid, report := neighbour(t, []string{"overwrite", "4", testbundle.Binary, sealed}, everything)
	joining := testbundle.New(t, testbundle.Args("true"), testbundle.With(specs.PIDNamespace, fmt.Sprintf("/proc/%d/ns/pid", pid)))
	runs := 0
	for ; runs < 40; runs++ {
		// The neighbour ends after four seconds, in which a slow machine may complete fewer runs.
		if r := joining.Run(); r.Status != 0 {
			if _, err := os.Stat(fmt.Sprintf("/proc/%d/ns/pid", pid)); err == nil || runs < 5 {
				r.Exit(t, 0)
			}
			break
		}
	}
	said := report()
	for _, line := range said {
		if strings.HasPrefix(line, "overwrote") {
			t.Error(line)
		}
	}
	if !slices.Contains(said, "opened "+sealed) {
		t.Errorf("the neighbour never got hold of a starting container, so nothing is shown: %q", said)
	}
	if checksum(t, testbundle.Binary) != before {
		t.Error("the runtime's binary has changed")
	}
	t.Run("naive", func(t *testing.T) {
		// A program of the host that enters the namespace directly.
		victim := filepath.Join(t.TempDir(), "busybox") // it selects the applet by its name
		testbundle.CopyFile(t, "/bin/busybox", victim, 0o755)
		before := checksum(t, victim)
		helper, err := exec.LookPath("nsenter")
		if err != nil {
			t.Skip("needs nsenter of util-linux: ", err)
		}
		untouched := checksum(t, helper)
		pid, report := neighbour(t, []string{"overwrite", "3", victim}, everything)
		if out, err := exec.Command(helper, "-p", "-t", fmt.Sprint(pid), victim, "sleep", "1").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		said := report()
		if checksum(t, helper) != untouched {
			t.Error("a program of the host was overwritten: ", helper)
		}
		if checksum(t, victim) == before {
			t.Errorf("the unguarded way does not overwrite the program: %q", said)
		}
	})
}

// everything gives the container all privileges that minirun itself has.
func everything(s *specs.Spec) {
	text, _ := os.ReadFile("/proc/self/status")
	var own uint64
	_, rest, _ := strings.Cut(string(text), "CapPrm:\t")
	_, _ = fmt.Sscanf(rest, "%x", &own)
	var names []string
	for n, name := range testbundle.CapNames {
		if own&(1<<n) != 0 {
			names = append(names, name)
		}
	}
	testbundle.Can(names...)(s)
}

// TestSpyFromNeighbour: CVE-2016-9962: while a process enters a shared PID namespace, processes
// inside trace it, or examine its descriptors and its root.
func TestSpyFromNeighbour(t *testing.T) {
	run := func(t *testing.T, change ...func(*specs.Spec)) []string {
		t.Helper()
		pid, report := neighbour(t, []string{"spy", "4"}, change...)
		joining := testbundle.New(t, testbundle.Args("true"), testbundle.With(specs.PIDNamespace, fmt.Sprintf("/proc/%d/ns/pid", pid)))
		// A slow hook keeps the process in the state in which it has dropped its privileges and has
		// not executed the program yet.
		joining.Spec.Hooks = &specs.Hooks{StartContainer: []specs.Hook{{Path: "/bin/sleep", Args: []string{"sleep", "0.1"}}}}
		for range 10 {
			_ = joining.Run() // killed with the neighbour's PID namespace, if it arrives too late
		}
		return report()
	}
	said := run(t)
	if !slices.Contains(said, "seen") {
		t.Skipf("the neighbour never saw a process on its way in, so nothing is shown: %q", said)
	}
	if len(said) > 1 {
		t.Errorf("a neighbour without CAP_SYS_PTRACE got at a process on its way in: %q", said)
	}
	t.Run("naive", func(t *testing.T) {
		// With all of minirun's privileges, nothing is hidden; this proves that the spy works.
		if said := run(t, everything); len(said) < 2 {
			t.Errorf("the spy sees nothing even with every capability: %q", said)
		}
	})
}

// TestInheritableCapabilities: CVE-2022-24769, CVE-2022-27650, CVE-2022-29162, CVE-2025-27612: a
// process has inheritable or ambient capabilities that are not in config.json, also when minirun was
// started with them.
func TestInheritableCapabilities(t *testing.T) {
	show := testbundle.Args("grep", "-E", "^Cap(Inh|Amb)", "/proc/self/status")
	none := "CapInh:\t0000000000000000\nCapAmb:\t0000000000000000"
	b := testbundle.New(t, show)
	b.Run().Prints(t, none)
	cmd := b.Command("run", b.ID, b.Dir)
	cmd.Path, cmd.Args = "/usr/bin/setpriv", append([]string{"setpriv", "--inh-caps", "+chown,+net_admin", "--ambient-caps", "+chown,+net_admin"}, cmd.Args...)
	if _, err := os.Stat(cmd.Path); err != nil {
		t.Skip("needs setpriv of util-linux: ", err)
	}
	testbundle.Finish(t, cmd).Prints(t, none)
	// As a user, too: ambient capabilities would survive the change.
	testbundle.User(1000, 1000)(b.Spec)
	b.Run().Prints(t, none)
	t.Run("naive", func(t *testing.T) {
		b := testbundle.New(t, show, testbundle.Caps(func(c *specs.LinuxCapabilities) {
			c.Bounding, c.Inheritable = []string{"CAP_CHOWN"}, []string{"CAP_CHOWN"}
		}))
		b.Run().Prints(t, "CapInh:\t0000000000000001\nCapAmb:\t0000000000000000")
	})
}

// TestUmaskUnderAFilter: the seccomp profile makes umask(2) succeed without being executed, and the
// program starts with the umask 0 of the set-up.
func TestUmaskUnderAFilter(t *testing.T) {
	errno := uint(0)
	filter := func(s *specs.Spec) {
		s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{
			{Names: []string{"umask"}, Action: specs.ActErrno, ErrnoRet: &errno},
		}}
	}
	umask := uint32(0o027)
	for name, change := range map[string]func(*specs.Spec){
		"default":           func(*specs.Spec) {},
		"no new privileges": func(s *specs.Spec) { s.Process.NoNewPrivileges = true },
		"user namespace":    testbundle.UserNS,
	} {
		t.Run(name, func(t *testing.T) {
			noNew := func(s *specs.Spec) { s.Process.NoNewPrivileges = false }
			b := testbundle.New(t, noNew, change, filter, testbundle.Sh("> /dev/shm/file; stat -c %a /dev/shm/file"))
			b.Run().Prints(t, "644")
			b.Spec.Process.User.Umask = &umask
			b.Run().Prints(t, "640")
			b.Spec.Process.Args = []string{"sh", "-c", "echo up; exec sleep 1000"}
			_, stop := b.Background(t)
			defer stop()
			b.Minirun("exec", b.ID, "sh", "-c", "> /dev/shm/exec; stat -c %a /dev/shm/exec").Prints(t, "640")
		})
	}
	t.Run("naive", func(t *testing.T) {
		none := uint32(0)
		b := testbundle.New(t, testbundle.Sh("> /dev/shm/file; stat -c %a /dev/shm/file"))
		b.Spec.Process.User.Umask = &none
		b.Run().Prints(t, "666")
	})
}

// TestIdentityUnderAFilter: the same for the calls that drop IDs, groups and capabilities of the
// process: an image's USER would run as root.
func TestIdentityUnderAFilter(t *testing.T) {
	errno := uint(0)
	filter := func(s *specs.Spec) {
		s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{
			{Names: []string{"setgroups", "setresgid", "setresuid", "capset", "prctl", "umask"}, Action: specs.ActErrno, ErrnoRet: &errno},
		}}
	}
	show := []string{"grep", "-E", "^(Uid|Gid|Groups|Cap.*|Seccomp):", "/proc/self/status"}
	for name, change := range map[string]func(*specs.Spec){
		"user":              testbundle.User(1000, 1001, 1002),
		"root":              func(*specs.Spec) {},
		"no new privileges": func(s *specs.Spec) { testbundle.User(1000, 1001, 1002)(s); s.Process.NoNewPrivileges = true },
		"user namespace":    func(s *specs.Spec) { testbundle.UserNS(s); testbundle.User(1000, 1001, 1002)(s) },
	} {
		t.Run(name, func(t *testing.T) {
			noNew := func(s *specs.Spec) { s.Process.NoNewPrivileges = false }
			b := testbundle.New(t, noNew, change, testbundle.Args(show...))
			want := b.Run() // without the filter
			want.Exit(t, 0)
			filtered := strings.Replace(want.Stdout, "Seccomp:\t0", "Seccomp:\t2", 1)
			filter(b.Spec)
			b.Run().Prints(t, strings.TrimSuffix(filtered, "\n"))
			b.Spec.Process.Args = []string{"sh", "-c", "echo up; exec sleep 1000"}
			_, stop := b.Background(t)
			defer stop()
			b.Minirun(append([]string{"exec", b.ID}, show...)...).Prints(t, strings.TrimSuffix(filtered, "\n"))
		})
	}
}

// TestChrootEscape: a process that may call chroot keeps a directory open, changes its root to a
// directory below it, and walks up past the container's root.
func TestChrootEscape(t *testing.T) {
	secret := func(b *testbundle.Bundle) string {
		path := filepath.Join(filepath.Dir(b.Host), "secret")
		if err := os.WriteFile(path, []byte("of the host"), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, flags := range [][]string{nil, {"--no-pivot"}, {"--ephemeral"}, {"--no-pivot", "--ephemeral"}} {
		b := testbundle.New(t, testbundle.Can("CAP_SYS_CHROOT"), testbundle.Writable)
		b.Spec.Process.Args = []string{"probe", "walkout", secret(b)}
		b.Run(flags...).Prints(t, "inside")
	}
	t.Run("naive", func(t *testing.T) {
		// Without a mount namespace only chroot(2) confines it.
		b := testbundle.New(t, testbundle.Can("CAP_SYS_CHROOT"), testbundle.Writable, testbundle.Without(specs.MountNamespace), func(s *specs.Spec) {
			s.Mounts, s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = nil, nil, nil
		})
		b.Spec.Process.Args = []string{"probe", "walkout", secret(b)}
		b.Run().Prints(t, "outside: of the host")
	})
}

// TestNoPivotHidesHostProc: with --no-pivot the old root stays mounted below the new one; a process
// that unmounts the new root must not find the host's /proc and /sys there.
func TestNoPivotHidesHostProc(t *testing.T) {
	host := func(b *testbundle.Bundle, flags ...string) string {
		pid, stop := b.Background(t, flags...)
		defer stop()
		var found []string
		for _, m := range testbundle.Mounts(fmt.Sprint(pid)) {
			if strings.HasPrefix(m, "proc ") || strings.HasPrefix(m, "sysfs ") {
				found = append(found, m)
			}
		}
		return strings.Join(found, "\n")
	}
	up := testbundle.Sh("echo up; exec sleep 1000")
	bare := testbundle.NoMount(func(d string) bool { return d == "/proc" || strings.HasPrefix(d, "/sys") })
	noMasks := func(s *specs.Spec) { s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = nil, nil }
	for _, change := range []func(*specs.Spec){func(*specs.Spec) {}, testbundle.UserNS} {
		b := testbundle.New(t, up, bare, noMasks, change)
		if found := host(b, "--no-pivot"); found != "" {
			// In a user namespace the mounts cannot be unmounted, only hidden.
			pid, stop := b.Background(t, "--no-pivot")
			covered := coveredBy(t, pid)
			stop()
			if !covered {
				t.Errorf("the host's file systems are still there:\n%s", found)
			}
		}
	}
	t.Run("naive", func(t *testing.T) {
		b := testbundle.New(t, up, noMasks) // a /proc and /sys that may be visible
		if found := host(b, "--no-pivot"); found == "" {
			t.Error("the check sees no proc at all")
		}
	})
}

// coveredBy reports whether the mounts of proc and sysfs in the old root are hidden by another mount.
func coveredBy(t *testing.T, pid int) bool {
	t.Helper()
	last := map[string]string{}
	for _, m := range testbundle.Mounts(fmt.Sprint(pid)) {
		f := strings.Fields(strings.SplitN(m, " on ", 2)[1])
		last[f[0]] = strings.Fields(m)[0]
	}
	return last["/proc"] == "tmpfs" && last["/sys"] == "tmpfs"
}

// TestDeviceNodesOfTheImage: a device node in the image, under any name or as a hard link, refers to
// the host's disk; the device cgroup denies access to it.
func TestDeviceNodesOfTheImage(t *testing.T) {
	var st unix.Stat_t
	if err := unix.Stat("/", &st); err != nil {
		t.Fatal(err)
	}
	b := testbundle.New(t, testbundle.Sh("probe openro /disk; probe openro /linked; probe openro /mem; probe mknod /tmp/d 1 1; probe openro /tmp/d"),
		testbundle.Can("CAP_MKNOD", "CAP_SYS_RAWIO", "CAP_DAC_OVERRIDE"), testbundle.Writable)
	make := func(b *testbundle.Bundle) {
		for name, mode := range map[string]uint32{"/disk": unix.S_IFBLK, "/mem": unix.S_IFCHR} {
			dev := int(st.Dev)
			if mode == unix.S_IFCHR {
				dev = int(unix.Mkdev(1, 11)) // kmsg: opening it does no harm
			}
			if err := unix.Mknod(b.Path(name), mode|0o666, dev); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Link(b.Path("/disk"), b.Path("/linked")); err != nil {
			t.Fatal(err)
		}
	}
	make(b)
	r := b.Run()
	r.Exit(t, 0)
	if f := strings.Fields(r.Stdout); len(f) != 5 || f[0] != "EPERM" || f[1] != "EPERM" || f[2] != "EPERM" || f[4] == "OK" {
		t.Errorf("opening the disk, its link, a character device, making one, opening it: %v", f)
	}
	t.Run("naive", func(t *testing.T) {
		b := testbundle.New(t, testbundle.Sh("probe openro /mem"), testbundle.Can("CAP_SYSLOG", "CAP_DAC_OVERRIDE"), func(s *specs.Spec) {
			s.Linux.Resources.Devices = []specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}}
		})
		make(b)
		b.Run().Prints(t, "OK")
	})
}

// TestKeyring: the container gets a new session keyring, so that it cannot reach the keys of the user
// who started minirun.
func TestKeyring(t *testing.T) {
	testbundle.Need(t)
	// The session keyring belongs to the thread, and minirun inherits it; the thread ends with the test.
	runtime.LockOSThread()
	if _, err := unix.KeyctlJoinSessionKeyring("minirun-test"); err != nil {
		t.Skip("no session keyring can be made here: ", err)
	}
	if _, err := unix.AddKey("user", "minirun-secret", []byte("secret"), unix.KEY_SPEC_SESSION_KEYRING); err != nil {
		t.Skip("no key can be made here: ", err)
	}
	b := testbundle.New(t, testbundle.Sh("probe key minirun-secret; probe session"))
	r := b.Run()
	r.Exit(t, 0)
	if lines := strings.Fields(r.Stdout); len(lines) != 2 || lines[0] != "ENOKEY" || !strings.Contains(lines[1], "_ses."+b.ID) {
		t.Errorf("inside: %q", lines)
	}
	t.Run("naive", func(t *testing.T) {
		// A subtest runs in a different goroutine, on a different thread.
		runtime.LockOSThread()
		if _, err := unix.KeyctlJoinSessionKeyring("minirun-test"); err != nil {
			t.Fatal(err)
		}
		if _, err := unix.AddKey("user", "minirun-secret", []byte("secret"), unix.KEY_SPEC_SESSION_KEYRING); err != nil {
			t.Fatal(err)
		}
		b := testbundle.New(t, testbundle.Sh("probe key minirun-secret"))
		b.Run("--no-new-keyring").Prints(t, "OK")
	})
}

// TestFileHandle: open_by_handle_at(2) opens files on the host's disk regardless of mounts
// ("shocker"); it needs CAP_DAC_READ_SEARCH, which containers do not have.
func TestFileHandle(t *testing.T) {
	testbundle.New(t, testbundle.Sh("probe handle /etc/passwd 2")).Run().Prints(t, "EPERM")
	t.Run("naive", func(t *testing.T) {
		r := testbundle.New(t, testbundle.Sh("probe handle /etc/passwd 2"), testbundle.Can("CAP_DAC_READ_SEARCH")).Run()
		if strings.TrimSpace(r.Stdout) == "EPERM" {
			t.Error("with the capability the answer is the same")
		}
	})
}

// TestRootfsIsNotWrittenTo: CVE-2025-24965: the runtime writes a file to the root file system,
// through a symbolic link in the image. minirun creates mountpoints and devices, and nothing else.
func TestRootfsIsNotWrittenTo(t *testing.T) {
	b := testbundle.New(t)
	files := func() (list []string) {
		_ = filepath.Walk(b.Path("/"), func(path string, info os.FileInfo, err error) error {
			if err == nil {
				list = append(list, fmt.Sprint(path, info.Mode(), info.ModTime()))
			}
			return nil
		})
		return list
	}
	b.Run().Exit(t, 0) // creates mountpoints
	before := files()
	b.Run().Exit(t, 0)
	if after := files(); strings.Join(after, "\n") != strings.Join(before, "\n") {
		t.Errorf("the root file system has changed:\n%s\nwas\n%s", strings.Join(after, "\n"), strings.Join(before, "\n"))
	}
	t.Run("naive", func(t *testing.T) {
		b.Link(b.Host, "/link")
		naively(t, b, `echo {} > "$ROOT/link/.krun_config.json"`)
	})
}
