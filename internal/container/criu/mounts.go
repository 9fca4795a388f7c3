package criu

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/atomicfile"
	"github.com/minirun/minirun/internal/cgroups/group"
	"github.com/minirun/minirun/internal/cgroups/host"
	"github.com/minirun/minirun/internal/container/hostfacts"
	"github.com/minirun/minirun/internal/container/notify"
	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/rootfs"
	"github.com/minirun/minirun/internal/spec"
)

// This file tells criu(8) which mounts of a container belong to the host (--external
// mnt[...]). Each has a name in the images:
//
//	dump      mount point in the container → name     found in /proc/PID/mountinfo
//	restore   name → path on the host                 from config.json, or external.json
//
// A mount of config.json is named after its destination. It may be mounted elsewhere:
// the destination may lead through links, and the container may have renamed its
// directories.

// externalFile is minirun's own: mounts of the container that come from the host
// without being in config.json, and their sources.
const externalFile = "external.json"

// notifyPlace is the name of the directory for the notify socket, which each container
// has in its own state directory. No destination is equal to it.
const notifyPlace = "notify"

// A hostPlace is a place in a container where a file or directory of the host is
// mounted.
type hostPlace struct {
	name     string // in the images
	path     string // on the host
	noFollow bool   // the path itself, not its target
}

// listPlaces lists those of config.json, in its order: bind mounts and, where they are
// bound instead of mounted, cgroups.
func listPlaces(s *specs.Spec, bundle string, shown []rootfs.Cgroup) (all []hostPlace) {
	for i := range s.Mounts {
		m := &s.Mounts[i]
		at := filepath.Join("/", m.Destination)
		switch {
		case rootfs.IsBind(m):
			if text, err := hostfacts.CopiedLink(bundle, m); err == nil && text != "" {
				continue // a link was created instead of a mount
			}
			o, _ := spec.ParseMountOptions(m.Options)
			all = append(all, hostPlace{at, rootfs.BindSource(bundle, m), o.SourceNoFollow})
		case (m.Type == "cgroup" || m.Type == "cgroup2") && !namespaces.Decide(s).Has(unix.CLONE_NEWCGROUP):
			for _, g := range shown {
				all = append(all, hostPlace{name: filepath.Join(at, g.Name), path: g.Dir})
			}
		}
	}
	return all
}

// A mountSource identifies the part of a file system that a mount shows, as in
// proc_pid_mountinfo(5).
type mountSource struct {
	major, minor int
	root         string
}

func sourceOfMount(m *mountinfo.Info) mountSource {
	// by a name that may now be another file's
	return mountSource{m.Major, m.Minor, strings.TrimSuffix(m.Root, "//deleted")}
}

// findSource returns what a bind mount of the place shows; false if that is unknown, for
// example because the source no longer exists.
func (p *hostPlace) findSource(host []*mountinfo.Info) (mountSource, bool) {
	flags := unix.O_PATH | unix.O_CLOEXEC
	if p.noFollow {
		flags |= unix.O_NOFOLLOW
	}
	fd, err := unix.Open(p.path, flags, 0)
	if err != nil {
		return mountSource{}, false
	}
	defer func() { _ = unix.Close(fd) }()
	var st unix.Statx_t
	path, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	if err != nil || unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &st) != nil {
		return mountSource{}, false
	}
	for _, h := range host {
		if uint64(h.ID) == st.Mnt_id && hostfacts.IsBelow(path, h.Mountpoint) {
			return mountSource{h.Major, h.Minor, filepath.Join(h.Root, strings.TrimPrefix(path, h.Mountpoint))}, true
		}
	}
	return mountSource{}, false
}

// mountPoints finds where places are mounted, and returns their names by mount point
// (pure). A mount that shows the place's source is preferred to one that is at the
// destination: if a container renames directories, another mount with other flags must
// not be mistaken for it. shows is hostPlace.shows.
func mountPoints(all []hostPlace, inside []*mountinfo.Info,
	shows func(*hostPlace) (mountSource, bool)) map[string]string {
	names, used, found := map[string]string{}, map[int]bool{}, make([]bool, len(all))
	assign := func(suits func(i int, m *mountinfo.Info) bool) {
		for i := range all {
			for _, m := range inside {
				if !found[i] && !used[m.ID] && suits(i, m) {
					names[m.Mountpoint] = all[i].name
					used[m.ID], found[i] = true, true
				}
			}
		}
	}
	shown, known := make([]mountSource, len(all)), make([]bool, len(all))
	for i := range all {
		shown[i], known[i] = shows(&all[i])
	}
	same := func(i int, m *mountinfo.Info) bool {
		return known[i] && m.Mountpoint != "/" && sourceOfMount(m) == shown[i]
	}
	there := func(i int, m *mountinfo.Info) bool { return m.Mountpoint == all[i].name }
	assign(func(i int, m *mountinfo.Info) bool { return same(i, m) && there(i, m) })
	assign(same)
	assign(there) // its source has been replaced by another file
	return names
}

