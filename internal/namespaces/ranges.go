package namespaces

import (
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/moby/sys/user"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// Ranges are the maps of a user namespace in which an unprivileged user is root:
// the user's own IDs, and behind these the ranges of /etc/subuid and /etc/subgid
// (subuid(5)). Without ranges, or without newuidmap(1), only root exists there.
func Ranges() (uids, gids []specs.LinuxIDMapping) {
	uids = []specs.LinuxIDMapping{{HostID: uint32(os.Geteuid()), Size: 1}}
	gids = []specs.LinuxIDMapping{{HostID: uint32(os.Getegid()), Size: 1}}
	if _, err := exec.LookPath("newuidmap"); err != nil {
		return uids, gids
	}
	name := ""
	if u, err := user.LookupUid(os.Geteuid()); err == nil {
		name = u.Name
	}
	return append(uids, subordinate("/etc/subuid", name)...), append(gids, subordinate("/etc/subgid", name)...)
}

func subordinate(file, name string) (out []specs.LinuxIDMapping) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	next := uint32(1)
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) != 3 || (f[0] != name || name == "") && f[0] != strconv.Itoa(os.Geteuid()) {
			continue
		}
		first, err := strconv.ParseUint(f[1], 10, 32)
		size, err2 := strconv.ParseUint(f[2], 10, 32)
		if err == nil && err2 == nil && size > 0 && first+size <= math.MaxUint32 && uint64(next)+size <= math.MaxUint32 {
			out = append(out, specs.LinuxIDMapping{ContainerID: next, HostID: uint32(first), Size: uint32(size)})
			next += uint32(size)
		}
	}
	return out
}
