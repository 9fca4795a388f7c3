package image

import (
	"os"
	"path/filepath"
	"testing"
)

// TestLookUpOwner checks the owners of files that COPY and WORKDIR create against BuildKit's.
func TestLookUpOwner(t *testing.T) {
	whole, noPasswd, noGroup := t.TempDir(), t.TempDir(), t.TempDir()
	passwd, group := "root:x:0:0::/:\nuser:x:50:60::/:\n", "root:x:0:\ngroup:x:70:\n"
	for file, text := range map[string]string{
		whole + "/etc/passwd": passwd, whole + "/etc/group": group, noGroup + "/etc/passwd": passwd, noPasswd +
			"/etc/group": group,
	} {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		layers   Stack
		who      string
		uid, gid uint32
		unknown  bool
	}{
		{Stack{whole}, "", 0, 0, false}, {Stack{whole}, ":", 0, 0, false}, {Stack{whole}, "50", 50, 50,
			false}, {Stack{whole}, "50:", 50, 50, false},
		{Stack{whole}, "user", 50, 60, false}, {Stack{whole}, "user:", 50, 60, false}, {Stack{whole}, "user:group", 50,
			70, false},
		{Stack{whole}, ":group", 0, 70, false}, {Stack{whole}, "51:group", 51, 70, false}, {Stack{whole}, "user:7", 50,
			7, false},
		{Stack{whole}, "other", 0, 0, true}, {Stack{whole}, "user:other", 50, 60, true}, {Stack{whole}, "other:group",
			0, 70, true},
		{Stack{whole}, "51:other", 51, 51, true},
		{Stack{noPasswd}, "user", 0, 0, false}, {Stack{noPasswd}, "user:group", 0, 70, false}, {Stack{noPasswd},
			"user:other", 0, 0, true},
		{Stack{noGroup}, "user:group", 50, 60, false}, {Stack{noGroup}, "50:group", 50, 50, false},
		{nil, "root", 0, 0, false}, {nil, "root:root", 0, 0, false}, {nil, "7:root", 7, 0, false}, {nil, "7:8", 7, 8,
			false}, {nil, "7", 7, 7, false},
	} {
		got, err := LookUpOwner(c.layers, c.who)
		if err != nil || got.UID != c.uid || got.GID != c.gid || (got.Unknown != nil) != c.unknown {
			t.Errorf("%s of %v: %+v, %v, want %d:%d, unknown %t", c.who, c.layers, got, err, c.uid, c.gid, c.unknown)
		}
	}
	for _, c := range []struct {
		layers Stack
		who    string
	}{{nil, "user"}, {nil, "7:group"}, {Stack{whole}, "-1"}, {Stack{whole}, "4294967296"}, {Stack{whole},
		"user:4294967295"}} {
		if got, err := LookUpOwner(c.layers, c.who); err == nil {
			t.Errorf("%s of %v: %+v, want an error", c.who, c.layers, got)
		}
	}
}
