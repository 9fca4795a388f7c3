package build

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOutputLocalStaysInDestination: files of the result are added to the existing files of the
// destination, and never written through its symbolic links; they belong to the user who builds, and
// keep all other attributes.
func TestOutputLocalStaysInDestination(t *testing.T) {
	s := newStore(t)
	result := contextDir(t, map[string]string{
		"Dockerfile": "FROM attributed\nCOPY --chown=1000:1000 tree /\n", "tree/dir/file": "new", "tree/deep/er/file": "new", "tree/file": "new", "tree/other": "new", "tree/there/new": "new",
	}, `cd tree; ln file twin; chmod 4755 other; ln -s /etc/passwd link; mkfifo fifo; mkdir -m 1777 sticky; mkdir was-file`)
	s.Do("import", attributed(t), "attributed")
	dest := contextDir(t, map[string]string{"own": "own", "there/own": "own", "was-file": "old", "victim/file": "victim"},
		`mkdir to; mv own there was-file to; ln -s ../victim to/dir; mkdir to/deep; ln -s ../../victim to/deep/er; ln -s ../victim/file to/file; chmod 700 to/there`)
	to, victim := filepath.Join(dest, "to"), filepath.Join(dest, "victim")
	before := treeOf(t, victim)
	s.build("-o", to, result)
	want := []string{
		`attr 100644 0:0 "a" 1 names`, "deep 40755 0:0", "deep/er 40755 0:0", `deep/er/file 100644 0:0 "new" 1 names`, "dir 40755 0:0", `dir/file 100644 0:0 "new" 1 names`, "fifo 10644 0:0",
		`file 100644 0:0 "new" 2 names`, "link 120777 0:0 -> /etc/passwd", `other 104755 0:0 "new" 1 names`, `own 100644 0:0 "own" 1 names`, "sticky 41777 0:0",
		"there 40700 0:0", `there/new 100644 0:0 "new" 1 names`, `there/own 100644 0:0 "own" 1 names`, `twin 100644 0:0 "new" 2 names`, "was-file 40755 0:0",
	}
	if got := treeOf(t, to); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := treeOf(t, victim); !slices.Equal(got, before) {
		t.Errorf("the targets of the destination's links are now\n%s", strings.Join(got, "\n"))
	}
	value := make([]byte, 16)
	if n, err := unix.Lgetxattr(filepath.Join(to, "attr"), "user.test", value); err != nil || string(value[:n]) != "value" {
		t.Errorf("extended attribute: %q, %v", value[:max(n, 0)], err)
	}
	again := treeOf(t, to)
	s.build("-o", "type=local,dest="+to, result)
	if got := treeOf(t, to); !slices.Equal(got, again) {
		t.Errorf("the second time\n%s", strings.Join(got, "\n"))
	}
}

// TestOutputLocalKeepsDirectories: a file of the result does not replace a directory, and in that
// case nothing else is written either.
func TestOutputLocalKeepsDirectories(t *testing.T) {
	s := newStore(t)
	result := contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY a z /\n", "a": "new", "z": "new"}, "")
	to := contextDir(t, map[string]string{"z/precious": "old"}, "")
	before := treeOf(t, to)
	r := s.Minirun("build", "-o", to, result)
	if r.Status == 0 || !strings.Contains(r.Stderr, "z is a file in the result, but a directory in the destination") {
		t.Errorf("status %d: %s", r.Status, r.Stderr)
	}
	if got := treeOf(t, to); !slices.Equal(got, before) {
		t.Errorf("the destination is now %q", got)
	}
}

// TestOutputHalfWritten: if the disk is full, no partial output is left, and what was there before is
// unchanged.
func TestOutputHalfWritten(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY a b /\n", "a": "small"}, "head -c 2000000 /dev/urandom > b")
	small := t.TempDir()
	if err := unix.Mount("tmpfs", small, "tmpfs", 0, "size=1m"); err != nil {
		t.Skip("no tmpfs can be mounted: ", err)
	}
	defer func() { _ = unix.Unmount(small, unix.MNT_DETACH) }()
	old := filepath.Join(small, "old")
	if err := os.WriteFile(old, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(small, "there"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, output := range []string{
		"type=tar,dest=" + old, "type=oci,dest=" + old, "type=docker,dest=" + small + "/new", "type=oci,tar=false,dest=" + small + "/layout", "type=oci,tar=false,dest=" + small + "/there",
		"type=local,dest=" + small, "type=local,dest=" + small + "/a/b/c",
	} {
		r := s.Minirun("build", "-o", output, dir)
		if r.Status == 0 || !strings.Contains(r.Stderr, "no space left on device") {
			t.Errorf("%s: status %d: %s", output, r.Status, r.Stderr)
		}
		checkOnly(t, small, "old", "there")
		checkOnly(t, filepath.Join(small, "there"))
		if text, err := os.ReadFile(old); string(text) != "old" {
			t.Errorf("%s: the existing file is now %q, %v", output, text, err)
		}
	}
	failing := contextDir(t, map[string]string{"Dockerfile": "FROM base\nRUN false\n"}, "")
	if r := s.Minirun("build", "-o", "type=tar,dest="+old, "--iidfile", small+"/id", "--metadata-file", small+"/metadata", failing); r.Status == 0 {
		t.Error("RUN false has built")
	}
	checkOnly(t, small, "old", "there")
}

// TestOutputToStandardOutput: archives are written to standard output.
func TestOutputToStandardOutput(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY f /f\n", "f": "content\n"}, "")
	for _, output := range []string{"-", "type=tar", "type=oci", "type=docker,dest=-"} {
		r := s.Minirun("build", "-o", output, dir)
		r.Exit(t, 0)
		file := filepath.Join(t.TempDir(), "out.tar")
		if err := os.WriteFile(file, []byte(r.Stdout), 0o644); err != nil {
			t.Fatal(err)
		}
		list, err := exec.Command("tar", "-tf", file).Output()
		if want := map[bool]string{true: "oci-layout\n", false: "f\n"}[strings.Contains(output, "oci") || strings.Contains(output, "docker")]; err != nil || !strings.Contains(string(list), want) {
			t.Errorf("%s: %q, %v", output, list, err)
		}
	}
}
