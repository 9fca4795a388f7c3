package compile

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/rootfs"
)

// Below the new root, no path is resolved as the host would resolve it, because an image may
// contain symbolic links anywhere.

// TestPathsAreConfined: between the first step and the pivot, every path is resolved by openat2
// inside the root, or is a single name in an open directory, or is one of a short list of host
// paths.
func TestPathsAreConfined(t *testing.T) {
	eachGolden(t, func(t *testing.T, p *plan.Plan, in Inputs) {
		host := hostPaths(in)
		for i := range p.Steps {
			s := &p.Steps[i]
			if pivots(s) {
				return // from here on, "/" is the container's root
			}
			if complaint := confined(p, s, host); complaint != "" {
				t.Errorf("step %d (%s): %s: %s", i, s.Name, complaint, p.CallText(s))
			}
		}
	})
}

// pivots reports whether "/" is the container's root after this step. exec joins the mount
// namespace of a container that has pivoted, together with other namespaces. A mount namespace that
// is joined alone is given by path, and a root is created in it.
func pivots(s *plan.Step) bool {
	joins := s.Call == plan.Setns && s.Args[1].Value&unix.CLONE_NEWNS != 0 && s.Args[1].Value != unix.CLONE_NEWNS
	return s.Call == plan.PivotRoot || s.Call == plan.Chroot || joins
}

// hostPaths lists the host paths that a plan may use.
func hostPaths(in Inputs) []string {
	list := []string{
		in.Rootfs.Root, // root.path
		"/",            // to set the propagation of all mounts
		".",            // root.path, once it is the working directory
		"/dev/null",    // for masks
		"/proc/self/ns/time_for_children",
		"/proc/self/oom_score_adj",
		"/proc/thread-self/attr/exec",
		"/proc/thread-self/attr/apparmor/exec",
	}
	list = append(list, in.Cgroups...)
	list = append(list, in.Rootfs.HostMounts...)
	if in.Rootfs.ParentMnt != "" {
		list = append(list, in.Rootfs.ParentMnt)
	}
	if in.Rootfs.OldOverlay {
		dir, _ := rootfs.OverlayOptions(in.Rootfs)
		list = append(list, dir, "/proc/thread-self/ns/mnt")
	}
	for i := range in.Spec.Mounts {
		if m := &in.Spec.Mounts[i]; rootfs.IsBind(m) {
			list = append(list, rootfs.BindSource(in.Rootfs.Bundle, m))
		}
	}
	for _, g := range in.Rootfs.Cgroup {
		list = append(list, g.Dir)
	}
	if in.Rootfs.UserNS || in.Rootfs.Rootless || hasUserNamespace(in.Spec) {
		for _, d := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
			list = append(list, "/dev/"+d) // bind-mounted, since they cannot be created
		}
	}
	return list
}

// isAnswered reports whether an argument is a name in the parent's answer about a mount target.
func isAnswered(p *plan.Plan, a plan.Arg) bool {
	return slices.ContainsFunc(p.Cells, func(c plan.CellName) bool {
		return uint64(c.Cell) == a.Value-plan.DataBase &&
			(strings.HasPrefix(c.Name, "directory") || strings.HasPrefix(c.Name, "file"))
	})
}

