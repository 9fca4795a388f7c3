package group

import (
	"testing"

	"github.com/minirun/minirun/internal/cgroups/host"
)

func TestDeleteRefusesRoots(t *testing.T) {
	h, err := host.Detect()
	if err != nil {
		t.Skip(err)
	}
	root := h.V2
	if root == nil {
		root = &h.V1[0]
	}
	if checkNotRoot(root.Mount) == nil {
		t.Fatal("the root of a hierarchy would be deleted")
	}
	if checkNotRoot("/tmp") == nil {
		t.Fatal("a directory that is not a cgroup would be deleted")
	}
}
