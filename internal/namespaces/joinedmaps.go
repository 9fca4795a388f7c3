package namespaces

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// CheckMaps compares mappings of config.json with those of the user namespace that the
// process pid has joined. The errors name the fields. Mappings that config.json omits
// are not compared.
func CheckMaps(pid int, uids, gids []specs.LinuxIDMapping) error {
	for _, m := range []struct {
		file, field string
		want        []specs.LinuxIDMapping
	}{{"uid_map", "linux.uidMappings", uids}, {"gid_map", "linux.gidMappings", gids}} {
		if len(m.want) == 0 {
			continue
		}
		got, err := readMap(pid, m.file)
		if err != nil {
			return fmt.Errorf("config.json: %s: %w", m.field, err)
		}
		if !sameMappings(m.want, got) {
			return fmt.Errorf("config.json: %s: must be the mapping of the joined user namespace, %s, or be omitted, "+
				"got %s",
				m.field, strings.Join(Lines(got), ", "), strings.Join(Lines(m.want), ", "))
		}
	}
	return nil
}

// self is the PID that stands for this process.
const self = 0

// readMap reads the uid_map or gid_map of a process. The host's IDs are those of the
// parent namespace, or of the reader's if that is a different one
// (user_namespaces(7)).
func readMap(pid int, file string) (out []specs.LinuxIDMapping, err error) {
	dir := "self"
	if pid != self {
		dir = strconv.Itoa(pid)
	}
	path := "/proc/" + dir + "/" + file
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if out, err = parseMap(string(text)); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return out, nil
}

// parseMap parses the lines of uid_map or gid_map.
func parseMap(text string) (out []specs.LinuxIDMapping, err error) {
	for line := range strings.Lines(text) {
		var m specs.LinuxIDMapping
		if _, err := fmt.Sscan(line, &m.ContainerID, &m.HostID, &m.Size); err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		out = append(out, m)
	}
	return out, nil
}

// sameMappings compares two maps, whatever the order of their lines.
func sameMappings(a, b []specs.LinuxIDMapping) bool { return slices.Equal(sortMap(a), sortMap(b)) }

// sortMap returns a copy sorted by container ID: the kernel does not preserve the order
// of more than five lines.
func sortMap(maps []specs.LinuxIDMapping) []specs.LinuxIDMapping {
	return slices.SortedFunc(slices.Values(maps),
		func(a, b specs.LinuxIDMapping) int { return cmp.Compare(a.ContainerID, b.ContainerID) })
}
