package plan

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

var update = flag.Bool("update", false, "write the golden files anew")

// sample is a plan with every kind of argument and every kind of branch. It is only formatted,
// never run.
func sample() *Plan {
	b := NewBuilder(3)
	end := b.Label()
	gone := b.Label()
	root, fd, child := b.Cell("root"), b.Cell("fd"), b.Cell("child")
	none := Then{}
	at := Int(unix.AT_FDCWD)
	how := b.Words(unix.O_PATH|unix.O_CLOEXEC|unix.O_DIRECTORY, 0, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS)
	create := b.Words(unix.O_CREAT|unix.O_WRONLY|1<<40, 0o640, 0)

	b.In(Namespaces, "linux.namespaces")
	b.Add(Op{Name: "make namespaces", Why: "a time namespace only by unshare"},
		Unshare, Int(unix.CLONE_NEWNS|unix.CLONE_NEWTIME))
	b.Add(Op{Name: "clone", Out: child, Then: Then{Zero: gone}},
		Clone, Int(unix.CLONE_PARENT|unix.CLONE_NEWPID|uintptr(unix.SIGCHLD)), Int(0), Int(0), Int(0), Int(0))
	b.Add(Op{Name: "join"}, Setns, Of(fd), Int(unix.CLONE_NEWUSER))
	b.Add(Op{Name: "clone flags nobody knows"}, Unshare, Int(0x13))
	b.Add(Op{Name: "set the host name"}, Sethostname, b.Str(`a "b"`), Int(5))

	b.In(Filesystem, "root.path")
	b.Add(Op{Name: "open the root", Out: root, Then: none}, Openat2, at, b.Str("/rootfs"), how, Int(24))
	b.Add(Op{Name: "make a file", Out: fd, Then: Fine(unix.EEXIST)},
		Openat2, Of(root), b.Str("etc/hosts"), create, Int(24))
	b.Add(Op{Name: "open", Out: fd, Then: Then{On: []On{{unix.ENOENT, end}, {unix.ENOTDIR, 0}}}},
		Openat, Of(root), b.Str("proc"), Int(unix.O_RDWR|unix.O_NOFOLLOW|unix.O_CLOEXEC), Int(0o755))
	b.Add(Op{Name: "mount"},
		Mount, b.Str("proc"), b.Str("/proc"), b.Str("proc"), Int(unix.MS_NOSUID|unix.MS_NODEV), Int(0))
	b.Add(Op{Name: "unmount"}, Umount, b.Str("."), Int(unix.MNT_DETACH))
	b.Add(Op{Name: "clone a tree", Out: fd, Then: none},
		OpenTree, at, b.Str(""), Int(unix.OPEN_TREE_CLONE|unix.AT_RECURSIVE|unix.AT_EMPTY_PATH))
	b.Add(Op{Name: "move a mount"},
		MoveMount, Of(fd), b.Str(""), Of(root), b.Str("mnt"), Int(unix.MOVE_MOUNT_F_EMPTY_PATH))
	b.Add(Op{Name: "change a mount"},
		MountSetattr, Of(fd), b.Str(""), Int(unix.AT_EMPTY_PATH|unix.AT_RECURSIVE),
		b.Words(unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOATIME, unix.MOUNT_ATTR__ATIME, unix.MS_PRIVATE, 0),
		Int(32))
	b.Add(Op{Name: "map a mount's ids"},
		MountSetattr, Int(5), b.Str(""), Int(unix.AT_EMPTY_PATH), b.Words(unix.MOUNT_ATTR_IDMAP, 0x30, 0, 6), Int(32))
	b.Add(Op{Name: "a file system", Out: fd, Then: none},
		Fsopen, b.Str("tmpfs"), Int(unix.FSOPEN_CLOEXEC))
	b.Add(Op{Name: "an option"},
		Fsconfig, Of(fd), Int(unix.FSCONFIG_SET_STRING), b.Str("mode"), b.Str("755"), Int(0))
	b.Add(Op{Name: "create"}, Fsconfig, Of(fd), Int(unix.FSCONFIG_CMD_CREATE), Int(0), Int(0), Int(0))
	b.Add(Op{Name: "its mount", Out: fd, Then: none},
		Fsmount, Of(fd), Int(unix.FSMOUNT_CLOEXEC), Int(unix.MOUNT_ATTR_NOSUID))
	b.Add(Op{Name: "a device"},
		Mknodat, Of(root), b.Str("dev/null"), Int(unix.S_IFCHR|0o666), Int(unix.Mkdev(1, 3)))
	b.Add(Op{Name: "a FIFO"}, Mknodat, Of(root), b.Str("fifo"), Int(unix.S_IFIFO|0o600), Int(0))
	b.Add(Op{Name: "remove a directory", Why: "not AT_EACCESS, which has its value"},
		Unlinkat, Of(root), b.Str("dir"), Int(unix.AT_REMOVEDIR))
	b.Add(Op{Name: "give it away"},
		Fchownat, Of(root), b.Str("f"), Int(-1), Int(100000), Int(unix.AT_SYMLINK_NOFOLLOW))

	b.In(Identity, "process.user")
	b.Add(Op{Name: "user"}, Setresuid, Int(uint32(0xffffffff)), Int(1000), Int(0))
	b.Add(Op{Name: "an option of the process"},
		Prctl, Int(unix.PR_SET_NO_NEW_PRIVS), Int(1), Int(0), Int(0), Int(0))
	b.Add(Op{Name: "one without a name"}, Prctl, Int(0x7777), Int(1), Int(0), Int(0), Int(0))
	b.Add(Op{Name: "name the process"},
		Prctl, Int(unix.PR_SET_NAME), b.Str("init"), Int(0), Int(0), Int(0))
	b.Add(Op{Name: "no ambient capabilities"},
		Prctl, Int(unix.PR_CAP_AMBIENT), Int(unix.PR_CAP_AMBIENT_CLEAR_ALL), Int(0), Int(0), Int(0))
	b.Add(Op{Name: "capabilities"},
		Capset, b.Words32(unix.LINUX_CAPABILITY_VERSION_3, 0), b.Words32(0x1, 0x2, 0x3, 0x10, 0x20, 0x30))
	b.Add(Op{Name: "a personality"}, Personality, Int(0x8))
	b.Add(Op{Name: "groups"}, Setgroups, Int(2), b.Words32(10, 20))
	b.Add(Op{Name: "a keyring"},
		Keyctl, Int(unix.KEYCTL_JOIN_SESSION_KEYRING), b.Str("_ses"), Int(0), Int(0), Int(0))
	b.Add(Op{Name: "a socket", Out: fd, Then: none},
		Socket, Int(unix.AF_INET), Int(unix.SOCK_DGRAM|unix.SOCK_CLOEXEC), Int(0))
	b.Add(Op{Name: "write a text"}, Write, Of(fd), b.Str("1\n"), Int(2))
	b.Add(Op{Name: "a descriptor"}, Dup3, Of(fd), Int(0), Int(unix.O_CLOEXEC))
	b.Add(Op{Name: "a terminal's size"},
		Ioctl, Of(fd), Int(unix.TIOCSWINSZ), b.Bytes([]byte{24, 0, 80, 23: 0}))
	b.Add(Op{Name: "executable"},
		Faccessat2, at, b.Str("/bin/sh"), Int(unix.X_OK), Int(unix.AT_EACCESS))
	b.Add(Op{Name: "mask"}, Umask, Int(0o22))
	addValues(b, fd)

	b.In(Limits, "process.rlimits[0]")
	b.Add(Op{Name: "limit"},
		Prlimit, Int(0), Int(unix.RLIMIT_NOFILE), b.Words(1024, unix.RLIM_INFINITY), Int(0))

	b.In(Sync, "")
	m := b.Message(2, "answer")
	b.Tell("tell", "", m)
	b.Await("await", "no going on alone", b.Room(8), 8, gone)
	b.Add(Op{Name: "jump over", Then: Then{Next: end}}, Ioctl, Of(fd), Int(unix.TIOCSCTTY), Int(0))
	b.Place(gone)
	b.Add(Op{Name: "end: the parent is gone"}, ExitGroup, Int(1))

	b.In(Exec, "process.args")
	b.Place(end)
	b.Add(Op{Name: "close the rest at execve"},
		CloseRange, Int(3), Int(uint32(0xffffffff)), Int(unix.CLOSE_RANGE_CLOEXEC))
	b.Add(Op{Name: "mark a descriptor"}, Fcntl, Of(fd), Int(unix.F_SETFD), Int(unix.FD_CLOEXEC))
	b.Add(Op{Name: "become /bin/sh"},
		Execve, b.Str("/bin/sh"), b.Strs([]string{"sh", "-c", "echo \x01"}), b.Strs([]string{"SECRET=x", "A=b"}))
	b.Add(Op{Name: "end"}, ExitGroup, Int(127))
	return b.Plan()
}

