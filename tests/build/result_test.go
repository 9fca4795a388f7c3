package build

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	docker "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/image/layer"
	"github.com/minirun/minirun/internal/tartest"
)

// A result is an OCI image layout written by a build.
type result struct {
	t     testing.TB
	dir   string
	top   oci.Descriptor // in index.json
	index oci.Index      // the index that top refers to, if it is an index
}

// openResult reads an archive or a directory.
func openResult(t testing.TB, path string) *result {
	t.Helper()
	r := &result{t: t, dir: path}
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		r.dir = t.TempDir()
		untar(t, path, r.dir)
	}
	var index oci.Index
	read(t, filepath.Join(r.dir, "index.json"), &index)
	if len(index.Manifests) == 0 {
		t.Fatalf("%s: index.json names nothing", path)
	}
	r.top = index.Manifests[0]
	if r.top.MediaType == oci.MediaTypeImageIndex {
		r.read(r.top, &r.index)
	}
	return r
}

func (r *result) read(d oci.Descriptor, into any) {
	r.t.Helper()
	read(r.t, blob(r.dir, d), into)
}

// manifest returns the manifest of a platform; "" selects the only one.
func (r *result) manifest(platform string) (m oci.Manifest) {
	r.t.Helper()
	d := r.top
	if r.index.Manifests != nil {
		d = r.descriptor(platform)
	}
	r.read(d, &m)
	return m
}

func (r *result) descriptor(platform string) oci.Descriptor {
	r.t.Helper()
	for _, d := range r.index.Manifests {
		if p := d.Platform; p != nil && p.OS+"/"+p.Architecture == platform {
			return d
		}
	}
	r.t.Fatalf("there is no %s in %+v", platform, r.index.Manifests)
	return oci.Descriptor{}
}

func (r *result) config(m oci.Manifest) (c docker.DockerOCIImage) {
	r.t.Helper()
	r.read(m.Config, &c)
	return c
}

// plain returns the uncompressed archive of a layer.
func (r *result) plain(d oci.Descriptor) []byte {
	r.t.Helper()
	f, err := os.Open(blob(r.dir, d))
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	reader, err := layer.NewReader(context.Background(), f)
	if err != nil {
		r.t.Fatal(err)
	}
	defer reader.Close()
	text, err := io.ReadAll(reader)
	if err != nil {
		r.t.Fatal(err)
	}
	return text
}

// build runs a build, and returns its standard error.
func (s *store) build(args ...string) string {
	s.T.Helper()
	r := s.Minirun(append([]string{"build", "--progress", "plain"}, args...)...)
	if r.Status != 0 {
		s.T.Fatalf("minirun build %s: status %d: %s%s", strings.Join(args, " "), r.Status, r.Stdout, r.Stderr)
	}
	return r.Stderr
}

// treeOf describes a directory of the host: types, modes, owners, links, contents.
func treeOf(t testing.TB, dir string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		line := fmt.Sprintf("%s %o %d:%d", strings.TrimPrefix(path, dir+"/"), st.Mode, st.Uid, st.Gid)
		switch {
		case d.Type().IsRegular():
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %q %d names", text, st.Nlink)
		case d.Type() == fs.ModeSymlink:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			line += " -> " + target
		}
		out = append(out, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// attributed returns an archive with a file that has an extended attribute.
func attributed(t testing.TB) string {
	t.Helper()
	name, h := filepath.Join(t.TempDir(), "attributed.tar"), tartest.File("attr", "a")
	h.PAXRecords = map[string]string{"SCHILY.xattr.user.test": "value"}
	if err := os.WriteFile(name, tartest.Archive(t, old, h), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func digestOf(text []byte) string { return digest.FromBytes(text).String() }
