package build

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestBuildahOracle regenerates golden-buildah/; README.md explains how to run it.
func TestBuildahOracle(t *testing.T) {
	program := os.Getenv("MINIRUN_BUILDAH")
	if program == "" {
		t.Skip("MINIRUN_BUILDAH is not set: golden-buildah/ is as buildah 1.28.2 has made it")
	}
	testbundleRoot(t)
	b := newBuildah(t, program)
	paint(t, goldenBuildah, func(d *dockerfile) []string { return b.build(t, d) })
}

// buildah runs the program buildah with a separate store that has the base images.
type buildah struct {
	dir     string
	program []string
	shelf   *shelf
}

func newBuildah(t *testing.T, program string) *buildah {
	t.Helper()
	dir, err := os.MkdirTemp("", "minirun-buildah-") // t.TempDir has capital letters, which an image name may not have
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	b := &buildah{dir, []string{program, "--root", filepath.Join(dir, "root"), "--runroot", filepath.Join(dir, "run"), "--storage-driver", "vfs"}, newShelf(t)}
	for name, layout := range layouts(t) {
		link := filepath.Join(dir, name)
		id, err := "", os.Symlink(layout, link)
		if err == nil {
			id, err = b.do("pull", "--quiet", "oci:"+link)
		}
		if err == nil {
			_, err = b.do("tag", strings.TrimSpace(id), "localhost/"+name+":latest")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// do runs buildah; the error contains its output.
func (b *buildah) do(args ...string) (string, error) {
	cmd := exec.Command("timeout", slices.Concat([]string{"300"}, b.program, args)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TMPDIR="+b.dir)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		err = errors.New(said.String())
	}
	return string(out), err
}

func (b *buildah) build(t *testing.T, d *dockerfile) []string {
	t.Helper()
	dir := contextDir(t, d.files, d.script)
	plain := serve(t, dir)
	out := t.TempDir()
	args := []string{"bud", "--quiet", "--pull-never", "--isolation", "chroot", "--format", "docker", "--no-cache", "--identity-label=false", "--iidfile", filepath.Join(out, "id")}
	if !slices.Contains(d.args, "--network=none") {
		args = append(args, "--network", "host")
	}
	for _, f := range d.flags(dir) {
		if strings.HasPrefix(f, "--allow=") { // buildah never asks for permission
			continue
		}
		args = append(args, strings.ReplaceAll(f, "docker-image://", "docker-image://localhost/"))
	}
	_, err := b.do(append(args, dir)...)
	image := filepath.Join(out, "image")
	if err == nil {
		var id []byte
		if id, err = os.ReadFile(filepath.Join(out, "id")); err == nil {
			_, err = b.do("push", "--quiet", "--format", "v2s2", string(id), "dir:"+image)
		}
	}
	if err != nil {
		return []string{"fails: " + said(plain(err.Error()))}
	}
	var m oci.Manifest
	read(t, filepath.Join(image, "manifest.json"), &m)
	blob := func(d digest.Digest) string { return filepath.Join(image, d.Encoded()) }
	return comparableWithBuildah(shown(b.shelf.describe(t, &m, blob), plain))
}

// isLayerOrHistory reports whether a line differs with buildah by design: it makes one layer per stage
// and records a different history.
func isLayerOrHistory(line string) bool {
	return strings.HasPrefix(line, "layers ") || strings.HasPrefix(line, "history ")
}

// passing matches text that differs from run to run, and buildah's own data.
var passing = regexp.MustCompile(`/(var/)?tmp/[^\s:",]*|[0-9a-f]{12,}|0xc[0-9a-f]+| &imagebuilder\.Step.*`)

// said returns the last message that buildah printed, without names that differ from run to run.
func said(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for _, l := range slices.Backward(lines) {
		if strings.HasPrefix(l, "Error: ") {
			return passing.ReplaceAllString(l, "…")
		}
	}
	return passing.ReplaceAllString(lines[len(lines)-1], "…")
}

// TestBuildah: every difference between buildah's result and that of BuildKit or minirun is declared
// in differences-buildah.txt, with the reason.
func TestBuildah(t *testing.T) {
	known := declared(t, "differences-buildah.txt")
	// These families are written for BuildKit only.
	all := slices.DeleteFunc(families(t), func(f string) bool {
		return slices.Contains([]string{"random.txt", "git.txt", "system.txt"}, filepath.Base(f))
	})
	against := func(who string, theirs func(t *testing.T, family string, d *dockerfile) []string) {
		for _, family := range all {
			got := pictures(t, goldenBuildah, family)
			for _, d := range corpus(t, family) {
				t.Run(who+"/"+d.name, func(t *testing.T) {
					t.Parallel()
					compare(t, d.name, got[d.name], comparableWithBuildah(theirs(t, family, d)), known)
				})
			}
		}
	}
	golden := map[string]map[string][]string{}
	for _, family := range all {
		golden[family] = pictures(t, "golden", family)
	}
	against("BuildKit", func(_ *testing.T, family string, d *dockerfile) []string { return golden[family][d.name] })
	if os.Geteuid() == 0 {
		s, shelf := newStore(t), newShelf(t)
		against("minirun", func(t *testing.T, _ string, d *dockerfile) []string {
			lines, _ := minirunBuilds(t, s, shelf, d)
			return lines
		})
		t.Cleanup(func() { known.check(t) })
	} else {
		t.Log("skip: minirun's own pictures need root: it unpacks layers with their owners")
	}
}
