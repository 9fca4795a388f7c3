package namespaces

import (
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/moby/sys/user"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// Ranges returns the maps of a user namespace in which an unprivileged user is root:
// the user's own ID, followed by the ranges of /etc/subuid and /etc/subgid
// (subuid(5)). Without ranges, or without newuidmap(1), only root exists there. Root
// of a user namespace gives the new one all IDs that it has itself.
func Ranges() (uids, gids []specs.LinuxIDMapping) {
	if os.Geteuid() == 0 && InUserNamespace() {
		if uids, gids, err := Current(); err == nil {
			return mapIdentically(uids), mapIdentically(gids)
		}
	}
	uids = []specs.LinuxIDMapping{{HostID: uint32(os.Geteuid()), Size: 1}}
	gids = []specs.LinuxIDMapping{{HostID: uint32(os.Getegid()), Size: 1}}
	if !canMapRanges() {
		return uids, gids
	}
	name := ""
	if u, err := user.LookupUid(os.Geteuid()); err == nil {
		name = u.Name
	}
	uid := os.Geteuid()
	return append(uids, subordinateIDs(readText("/etc/subuid"), name, uid)...),
		append(gids, subordinateIDs(readText("/etc/subgid"), name, uid)...)
}

// Current returns the maps of the user namespace of this process. A process of the
// parent namespace passes them to a container that gets the same IDs.
func Current() (uids, gids []specs.LinuxIDMapping, err error) { return MapsOf(self) }

// MapsOf returns the maps of the user namespace of a process.
func MapsOf(pid int) (uids, gids []specs.LinuxIDMapping, err error) {
	if uids, err = readMap(pid, "uid_map"); err == nil {
		gids, err = readMap(pid, "gid_map")
	}
	return uids, gids, err
}

// mapIdentically maps each ID of a namespace to itself in a child namespace.
func mapIdentically(maps []specs.LinuxIDMapping) []specs.LinuxIDMapping {
	for i := range maps {
		maps[i].HostID = maps[i].ContainerID
	}
	return maps
}

func readText(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	return string(text)
}

// subordinateIDs maps the ranges that a text such as /etc/subuid (subuid(5)) gives a
// user, by name or UID, to the container's IDs from 1 on.
func subordinateIDs(text, name string, uid int) (out []specs.LinuxIDMapping) {
	next := uint32(1)
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) != 3 || (f[0] != name || name == "") && f[0] != strconv.Itoa(uid) {
			continue
		}
		first, err := strconv.ParseUint(f[1], 10, 32)
		size, err2 := strconv.ParseUint(f[2], 10, 32)
		if err == nil && err2 == nil && size > 0 && first+size <= math.MaxUint32 &&
			uint64(next)+size <= math.MaxUint32 {
			out = append(out, specs.LinuxIDMapping{ContainerID: next, HostID: uint32(first), Size: uint32(size)})
			next += uint32(size)
		}
	}
	return out
}
