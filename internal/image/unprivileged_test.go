package image

import (
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// TestUnprivileged: IDs that the user namespace does not map are left out. It is an error if one of
// them is the container's user.
func TestUnprivileged(t *testing.T) {
	ids := func(more uint32) []specs.LinuxIDMapping {
		return []specs.LinuxIDMapping{{HostID: 54321, Size: 1}, {ContainerID: 1, HostID: 100000, Size: more}}
	}
	for name, c := range map[string]struct {
		gids   []specs.LinuxIDMapping
		groups []uint32
		tty    bool
	}{
		"one group":     {ids(0)[:1], []uint32{0}, false},
		"some groups":   {ids(4), []uint32{0, 1, 4}, false},
		"the group tty": {ids(5), []uint32{0, 1, 4, 5}, true},
	} {
		config := Defaults()
		config.Process.User.AdditionalGids = []uint32{0, 1, 4, 5, 6}
		if err := Unprivileged(config, ids(1), c.gids, false); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := config.Process.User.AdditionalGids; !slices.Equal(got, c.groups) {
			t.Errorf("%s: additional groups %v, want %v", name, got, c.groups)
		}
		tty := slices.ContainsFunc(config.Mounts, func(m specs.Mount) bool {
			return m.Type == "devpts" &&
				slices.Contains(m.Options, "gid=5")
		})
		if tty != c.tty {
			t.Errorf("%s: terminals of the group tty: %v", name, tty)
		}
	}
	for field, user := range map[string]specs.User{"uid 2": {UID: 2}, "gid 2": {GID: 2}} {
		config := Defaults()
		config.Process.User = user
		err := Unprivileged(config, ids(1), ids(1), false)
		if err == nil || !strings.Contains(err.Error(),
			"does not map "+field+": user 54321 has no range of IDs in /etc/subuid") {
			t.Errorf("%s: %v", field, err)
		}
	}
}
