package image

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// AddGroups adds groups, given as numbers or as names of the image's /etc/group, to a list.
func AddGroups(s Stack, list []uint32, groups []string) ([]uint32, error) {
	var text []byte
	for _, g := range groups {
		id, err := strconv.ParseUint(g, 10, 31)
		if err != nil {
			if text == nil {
				if text, err = s.ReadFile("/etc/group", maxUsers); err != nil {
					return nil, fmt.Errorf("group %q: %w", g, err)
				}
			}
			var ok bool
			if id, ok = groupID(string(text), g); !ok {
				return nil, fmt.Errorf("group %q does not exist (in the image's /etc/group)\n"+
					"hint: give its number", g)
			}
		}
		if !slices.Contains(list, uint32(id)) {
			list = append(list, uint32(id))
		}
	}
	return list, nil
}

// groupID looks up a group in the text of /etc/group.
func groupID(text, name string) (uint64, bool) {
	for line := range strings.Lines(text) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		if len(fields) < 3 || fields[0] != name {
			continue
		}
		id, err := strconv.ParseUint(fields[2], 10, 31)
		return id, err == nil
	}
	return 0, false
}
