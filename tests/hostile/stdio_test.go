package hostile

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// ordinary makes the container's process an unprivileged user.
func ordinary(s *specs.Spec) { s.Process.User = specs.User{UID: 65534, GID: 65534} }

// mapped gives the container a user namespace.
func mapped(s *specs.Spec) {
	s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	ids := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 65536}}
	s.Linux.UIDMappings, s.Linux.GIDMappings = ids, ids
}

// privateNull mounts a device created by the test on /dev/null, which a runtime may damage, and
// returns a function that returns its inode's state.
func privateNull(t *testing.T) (state func() string) {
	t.Helper()
	node := filepath.Join(t.TempDir(), "null")
	if err := unix.Mknod(node, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))); err != nil {
		t.Skip("needs a device node: ", err)
	}
	if err := os.Chmod(node, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(node, os.DevNull, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(os.DevNull, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return func() string {
		var st unix.Stat_t
		if err := unix.Stat(node, &st); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("mode %o, owner %d:%d", st.Mode, st.Uid, st.Gid)
	}
}

// ownerOf returns the owner of an open file, and its permissions, except for a pipe, which has no
// name through which they could be used.
func ownerOf(t *testing.T, f *os.File) string {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &fs); err == nil && fs.Type == unix.PIPEFS_MAGIC {
		st.Mode = 0
	}
	return fmt.Sprintf("mode %o, owner %d:%d", st.Mode, st.Uid, st.Gid)
}

// handedIn returns a file of each type that a caller may pass as a standard descriptor.
func handedIn(t *testing.T, dir string) map[string]*os.File {
	t.Helper()
	file := func(name string, flags int) *os.File {
		f, err := os.OpenFile(filepath.Join(dir, name), flags, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { read.Close(); write.Close() })
	if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mknod(filepath.Join(dir, "zero"), unix.S_IFCHR|0o600, int(unix.Mkdev(1, 5))); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	socket, other := os.NewFile(uintptr(pair[0]), "socket"), os.NewFile(uintptr(pair[1]), "other end")
	t.Cleanup(func() { socket.Close(); other.Close() })
	return map[string]*os.File{
		"secret": file("secret", os.O_RDWR|os.O_CREATE), "log": file("log", os.O_WRONLY|os.O_CREATE|os.O_APPEND), "device": file("zero", os.O_RDWR),
		"FIFO": file("fifo", os.O_RDWR), "pipe to read": read, "pipe to write": write, "socket": socket, "terminal": testbundle.NewPty(t).Slave,
	}
}

// TestStandardDescriptorsKeepTheirOwner: the caller's standard input, output and error keep their
// owner. If they were given to the container's user, every process of that user, on the host as well,
// could open root's terminal or a private file.
func TestStandardDescriptorsKeepTheirOwner(t *testing.T) {
	null := privateNull(t)
	before := null()
	for name, change := range map[string]func(*specs.Spec){"user": ordinary, "user namespace": mapped, "user in a user namespace": func(s *specs.Spec) { ordinary(s); mapped(s) }} {
		t.Run(name, func(t *testing.T) {
			b := testbundle.New(t, change)
			b.Write()
			runs := map[string][]string{"run": {"run", b.ID, b.Dir}, "run detached": {"run", "--detach", b.ID, b.Dir}, "create": {"create", b.ID, b.Dir}}
			for kind, f := range handedIn(t, filepath.Dir(b.Host)) {
				want := ownerOf(t, f)
				for verb, args := range runs {
					use(b.Command(args...), f)
					b.Minirun("delete", "--force", b.ID)
					if got := ownerOf(t, f); got != want {
						t.Errorf("%s: a %s as standard descriptor had %s, and has %s", verb, kind, want, got)
						_ = f.Chown(0, 0)
					}
				}
			}
			testbundle.Reap()
		})
	}
	if after := null(); after != before {
		t.Errorf("/dev/null had %s, and has %s", before, after)
	}
}

// use runs a command with f as all its standard descriptors.
func use(cmd *exec.Cmd, f *os.File) {
	cmd.Stdin, cmd.Stdout, cmd.Stderr = f, f, f
	_ = cmd.Run() // some descriptors are useless to it: only their final state matters
}

// TestExecKeepsOwner: the same for a process of exec.
func TestExecKeepsOwner(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("echo up; exec sleep 1000"))
	_, stop := b.Background(t)
	defer stop()
	pidFile := filepath.Join(b.Host, "exec-pid")
	for kind, f := range handedIn(t, filepath.Dir(b.Host)) {
		want := ownerOf(t, f)
		for verb, flags := range map[string][]string{"exec": {"exec"}, "exec detached": {"exec", "--detach"}} {
			use(b.Command(append(flags, "--pid-file", pidFile, "--user", "65534:65534", b.ID, "true")...), f)
			if verb == "exec detached" {
				reap(pidFile)
			}
			if got := ownerOf(t, f); got != want {
				t.Errorf("%s: a %s as standard descriptor had %s, and has %s", verb, kind, want, got)
				_ = f.Chown(0, 0)
			}
		}
	}
}

// reap kills and reaps a process of exec --detach, a child of the test: until then the container does
// not end.
func reap(pidFile string) {
	text, _ := os.ReadFile(pidFile)
	if pid, err := strconv.Atoi(string(text)); err == nil {
		_ = unix.Kill(pid, unix.SIGKILL)
		_, _ = unix.Wait4(pid, nil, 0, nil)
	}
}

// TestNullKeepsOwner: descriptor 0 of a container with a user namespace and a terminal is the host's
// /dev/null until its terminal is created.
func TestNullKeepsOwner(t *testing.T) {
	null := privateNull(t)
	before := null()
	b := testbundle.New(t, ordinary, mapped, func(s *specs.Spec) { s.Process.Terminal = true })
	socket := filepath.Join(b.Host, "console")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if conn, err := l.Accept(); err == nil {
			_, _ = conn.Read(make([]byte, 100))
		}
	}()
	b.Detach("--console-socket", socket).Exit(t, 0)
	b.Minirun("delete", "--force", b.ID).Exit(t, 0)
	testbundle.Reap()
	if after := null(); after != before {
		t.Errorf("/dev/null had %s, and has %s", before, after)
	}
}

