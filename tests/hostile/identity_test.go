package hostile

import (
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

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

// TestContainerHasNewKeyring: the container gets a new session keyring, so that it cannot reach the
// keys of the user who started minirun.
func TestContainerHasNewKeyring(t *testing.T) {
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

// TestFileHandlesCannotOpenHostFiles: open_by_handle_at(2) opens files on the host's disk regardless of
// mounts ("shocker"); it needs CAP_DAC_READ_SEARCH, which containers do not have.
func TestFileHandlesCannotOpenHostFiles(t *testing.T) {
	testbundle.New(t, testbundle.Sh("probe handle /etc/passwd 2")).Run().Prints(t, "EPERM")
	t.Run("naive", func(t *testing.T) {
		r := testbundle.New(t, testbundle.Sh("probe handle /etc/passwd 2"), testbundle.Can("CAP_DAC_READ_SEARCH")).Run()
		if strings.TrimSpace(r.Stdout) == "EPERM" {
			t.Error("with the capability the answer is the same")
		}
	})
}