// addValues adds calls whose arguments are structures, or depend on another argument.
func addValues(b *Builder, fd Cell) {
	b.Add(Op{Name: "a key's permissions"},
		Keyctl, Int(unix.KEYCTL_SETPERM), Of(fd), Int(0x3f1b0000), Int(0), Int(0))
	b.Add(Op{Name: "drop one"}, Prctl, Int(unix.PR_CAPBSET_DROP), Int(unix.CAP_MKNOD), Int(0), Int(0), Int(0))
	b.Add(Op{Name: "raise one"},
		Prctl, Int(unix.PR_CAP_AMBIENT), Int(unix.PR_CAP_AMBIENT_RAISE), Int(60), Int(0), Int(0))
	b.Add(Op{Name: "a signal"}, Prctl, Int(unix.PR_SET_PDEATHSIG), Int(int(unix.SIGKILL)), Int(0), Int(0), Int(0))
	b.Add(Op{Name: "all capabilities but one"}, Capset, b.Words32(unix.LINUX_CAPABILITY_VERSION_3, 0),
		b.Words32(0xfffffffe, 0xffffffff, 0, 0x1ff, 0x1ff, 0))
	b.Add(Op{Name: "a filter"}, Seccomp, Int(unix.SECCOMP_SET_MODE_FILTER),
		Int(unix.SECCOMP_FILTER_FLAG_NEW_LISTENER|unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW), b.Words(34, 0))
	b.Add(Op{Name: "a scheduler"}, SchedSetattr, Int(0),
		b.Words(48|unix.SCHED_BATCH<<32, unix.SCHED_FLAG_RESET_ON_FORK, 0xfffffffe, 0, 0, 7), Int(0))
	b.Add(Op{Name: "some CPUs"}, SchedSetaffinity, Int(0), Int(16), b.Words(0xf0b, 1<<63))
	b.Add(Op{Name: "some nodes"}, SetMempolicy, Int(unix.MPOL_BIND|unix.MPOL_F_STATIC_NODES), b.Words(3), Int(65))
	b.Add(Op{Name: "an I/O priority"}, IoprioSet, Int(1), Int(0), Int(2<<13|4))
	b.Add(Op{Name: "the time"}, ClockGettime, Int(unix.CLOCK_MONOTONIC), b.Room(16))
	again := b.Here()
	b.Add(Op{Name: "wait", Then: Then{On: []On{{unix.EINTR, again}, {unix.ECHILD, 0}}}},
		Wait4, Of(fd), b.Room(8), Int(unix.WNOHANG), Int(0))
	b.Add(Op{Name: "poll"}, Ppoll, b.Words32(3, unix.POLLIN), Int(1), b.Words(2, 500), Int(0), Int(0))
	b.Add(Op{Name: "a pair"},
		Socketpair, Int(unix.AF_UNIX), Int(unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC), Int(0), b.Room(8))
	b.Add(Op{Name: "rename"}, Renameat2, Of(fd), b.Str("a"), Of(fd), b.Str("b"), Int(unix.RENAME_NOREPLACE))
}

