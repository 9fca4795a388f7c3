package namespaces

import (
	"encoding/binary"
	"sort"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/handshake"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/spec"
)

// Input is what Compile needs in addition to the spec.
type Input struct {
	// Rootless is true if minirun runs without privilege on the host.
	Rootless bool
	// CloneLast makes the process enter a PID namespace given by path at the end of
	// its set-up. The caller adds EnterPID there.
	CloneLast bool
}

func jsonPath(i int) string { return "linux.namespaces[" + strconv.Itoa(i) + "]" }

// Compile adds the steps that move the process into its namespaces, except a new
// cgroup namespace and a joined mount namespace: see CreateCgroupNamespace and JoinMount.
func Compile(b *plan.Builder, parent *handshake.Parent, s *specs.Spec, setup Setup, in Input) {
	joinNamespaces(b, setup, in.Rootless)
	if setup.Has(unix.CLONE_NEWUSER) {
		enterUserNamespace(b, parent, setup, in.Rootless)
	}
	if setup.staged() {
		if flags := setup.New &^ (onTheWay | unix.CLONE_NEWPID); flags != 0 {
			b.In(plan.Namespaces, "linux.namespaces")
			b.Add(plan.Op{
				Name: "create the namespaces",
				Why:  "after the user namespace, so that they belong to it",
			}, plan.Unshare, plan.Int(flags))
		}
	}
	if setup.New&unix.CLONE_NEWTIME != 0 {
		enterTimeNamespace(b, parent, s)
	}
	if setup.Clones() && !in.CloneLast {
		cloneInit(b, parent, setup.New&unix.CLONE_NEWPID)
	}
}

// joinNamespaces enters the namespaces given by path. With privilege on the host the user
// namespace comes last: the others may belong to the host. Without, it comes first:
// only inside it does the process have any privilege.
func joinNamespaces(b *plan.Builder, setup Setup, userFirst bool) {
	for _, wantUser := range [2]bool{userFirst, !userFirst} {
		for _, j := range setup.Joins {
			if (j.Flag == unix.CLONE_NEWUSER) != wantUser || j.Flag == unix.CLONE_NEWNS {
				continue
			}
			setns(b, j)
		}
	}
}

func setns(b *plan.Builder, j Join) {
	b.In(plan.Namespaces, j.Source)
	fd := b.File(plan.File{Open: plan.OpenRead, Path: j.Path, Name: "the " + string(j.Type) + " namespace"})
	b.Add(plan.Op{Name: "join the " + string(j.Type) + " namespace " + j.Path},
		plan.Setns, fd, plan.Int(j.Flag))
}

// JoinMount enters a mount namespace given by path. It comes after the steps
// that use the host's /proc.
func JoinMount(b *plan.Builder, setup Setup) {
	if j := setup.Join(unix.CLONE_NEWNS); j != nil {
		setns(b, *j)
	}
}

func enterUserNamespace(b *plan.Builder, parent *handshake.Parent, setup Setup, rootless bool) {
	b.In(plan.Namespaces, "linux.uidMappings")
	if setup.New&unix.CLONE_NEWUSER != 0 {
		b.Add(plan.Op{Name: "create the user namespace"}, plan.Unshare, plan.Int(unix.CLONE_NEWUSER))
		parent.Ask("only a process outside may map more than one ID", b.Message(handshake.MapIDs))
	}
	becomeRoot(b, rootless)
}

// becomeRoot makes the process, which has just entered a user namespace, its root.
func becomeRoot(b *plan.Builder, rootless bool) {
	// EINVAL: ID 0 is not mapped. The process has its capabilities in the namespace
	// anyway.
	b.Add(plan.Op{
		Name: "become gid 0 of the user namespace",
		Why:  "files that it creates from here on must belong to a mapped ID",
		Then: plan.Fine(unix.EINVAL),
	}, plan.Setresgid, plan.Int(0), plan.Int(0), plan.Int(0))
	b.Add(plan.Op{Name: "become uid 0 of the user namespace", Then: plan.Fine(unix.EINVAL)},
		plan.Setresuid, plan.Int(0), plan.Int(0), plan.Int(0))
	if rootless {
		// The change of identity has hidden /proc/PID from minirun, which lacks the
		// privilege to look anyway.
		b.Add(plan.Op{
			Name: "stay visible to the parent",
			Why:  "it fetches descriptors and writes files in /proc/PID",
		}, plan.Prctl, plan.Int(unix.PR_SET_DUMPABLE), plan.Int(1), plan.Int(0), plan.Int(0), plan.Int(0))
	}
}