// TestNullOfCaller: root in the container changes a /dev/null that it has as a standard descriptor:
// either it is not the host's, or its inode cannot be changed.
func TestNullOfCaller(t *testing.T) {
	const spoil = "probe spoil; for fd in 0 1 2; do chmod 600 /proc/self/fd/$fd; chown 5 /proc/self/fd/$fd; chmod 600 $(readlink /proc/self/fd/$fd); done 2>/tmp/log; true"
	can := testbundle.Can("CAP_FOWNER", "CAP_CHOWN", "CAP_DAC_OVERRIDE")
	volume := func(s *specs.Spec) { // an empty /dev in a volume, in which minirun creates nothing
		for _, d := range []string{"/dev/pts", "/dev/shm", "/dev/mqueue"} {
			testbundle.NoMount(func(at string) bool { return at == d })(s)
		}
	}
	hostMounts := func(s *specs.Spec) {
		s.Mounts, s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = nil, nil, nil
		var keep []specs.LinuxNamespace
		for _, n := range s.Linux.Namespaces {
			if n.Type != specs.MountNamespace {
				keep = append(keep, n)
			}
		}
		s.Linux.Namespaces, s.Root.Readonly = keep, false
	}
	for name, change := range map[string]func(*specs.Spec){"default": func(*specs.Spec) {}, "user namespace": mapped, "volume on /dev": volume, "the host's mounts": hostMounts} {
		t.Run(name, func(t *testing.T) {
			null := privateNull(t)
			before := null()
			b := testbundle.New(t, can, testbundle.Writable, change, testbundle.Sh(spoil))
			if name == "volume on /dev" {
				dev := filepath.Join(filepath.Dir(b.Host), "dev")
				if err := os.Mkdir(dev, 0o755); err != nil {
					t.Fatal(err)
				}
				testbundle.NoMount(func(at string) bool { return at == "/dev" })(b.Spec)
				testbundle.AddMount(specs.Mount{Destination: "/dev", Source: dev, Options: []string{"rbind"}})(b.Spec)
			}
			b.Write()
			f, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			for _, args := range [][]string{{"run", b.ID, b.Dir}, {"create", b.ID, b.Dir}, {"start", b.ID}} {
				use(b.Command(args...), f)
			}
			testbundle.Reap()
			b.Minirun("delete", "--force", b.ID)
			if after := null(); after != before {
				t.Errorf("/dev/null had %s, and has %s", before, after)
			}
		})
	}
}

