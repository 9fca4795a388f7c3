package namespaces

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Lines returns the lines for uid_map or gid_map (user_namespaces(7)).
func Lines(maps []specs.LinuxIDMapping) []string {
	out := make([]string, len(maps))
	for i, m := range maps {
		out[i] = fmt.Sprintf("%d %d %d", m.ContainerID, m.HostID, m.Size)
	}
	return out
}

// WriteMaps writes the ID maps of the process pid, which has just created its user
// namespace. Without privilege it uses newuidmap(1) and newgidmap(1), or, for a map of
// only the user's own ID, writes it after denying setgroups (user_namespaces(7)).
func WriteMaps(pid int, uids, gids []specs.LinuxIDMapping, rootless bool) error {
	if !rootless {
		if err := writeMap(pid, "uid_map", uids); err != nil {
			return err
		}
		return writeMap(pid, "gid_map", gids)
	}
	if err := mapUnprivileged(pid, "newuidmap", "uid_map", uids, os.Geteuid()); err != nil {
		return err
	}
	return mapUnprivileged(pid, "newgidmap", "gid_map", gids, os.Getegid())
}

func writeMap(pid int, file string, maps []specs.LinuxIDMapping) error {
	if len(maps) == 0 {
		return nil
	}
	return WriteLines(pid, file, Lines(maps))
}

// WriteLines writes uid_map or gid_map of the process pid.
func WriteLines(pid int, file string, lines []string) error {
	return writeProc(pid, file, strings.Join(lines, "\n")+"\n")
}

func writeProc(pid int, file, value string) error {
	path := "/proc/" + strconv.Itoa(pid) + "/" + file
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		_, err = unix.Write(fd, []byte(value))
		unix.Close(fd)
	}
	if err != nil {
		return fmt.Errorf("write %q to %s: %w", strings.TrimSpace(value), path, err)
	}
	return nil
}

// isOwnID reports whether a map contains only the user's own ID, which the user may
// write without a helper.
func isOwnID(maps []specs.LinuxIDMapping, self int) bool {
	return len(maps) == 1 && maps[0].Size == 1 && int(maps[0].HostID) == self
}

func mapUnprivileged(pid int, helper, file string, maps []specs.LinuxIDMapping, self int) error {
	if len(maps) == 0 {
		return nil
	}
	if isOwnID(maps, self) {
		if file == "gid_map" {
			if err := writeProc(pid, "setgroups", "deny"); err != nil {
				return err
			}
		}
		return writeMap(pid, file, maps)
	}
	path, err := exec.LookPath(helper)
	if err != nil {
		return fmt.Errorf("cannot map %v without privilege: %w\nhint: install %s (Debian: apt-get install uidmap)",
			Lines(maps), err, helper)
	}
	args := []string{strconv.Itoa(pid)}
	for _, line := range Lines(maps) {
		args = append(args, strings.Fields(line)...)
	}
	if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s\nhint: compare the user's ranges in /etc/subuid and /etc/subgid; if they are "+
			"right, %[1]s may have lost its privileges: sudo apt-get install --reinstall uidmap", helper,
			strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// WriteTimeOffsets writes the offsets of the time namespace that pid has created for
// its children (time_namespaces(7)).
func WriteTimeOffsets(pid int, offsets map[string]specs.LinuxTimeOffset) error {
	return writeProc(pid, "timens_offsets", timeOffsetLines(offsets))
}

func timeOffsetLines(offsets map[string]specs.LinuxTimeOffset) string {
	var lines strings.Builder
	for _, clock := range [2]string{"monotonic", "boottime"} {
		if o, ok := offsets[clock]; ok {
			fmt.Fprintf(&lines, "%s %d %d\n", clock, o.Secs, o.Nanosecs)
		}
	}
	return lines.String()
}

// ErrNotNamespace means that a path refers to something else, such as the file that a
// namespace was mounted on.
var ErrNotNamespace = errors.New("is not a namespace")

// OpenNamespace opens a namespace given by path and checks that it is of the requested
// kind.
func OpenNamespace(path string, flag uintptr) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	f := os.NewFile(uintptr(fd), path)
	kind, err := unix.IoctlRetInt(fd, unix.NS_GET_NSTYPE)
	switch {
	case errors.Is(err, unix.ENOTTY), errors.Is(err, unix.EINVAL):
		err = fmt.Errorf("%s %w", path, ErrNotNamespace)
	case err == nil && uintptr(kind) != flag:
		err = fmt.Errorf("%s is a namespace of a different kind", path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
