package filecopy

import (
	"strings"
	"testing"
)

// TestParseChmod: the mode that --chmod gives a file or a directory.
func TestParseChmod(t *testing.T) {
	const isDir = true
	for _, c := range []struct {
		flag string
		mode uint32
		dir  bool
		want uint32
	}{
		{"755", 0o644, false, 0o755}, {"0", 0o644, false, 0}, {"7777", 0, false, 0o7777}, {"04755", 0, isDir, 0o4755},
		{"u=rwx", 0o644, false, 0o744}, {"u=rwx,go=r", 0o777, false, 0o744}, {"a=r", 0o755, false, 0o444},
		{"=r", 0o755, false, 0o444},
		{"+x", 0o644, false, 0o755}, {"go-w", 0o666, false, 0o644}, {"o=", 0o777, false, 0o770},
		{"u+s", 0o755, false, 0o4755}, {"g+s", 0o755, isDir, 0o2755}, {"o+t", 0o755, isDir, 0o1755},
		{"u=rw", 0o4755, false, 0o655},
		{"a+X", 0o644, false, 0o644}, {"a+X", 0o744, false, 0o755}, {"a+X", 0o644, isDir, 0o755},
		{"u=rwX,go=rX", 0o600, isDir, 0o755},
		{"g=u", 0o740, false, 0o770}, {"o=g", 0o750, false, 0o755}, {"u=g-w", 0o070, false, 0o570},
		{"u+r-w", 0o200, false, 0o400},
	} {
		change, err := ParseChmod(c.flag)
		if err != nil {
			t.Errorf("%s: %v", c.flag, err)
			continue
		}
		if got := change(c.mode, c.dir); got != c.want {
			t.Errorf("--chmod=%s of %04o (directory: %t) is %04o, want %04o", c.flag, c.mode, c.dir, got, c.want)
		}
	}
}

func TestParseChmodRejects(t *testing.T) {
	for flag, want := range map[string]string{
		"10000": "between 0 and 07777", "": "octal", "abc": "octal", "u": "octal", "z+r": "'z' is not one of u",
		"u+q": "'q' is not one of r", "u=r,": "octal", "888": "octal",
	} {
		if _, err := ParseChmod(flag); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("--chmod=%s: %v, want %q", flag, err, want)
		}
	}
}