// confined returns the problem with a step, or "" if there is none.
func confined(p *plan.Plan, s *plan.Step, host []string) string {
	path := func(k int) string { return cString(p, s.Args[k]) }
	single := func(dir, k int) string {
		if isAnswered(p, s.Args[k]) && s.Args[dir].Kind == plan.Result {
			return "" // rootfs.TargetAnswer only contains single names
		}
		if n := path(k); s.Args[dir].Kind != plan.Result || n == "" || n == "." || n == ".." ||
			strings.Contains(n, "/") {
			return "not a single name in an open directory"
		}
		return ""
	}
	onHost := func(k int) string {
		if name := path(k); !slices.Contains(host, name) && !strings.HasPrefix(name, "/proc/sys/") {
			return "a path of the host that is not on the list"
		}
		return ""
	}
	switch s.Call {
	case plan.Openat2:
		resolve := binary.LittleEndian.Uint64(p.Data[s.Args[2].Value-plan.DataBase+16:])
		if s.Args[0].Kind != plan.Result || resolve&unix.RESOLVE_IN_ROOT == 0 &&
			resolve&(unix.RESOLVE_BENEATH|unix.RESOLVE_NO_SYMLINKS) != unix.RESOLVE_BENEATH|unix.RESOLVE_NO_SYMLINKS {
			return "not confined to an open directory"
		}
		if resolve&(unix.RESOLVE_NO_MAGICLINKS|unix.RESOLVE_NO_SYMLINKS) == 0 {
			return "may follow a magic link"
		}
	case plan.Openat:
		if s.Args[0].Kind == plan.Result {
			if s.Args[2].Value&unix.O_NOFOLLOW == 0 {
				return "may follow a symbolic link"
			}
			return single(0, 1)
		}
		return onHost(1)
	case plan.Mkdirat, plan.Mknodat, plan.Unlinkat, plan.Fchownat:
		return single(0, 1)
	case plan.Symlinkat:
		return single(1, 2)
	case plan.Renameat2:
		return single(0, 1) + single(2, 3)
	case plan.Fchmodat, plan.Faccessat2:
		return "follows links"
	case plan.Mount:
		return mountConfined(p, s, host)
	case plan.OpenTree:
		if s.Args[0].Kind == plan.Result && path(1) == "" {
			return ""
		}
		if s.Args[0].Kind == plan.Result && s.Args[2].Value&unix.AT_SYMLINK_NOFOLLOW != 0 {
			return single(0, 1)
		}
		return onHost(1)
	case plan.MoveMount:
		if path(1) != "" || s.Args[4].Value&unix.MOVE_MOUNT_T_SYMLINKS != 0 {
			return "walks a path"
		}
		if path(3) != "" && path(3) != "." {
			return single(2, 3)
		}
	case plan.MountSetattr:
		if path(1) != "" || s.Args[0].Kind != plan.Result {
			return "walks a path"
		}
	case plan.Chdir, plan.Umount:
		return onHost(0)
	}
	return ""
}

// mountConfined checks that a file system is mounted on ".", after an fchdir to the target. Only
// propagation changes and the mounts that --no-pivot adds use a host path.
func mountConfined(p *plan.Plan, s *plan.Step, host []string) string {
	target := cString(p, s.Args[1])
	const propagation = unix.MS_SHARED | unix.MS_SLAVE | unix.MS_PRIVATE | unix.MS_UNBINDABLE
	switch {
	case target == ".":
		return ""
	case s.Args[3].Value&propagation != 0 && slices.Contains(host, target):
		return ""
	case s.Source == "root.path" && target == host[0] && cString(p, s.Args[2]) == "overlay":
		return "" // there is nothing from an image below it yet
	case s.Source == "root.path" && slices.Contains(host, target) && s.Args[3].Value&(unix.MS_MOVE|unix.MS_RDONLY) != 0:
		return ""
	}
	return "mounts by path"
}

func cString(p *plan.Plan, a plan.Arg) string {
	if a.Kind != plan.Pointer {
		return ""
	}
	text, _, _ := strings.Cut(string(p.Data[a.Value-plan.DataBase:]), "\x00")
	return text
}