// TestTextGolden checks the printed text byte for byte.
func TestTextGolden(t *testing.T) {
	p := sample()
	if _, err := p.Encode(); err != nil {
		t.Fatal(err)
	}
	used := map[shape]bool{}
	for _, s := range p.Steps {
		for k := range s.Args {
			used[callShapes[s.Call][k]] = true
		}
	}
	for sh := number; sh <= cloneFlags; sh++ {
		if !used[sh] {
			t.Errorf("no step of the sample has an argument of shape %d", sh)
		}
	}
	var got, again bytes.Buffer
	if err := errors.Join(p.Text(&got), sample().Text(&again)); err != nil {
		t.Fatal(err)
	}
	if got.String() != again.String() {
		t.Error("the same plan gives different texts")
	}
	const golden = "testdata/sample.txt"
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("the text differs from %s (go test -run TextGolden -update writes it anew):\n%s", golden, got.String())
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, unix.ENOSPC }

func TestTextReportsWriteError(t *testing.T) {
	if err := sample().Text(brokenWriter{}); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("got %v, want ENOSPC", err)
	}
}

// TestTextOfBadPointers: Text can also print plans that Encode would refuse, and must not crash on
// them.
func TestTextOfBadPointers(t *testing.T) {
	p := sample()
	for i := range p.Steps {
		for k := range p.Steps[i].Args {
			for _, v := range []uint64{0, 1, DataBase - 1, DataBase + uint64(len(p.Data)) - 1,
				DataBase + uint64(len(p.Data)), 1 << 63, ^uint64(0)} {
				p.Steps[i].Args[k] = Arg{Pointer, v}
				if p.Line(i) == "" {
					t.Fatal("no text")
				}
			}
		}
	}
}