func enterTimeNamespace(b *plan.Builder, parent *handshake.Parent, s *specs.Spec) {
	b.In(plan.Namespaces, "linux.timeOffsets")
	b.Add(plan.Op{Name: "create the time namespace"}, plan.Unshare, plan.Int(unix.CLONE_NEWTIME))
	if len(s.Linux.TimeOffsets) > 0 {
		parent.Ask("the offsets are fixed once a process is inside", b.Message(handshake.TimeOffsets))
	}
	fd := b.Cell("time_for_children")
	b.Add(plan.Op{Name: "open the time namespace", Why: "unshare creates it only for children", Out: fd},
		plan.Openat, plan.Int(unix.AT_FDCWD), b.Str("/proc/self/ns/time_for_children"),
		plan.Int(unix.O_RDONLY|unix.O_CLOEXEC), plan.Int(0))
	b.Add(plan.Op{Name: "enter the time namespace"},
		plan.Setns, plan.Of(fd), plan.Int(unix.CLONE_NEWTIME))
	b.Add(plan.Op{Name: "close"}, plan.Close, plan.Of(fd))
}

// EnterPID adds the steps that move the process into the PID namespace that it has
// joined for its children: it clones a sibling, which continues alone.
//
// From the clone on, the processes inside see the new one. One that has CAP_SYS_PTRACE
// may trace it, write to its memory and take its descriptors, whatever its
// capabilities (ptrace(2), "Ptrace access mode checking"). So everything that needs a
// privilege or a descriptor of the host comes before, and there is nothing to take.
func EnterPID(b *plan.Builder, parent *handshake.Parent) { cloneInit(b, parent, 0) }

// cloneInit creates a sibling of the process that did the preparations; the sibling
// continues alone. It waits until its PID has been reported: otherwise messages of
// both on one socket could overtake each other.
//
// EAGAIN: the cgroup has as many processes as its limit allows. A limit prevents
// processes from being created, but not from being moved, and it must be possible to
// exec into a container that is full. So the parent moves this process out of the
// cgroup, and the new one into it.
func cloneInit(b *plan.Builder, parent *handshake.Parent, flags uintptr) {
	b.In(plan.Namespaces, "linux.namespaces")
	m := b.Message(handshake.Cloned, "child")
	child, full, cloned := b.Label(), b.Label(), b.Label()
	args := []plan.Arg{plan.Int(flags | unix.CLONE_PARENT | uintptr(unix.SIGCHLD)), plan.Int(0), plan.Int(0),
		plan.Int(0), plan.Int(0)}
	b.Add(plan.Op{
		Name: "create the container's process",
		Why:  "a PID namespace contains only children of the process that entered it",
		Out:  m.A,
		Then: plan.Then{Next: cloned, Zero: child, On: []plan.On{{Errno: unix.EAGAIN, To: full}}},
	}, plan.Clone, args...)
	b.Place(full)
	parent.Ask("the cgroup accepts no more processes: the parent moves this one out of it", b.Message(handshake.Full))
	b.Add(plan.Op{
		Name: "create the container's process, outside its cgroup",
		Out:  m.A,
		Then: plan.Then{Zero: child},
	}, plan.Clone, args...)
	b.Place(cloned)
	b.Tell("tell the parent its PID", "", m)
	b.Add(plan.Op{Name: "exit: the work is done"}, plan.ExitGroup, plan.Int(0))
	b.Place(child)
	b.Await("wait until the parent knows this process", "", b.Room(8), 8, parent.Gone())
}

// CreateCgroupNamespace creates the cgroup namespace. The process is already in its cgroup.
func CreateCgroupNamespace(b *plan.Builder, setup Setup) {
	if setup.New&unix.CLONE_NEWCGROUP == 0 {
		return
	}
	b.In(plan.Namespaces, "linux.namespaces")
	b.Add(plan.Op{Name: "create the cgroup namespace", Why: "its root is the cgroup the process is in"},
		plan.Unshare, plan.Int(unix.CLONE_NEWCGROUP))
}