// TestConfinedFindsMistakes tests the check itself, with incorrect steps.
func TestConfinedFindsMistakes(t *testing.T) {
	b := plan.NewBuilder(3)
	root := b.Cell("root")
	at := plan.Int(unix.AT_FDCWD)
	b.Add(plan.Op{Name: "openat2 without a root", Out: root},
		plan.Openat2, plan.Of(root), b.Str("etc"), b.Words(unix.O_PATH, 0, 0), plan.Int(24))
	b.Add(plan.Op{Name: "openat2 from the working directory", Out: root},
		plan.Openat2, at, b.Str("etc"), b.Words(unix.O_PATH, 0, unix.RESOLVE_IN_ROOT), plan.Int(24))
	b.Add(plan.Op{Name: "follows magic links", Out: root},
		plan.Openat2, plan.Of(root), b.Str("etc"), b.Words(unix.O_PATH, 0, unix.RESOLVE_IN_ROOT), plan.Int(24))
	b.Add(plan.Op{Name: "openat below the root", Out: root},
		plan.Openat, plan.Of(root), b.Str("etc/x"), plan.Int(unix.O_NOFOLLOW), plan.Int(0))
	b.Add(plan.Op{Name: "mkdir of a path"}, plan.Mkdirat, plan.Of(root), b.Str("a/b"), plan.Int(0o755))
	b.Add(plan.Op{Name: "mkdir on the host"}, plan.Mkdirat, at, b.Str("a"), plan.Int(0o755))
	b.Add(plan.Op{Name: "mknod up"}, plan.Mknodat, plan.Of(root), b.Str(".."), plan.Int(0), plan.Int(0))
	b.Add(plan.Op{Name: "mount by path"},
		plan.Mount, b.Str("proc"), b.Str("/bundle/rootfs/proc"), b.Str("proc"), plan.Int(0), plan.Int(0))
	b.Add(plan.Op{Name: "mount of the host's path"},
		plan.Mount, b.Str("proc"), b.Str("/"), b.Str("proc"), plan.Int(0), plan.Int(0))
	b.Add(plan.Op{Name: "a host path"}, plan.Chdir, b.Str("/etc"))
	b.Add(plan.Op{Name: "end"}, plan.ExitGroup, plan.Int(0))
	p := b.Plan()
	for i := range p.Steps[:len(p.Steps)-1] {
		if confined(p, &p.Steps[i], []string{"/", ".", "/bundle/rootfs"}) == "" {
			t.Errorf("%s: not noticed", p.Steps[i].Name)
		}
	}
}

// order lists pairs of steps. Every step of the second kind must have one of the first kind before
// it on every path.
var order = []struct {
	why           string
	first, second func(p *plan.Plan, s *plan.Step) bool
}{
	{"capset after the change of user, which would clear the effective set", callIs(plan.Setresuid), callIs(plan.Capset)},
	{"groups before the user, who may not set them", callIs(plan.Setgroups), changesIdentity},
	{"the group before the user, who may not change it", callIs(plan.Setresgid), changesIdentity},
	{"nothing is executed before the root is the container's", isPivot, isExecve},
	{"nothing is executed with capabilities left", callIs(plan.Capset), isExecve},
	{"nothing is executed without a sign from the parent", callIs(plan.Read), callIs(plan.Execve)},
	{"the bounding set needs CAP_SETPCAP, which goes with capset", orChangesBounding(changesIdentity), callIs(plan.Capset)},
	{"the old root is a slave before it is unmounted", makesSlave, detachesRoot},
}

// afterSeccomp lists the calls that a plan makes after a filter that was loaded late. A profile
// must allow these, and only these (docs/architecture.md).
var afterSeccomp = []plan.Call{plan.Write, plan.Read, plan.CloseRange, plan.Execve, plan.ExitGroup}

// confining lists the calls that take something away from a process. A filter may make them return
// success without any effect.
var confining = []plan.Call{plan.Prctl, plan.Setgroups, plan.Setresgid, plan.Setresuid, plan.Umask, plan.SchedSetattr,
	plan.Personality}

// TestHostInodesAreReadOnly: a clone of a mount of a host device is made read-only before it is
// attached, or the container's root user could modify the inode.
func TestHostInodesAreReadOnly(t *testing.T) {
	eachGolden(t, func(t *testing.T, p *plan.Plan, _ Inputs) {
		null := plan.None // the host's /dev/null, from which masks are cloned
		cloned := map[plan.Cell]bool{}
		for i := range p.Steps {
			s := &p.Steps[i]
			text := p.CallText(s)
			switch {
			case s.Call == plan.Openat && strings.Contains(text, `"/dev/null", O_RDONLY|O_NOFOLLOW`):
				null = s.Out
			case s.Call == plan.OpenTree && (strings.Contains(text, `"/dev/`) || null != plan.None &&
				cellOf(s.Args[0]) == null):
				cloned[s.Out] = true
			case s.Call == plan.MountSetattr && strings.Contains(text, "attr_set=MOUNT_ATTR_RDONLY"):
				delete(cloned, cellOf(s.Args[0]))
			case s.Call == plan.MoveMount && cloned[cellOf(s.Args[0])]:
				t.Errorf("step %d (%s): the container could change the inode: %s", i, s.Name, text)
			}
		}
	})
}