// reach tries everything that a program could do with a terminal that is its standard input, output
// or error: each line of output is one operation that succeeds.
const reach = `for fd in 0 1 2; do
	test -t $fd && echo "terminal $fd"
	stty -F /proc/self/fd/$fd -echo 2>/dev/null && echo "settings $fd"
	case $(readlink /proc/self/fd/$fd) in *pts*|*tty*) echo "name $fd";; esac
done
(read -t 1 x <&1 && echo "keyboard $x") 2>/dev/null
(read -t 1 x <&2 && echo "keyboard $x") 2>/dev/null
(exec 3<>/dev/tty && echo "controlling terminal") 2>/dev/null
echo done`

// TestTerminalOfCaller: without -t a program does not get the caller's terminal: through any of its
// descriptors the program could read the keyboard, and change the settings.
func TestTerminalOfCaller(t *testing.T) {
	p := testbundle.NewPty(t)
	before := p.Termios()
	b := testbundle.New(t, testbundle.Sh(reach))
	b.Write()
	shows := func(what, want string) {
		t.Helper()
		text := strings.ReplaceAll(p.Rest(), "\r\n", "\n")
		text = strings.ReplaceAll(text, "typed\n", "") // the echo
		if !strings.HasSuffix(text, want) || strings.Count(text, "\n") != strings.Count(want, "\n") {
			t.Errorf("%s: the program reaches the terminal: %q", what, text)
		}
		if p.Termios() != before {
			t.Errorf("%s: the terminal's settings have changed", what)
			_ = unix.IoctlSetTermios(int(p.Slave.Fd()), unix.TCSETS, &before)
		}
	}
	attended := func(args ...string) {
		t.Helper()
		cmd := b.Command(args...)
		p.Attach(cmd)
		b.Start(cmd)
		p.Type("typed\ntyped\n")
		_ = cmd.Wait()
		shows(args[0], "done\n")
	}
	attended("run", b.ID, b.Dir)
	b.Spec.Process.Args = []string{"sleep", "1000"}
	b.Detach().Exit(t, 0)
	attended("exec", b.ID, "sh", "-c", reach)
	b.Minirun("delete", "--force", b.ID).Exit(t, 0)
	testbundle.Reap()
}

// TestTerminalOfDetached: no process stays to copy for a detached container, so it gets no terminal
// at all.
func TestTerminalOfDetached(t *testing.T) {
	p := testbundle.NewPty(t)
	b := testbundle.New(t, testbundle.Args("sleep", "1000"))
	b.Write()
	pidFile := filepath.Join(b.Host, "pid")
	for _, steps := range [][][]string{
		{{"run", "--detach", "--pid-file", pidFile, b.ID, b.Dir}, {"exec", "--detach", "--pid-file", pidFile, b.ID, "sleep", "1000"}},
		{{"create", "--pid-file", pidFile, b.ID, b.Dir}},
	} {
		for _, args := range steps {
			cmd := b.Command(args...)
			p.Attach(cmd)
			if err := cmd.Run(); err != nil {
				t.Fatalf("%s: %v: %s", args[0], err, p.Rest())
			}
			pid, err := os.ReadFile(pidFile)
			if err != nil {
				t.Fatal(err)
			}
			for fd := range 3 {
				var st unix.Stat_t
				if err := unix.Stat(fmt.Sprintf("/proc/%s/fd/%d", pid, fd), &st); err != nil || st.Rdev != unix.Mkdev(1, 3) {
					t.Errorf("%s: descriptor %d is device %#x, %v: want /dev/null", args[0], fd, st.Rdev, err)
				}
			}
			if args[0] == "exec" {
				reap(pidFile)
			}
			if text := p.Rest(); !strings.Contains(text, "is a terminal, which a detached container does not get") {
				t.Errorf("%s: no warning in %q", args[0], text)
			}
		}
		b.Minirun("delete", "--force", b.ID).Exit(t, 0)
		testbundle.Reap()
	}
}