// ConfigureKernel adds the steps that configure the new namespaces while the host's /proc can
// be used: network devices, sysctl. The host's /proc shows the namespaces of the
// process that reads it, and no image can replace it (CVE-2025-52881).
func ConfigureKernel(b *plan.Builder, parent *handshake.Parent, s *specs.Spec, setup Setup) {
	if setup.New&unix.CLONE_NEWNET != 0 {
		bringUpLoopback(b)
	}
	if s.Linux == nil {
		return
	}
	if len(s.Linux.NetDevices) > 0 {
		b.In(plan.Namespaces, "linux.netDevices")
		parent.Ask("only a process on the host may move its devices, and sysctl may name them",
			b.Message(handshake.NetDevices))
	}
	writeSysctls(b, s.Linux.Sysctl)
}

// SetNames adds the steps that set the host name. Hooks up to createContainer still see
// the host's own name, as in runc and crun.
func SetNames(b *plan.Builder, s *specs.Spec) {
	if s.Hostname != "" {
		b.In(plan.Namespaces, "hostname")
		b.Add(plan.Op{Name: "set the host name to " + s.Hostname},
			plan.Sethostname, b.Str(s.Hostname), plan.Int(len(s.Hostname)))
	}
	if s.Domainname != "" {
		b.In(plan.Namespaces, "domainname")
		b.Add(plan.Op{Name: "set the domain name to " + s.Domainname},
			plan.Setdomainname, b.Str(s.Domainname), plan.Int(len(s.Domainname)))
	}
}

// bringUpLoopback brings lo up: a new network namespace has it down, and programs
// expect 127.0.0.1 to answer.
func bringUpLoopback(b *plan.Builder) {
	b.In(plan.Namespaces, "linux.namespaces")
	after := b.Label()
	fd := b.Cell("inet")
	// a kernel without IPv4 has nothing to bring up
	none := plan.Then{On: []plan.On{{Errno: unix.EAFNOSUPPORT, To: after}}}
	b.Add(plan.Op{Name: "open a socket", Why: "to reach the loopback device", Out: fd, Then: none},
		plan.Socket, plan.Int(unix.AF_INET), plan.Int(unix.SOCK_DGRAM|unix.SOCK_CLOEXEC), plan.Int(0))
	ifreq := make([]byte, 40) // struct ifreq: name[16], flags
	copy(ifreq, "lo")
	binary.LittleEndian.PutUint16(ifreq[16:], unix.IFF_UP)
	b.Add(plan.Op{Name: "bring lo up"},
		plan.Ioctl, plan.Of(fd), plan.Int(unix.SIOCSIFFLAGS), b.Bytes(ifreq))
	b.Add(plan.Op{Name: "close the socket"}, plan.Close, plan.Of(fd))
	b.Place(after)
}

func writeSysctls(b *plan.Builder, values map[string]string) {
	keys := make([]string, 0, len(values))
	for k := range values {
		keys = append(keys, k)
	}
	sort.Strings(keys) // a map has no order, a plan does
	for _, k := range keys {
		b.In(plan.Namespaces, "linux.sysctl["+strconv.Quote(k)+"]")
		path, _ := spec.SysctlPath(k) // validated with the spec
		WriteFile(b, "set "+k+" = "+values[k], "/proc/sys/"+path, values[k])
	}
}

// WriteFile adds the steps that write a value to a file of the host's /proc.
func WriteFile(b *plan.Builder, name, path, value string) {
	fd := b.Cell("file")
	b.Add(plan.Op{Name: name + ": open", Out: fd},
		plan.Openat, plan.Int(unix.AT_FDCWD), b.Str(path), plan.Int(unix.O_WRONLY|unix.O_CLOEXEC), plan.Int(0))
	b.Add(plan.Op{Name: name}, plan.Write, plan.Of(fd), b.Str(value), plan.Int(len(value)))
	b.Add(plan.Op{Name: name + ": close"}, plan.Close, plan.Of(fd))
}
