package hostfacts

import (
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// TestHostUserMapsUID checks the host's UID of process.user, with and without a user namespace.
func TestHostUserMapsUID(t *testing.T) {
	maps := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 1000, Size: 1},
		{ContainerID: 1, HostID: 100000, Size: 65535}}
	for _, c := range []struct {
		uid    uint32
		userNS bool
		maps   []specs.LinuxIDMapping
		want   int64
	}{
		{7, false, nil, 7},
		{0, true, maps, 1000},
		{1, true, maps, 100000},
		{65535, true, maps, 165534},
		{65536, true, maps, -1},
		{0, true, nil, -1}, // joins a user namespace
	} {
		s := &specs.Spec{Process: &specs.Process{User: specs.User{UID: c.uid}},
			Linux: &specs.Linux{UIDMappings: c.maps}}
		if got := HostUser(s, c.userNS); got != c.want {
			t.Errorf("uid %d, user namespace %v: %d, want %d", c.uid, c.userNS, got, c.want)
		}
	}
}