// inRoot begins a path below the root of the container, which may be elsewhere when it
// is restored: that of a read-only path in the image.
const inRoot = "./"

// findHostMounts finds the other mounts: files of the host's devtmpfs, such as masks, and
// everything else that is part of a file system that the host has mounted (pure).
func findHostMounts(inside, host []*mountinfo.Info, known map[string]string) map[string]string {
	found := map[string]string{}
	var root mountinfo.Info
	for _, m := range inside {
		if m.Mountpoint == "/" {
			root = *m // the last one is on top
		}
	}
	for _, m := range inside {
		if _, there := known[m.Mountpoint]; there || m.Root == "/" || m.Mountpoint == "/" {
			continue
		}
		if m.FSType == "proc" || m.FSType == "sysfs" || strings.HasPrefix(m.FSType, "cgroup") {
			continue // parts of the container's own file systems, which criu handles
		}
		if root.Major == m.Major && root.Minor == m.Minor && hostfacts.IsBelow(m.Root, root.Root) {
			found[m.Mountpoint] = inRoot + strings.TrimPrefix(strings.TrimPrefix(m.Root, root.Root), "/")
			continue
		}
		for _, h := range host {
			if h.Major == m.Major && h.Minor == m.Minor && hostfacts.IsBelow(m.Root, h.Root) {
				found[m.Mountpoint] = filepath.Join(h.Mountpoint, strings.TrimPrefix(m.Root, h.Root))
				break
			}
		}
	}
	return found
}

// readMounts lists the mounts that a process sees.
func readMounts(pid int) ([]*mountinfo.Info, error) {
	f, err := os.Open("/proc/" + strconv.Itoa(pid) + "/mountinfo")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return mountinfo.GetMountsFromReader(f, nil)
}

// excludeMounts returns criu's options for mounts of the host, and records what
// restore cannot know from config.json.
func excludeMounts(r *record.Record, notifyDir string, s *specs.Spec, images string) (args []string, err error) {
	hostMounts, err := mountinfo.GetMounts(nil)
	if err != nil {
		return nil, fmt.Errorf("read the host's mounts: %w", err)
	}
	inside, err := readMounts(r.Pid)
	if err != nil {
		return nil, fmt.Errorf("read the container's mounts: %w", err)
	}
	all, err := findPlaces(r, notifyDir, s)
	if err != nil {
		return nil, err
	}
	names := mountPoints(all, inside, func(p *hostPlace) (mountSource, bool) { return p.findSource(hostMounts) })
	others := findHostMounts(inside, hostMounts, names)
	for at := range others {
		names[at] = at
	}
	for _, name := range names {
		if name == notifyPlace {
			others[name] = "" // restore has its own
		}
	}
	data, err := json.Marshal(others)
	if err != nil {
		return nil, err
	}
	if err := atomicfile.Write(filepath.Join(images, externalFile), data, 0o600); err != nil {
		return nil, err
	}
	for _, at := range slices.Sorted(maps.Keys(names)) {
		args = append(args, "--external", "mnt["+at+"]:"+names[at])
	}
	return args, nil
}

// findPlaces lists the places of a running container.
func findPlaces(r *record.Record, notifyDir string, s *specs.Spec) ([]hostPlace, error) {
	var shown []rootfs.Cgroup
	if machine, err := host.Detect(); err == nil {
		cgroup := group.Open(r.Cgroups)
		if len(r.Cgroups) == 0 {
			cgroup = group.Current(machine)
		}
		if shown, err = hostfacts.CgroupMounts(s, machine, cgroup); err != nil {
			return nil, err
		}
	}
	all := listPlaces(s, r.Bundle, shown)
	if _, err := os.Stat(notifyDir); err == nil {
		all = append(all, hostPlace{name: notifyPlace, path: notifyDir})
	}
	return all, nil
}

// externalMounts returns criu's options for what is mounted in the places now.
func (r *Restoration) externalMounts() (args []string, err error) {
	known := map[string]string{}
	data, err := os.ReadFile(filepath.Join(r.Options.ImagePath, externalFile))
	if err == nil {
		err = json.Unmarshal(data, &known)
	}
	if err != nil {
		return nil, fmt.Errorf("--image-path: %s: %w", externalFile, err)
	}
	if _, has := known[notifyPlace]; has {
		if err = notify.MakeDirectory(r.NotifyDirectory); err != nil {
			return nil, err
		}
		known[notifyPlace] = r.NotifyDirectory
	}
	for name, path := range known {
		if strings.HasPrefix(path, inRoot) {
			known[name] = filepath.Join(r.RootFS, path)
		}
	}
	for _, p := range listPlaces(r.Spec, r.Bundle, r.CgroupMounts) {
		known[p.name] = p.path
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		args = append(args, "--external", "mnt["+name+"]:"+known[name])
	}
	return args, nil
}
