package control

import (
	"errors"
	"os"
	"strings"
	"testing"
)

func TestListSkipsWhatIsNotAContainer(t *testing.T) {
	root := t.TempDir()
	if all, err := List(root+"/none", nil); all != nil || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a root that is not there: %v, %v", all, err)
	}
	// Being created or deleted, not a container's, and damaged: only the last one is reported.
	for _, dir := range []string{"/creating", "/damaged", "/not an ID"} {
		if err := os.Mkdir(root+dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(root+"/damaged/state.json", []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(root+"/file", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	var told []string
	all, err := List(root, func(w any) { told = append(told, w.(error).Error()) })
	if len(all) != 0 || err != nil || len(told) != 1 || !strings.Contains(told[0], "damaged") {
		t.Errorf("%v, %v, told %q", all, err, told)
	}
}
