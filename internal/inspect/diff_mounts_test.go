package inspect

import (
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// TestDiffWithoutMountPoints: mount points that the runtime created are not changes of the container.
func TestDiffWithoutMountPoints(t *testing.T) {
	mounts := []specs.Mount{{Destination: "/proc"}, {Destination: "/etc/hosts"}, {Destination: "/srv/data/"}, {Destination: "/opt/x"}}
	changes := []Written{
		{What: "changed", Path: "/etc"}, {What: "new", Path: "/etc/hosts"}, {What: "new", Path: "/etc/mine"},
		{What: "changed", Path: "/opt"}, {What: "new", Path: "/opt/x"}, {What: "new", Path: "/proc"},
		{What: "new", Path: "/srv"}, {What: "new", Path: "/srv/data"}, {What: "new", Path: "/srv/data/file"},
	}
	var got []string
	for _, c := range WithoutMountPoints(changes, mounts) {
		got = append(got, c.Path)
	}
	if want := "/etc /etc/mine /srv /srv/data /srv/data/file"; strings.Join(got, " ") != want {
		t.Errorf("%s, want %s", got, want)
	}
}
