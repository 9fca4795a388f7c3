package build

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	docker "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/image/layer"
	"github.com/minirun/minirun/internal/image/overlay"
)

// picture describes the image in an OCI archive: one line per file, its configuration, its history.
func (s *shelf) picture(t testing.TB, archive string) []string {
	t.Helper()
	m, at := open(t, archive)
	return s.describe(t, m, at)
}

// open unpacks an OCI archive, and returns the manifest of its image and a function that returns the
// path of a blob.
func open(t testing.TB, archive string) (*oci.Manifest, func(digest.Digest) string) {
	t.Helper()
	dir := t.TempDir()
	untar(t, archive, dir)
	at := func(d digest.Digest) string { return filepath.Join(dir, "blobs", "sha256", d.Encoded()) }
	var index oci.Index
	read(t, filepath.Join(dir, "index.json"), &index)
	var m oci.Manifest
	read(t, at(index.Manifests[0].Digest), &m)
	for m.Config.Digest == "" { // an index within the index
		var inner oci.Index
		read(t, at(index.Manifests[0].Digest), &inner)
		index = inner
		read(t, at(index.Manifests[0].Digest), &m)
	}
	return &m, at
}

// A shelf holds the lowest layers of images, unpacked: nearly all images have the same one.
type shelf struct {
	dir    string
	mu     sync.Mutex
	lowest map[digest.Digest]string
}

func newShelf(t testing.TB) *shelf {
	return &shelf{dir: t.TempDir(), lowest: map[digest.Digest]string{}}
}

// describe unpacks an image whose blobs are at the paths that at returns.
func (s *shelf) describe(t testing.TB, m *oci.Manifest, at func(digest.Digest) string) []string {
	t.Helper()
	dir := t.TempDir()
	var config docker.DockerOCIImage
	read(t, at(m.Config.Digest), &config)
	var layers []string
	for i, l := range m.Layers {
		if i == 0 {
			layers = append(layers, s.lowestLayer(t, l.Digest, at))
			continue
		}
		to := filepath.Join(dir, fmt.Sprint("layer", i))
		unpack(t, at(l.Digest), to, layers)
		layers = append(layers, to)
	}
	var out []string
	if len(layers) > 0 {
		tree, err := overlay.Open(layers, false)
		if err != nil {
			t.Fatal(err)
		}
		out = files(t, fmt.Sprintf("/proc/self/fd/%d/.", tree.Fd()))
		tree.Close()
	}
	return append(append(out, fmt.Sprint("layers ", len(layers))), settings(t, &config)...)
}

// lowestLayer unpacks the lowest layer of an image, once, and returns its directory.
func (s *shelf) lowestLayer(t testing.TB, d digest.Digest, at func(digest.Digest) string) string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.lowest[d]; ok {
		return known
	}
	to := filepath.Join(s.dir, d.Encoded())
	unpack(t, at(d), to, nil)
	s.lowest[d] = to
	return to
}

func unpack(t testing.TB, blob, to string, parents []string) {
	t.Helper()
	if err := os.Mkdir(to, 0o755); err != nil {
		t.Fatal(err)
	}
	withLayer(t, blob, func(r io.Reader) error {
		_, err := layer.Apply(context.Background(), to, r, layer.Options{Parents: slices.Clone(parents)})
		return err
	})
}

// withLayer calls read with the uncompressed archive of a layer.
func withLayer(t testing.TB, blob string, read func(io.Reader) error) {
	t.Helper()
	f, err := os.Open(blob)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := layer.NewReader(context.Background(), f)
	if err == nil {
		defer r.Close()
		err = read(r)
	}
	if err != nil {
		t.Fatalf("%s: %v", blob, err)
	}
}

func blob(dir string, d oci.Descriptor) string {
	return filepath.Join(dir, "blobs", "sha256", d.Digest.Encoded())
}

func read(t testing.TB, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func untar(t testing.TB, archive, dir string) {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, filepath.Clean("/"+h.Name))
		if h.Typeflag == tar.TypeDir {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		out, err := os.Create(path)
		if err == nil {
			_, err = io.Copy(out, r)
		}
		if err := errors.Join(err, out.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// files describes a tree: kinds, modes, owners, sizes, contents, links, attributes. A time is shown
// only if it was set explicitly: the times of files that a build creates differ from build to build.
// The programs of the base image are listed only if they are changed or deleted, one line each.
func files(t testing.TB, root string) (out []string) {
	t.Helper()
	links := map[uint64]string{}
	unchanged := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		name := "/" + strings.TrimPrefix(strings.TrimPrefix(path, filepath.Clean(root)), "/")
		line, err := file(path, name, &st)
		if err != nil {
			return err
		}
		if program, ok := strings.CutPrefix(name, "/bin/"); ok && slices.Contains(baseProgram, strings.TrimPrefix(line, name)) {
			unchanged[program] = true
			return nil
		}
		if first, ok := links[st.Ino]; ok {
			line += " is " + first
		} else if st.Nlink > 1 && st.Mode&unix.S_IFMT != unix.S_IFDIR {
			links[st.Ino] = name
		}
		out = append(out, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if programs := basePrograms(t); len(unchanged) > len(programs)/2 {
		for _, p := range programs {
			if name := "/bin/" + p; !unchanged[p] && !slices.ContainsFunc(out, func(l string) bool { return strings.HasPrefix(l, name+" ") }) {
				out = append(out, name+" is gone")
			}
		}
	}
	slices.Sort(out)
	return out
}

// baseProgram is the description that file returns for a program created by baseArchive.
var baseProgram = []string{" 120777 0:0 -> busybox 2020-01-01", " 100755 0:0 busybox 2020-01-01"}

// file describes one file. The contents of busybox depend on the machine.
func file(path, name string, st *unix.Stat_t) (line string, err error) {
	line = fmt.Sprintf("%s %o %d:%d", name, st.Mode, st.Uid, st.Gid)
	if strings.ContainsAny(name, " \n\"\\") {
		line = fmt.Sprintf("%q %o %d:%d", name, st.Mode, st.Uid, st.Gid)
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		if name == "/bin/busybox" {
			line += " busybox"
			break
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		line += fmt.Sprintf(" %d %.6x", len(text), sha256.Sum256(text))
		if len(text) < 60 {
			line += fmt.Sprintf(" %q", text)
		}
	case unix.S_IFLNK:
		target, err := os.Readlink(path)
		if err != nil {
			return "", err
		}
		line += " -> " + target
	case unix.S_IFCHR, unix.S_IFBLK:
		line += fmt.Sprintf(" device %d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev))
	}
	if st.Mtim.Sec < old.Unix() {
		line += " " + time.Unix(st.Mtim.Sec, 0).UTC().Format(time.DateOnly)
	}
	names := make([]byte, 4096)
	n, err := unix.Llistxattr(path, names)
	if err != nil {
		return "", err
	}
	list := strings.FieldsFunc(string(names[:n]), func(r rune) bool { return r == 0 })
	slices.Sort(list)
	for _, x := range list {
		if strings.Contains(x, ".overlay.") || x == "security.selinux" { // belongs to the merged tree
			continue
		}
		value := make([]byte, 1024)
		n, err := unix.Lgetxattr(path, x, value)
		if err != nil {
			return "", err
		}
		line += fmt.Sprintf(" %s=%q", x, value[:n])
	}
	return line, nil
}

// settings returns the configuration and the history. A comment in which an image tool describes
// itself is a separate line.
func settings(t testing.TB, c *docker.DockerOCIImage) (out []string) {
	t.Helper()
	text, err := json.Marshal(c.Config)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatal(err)
	}
	for name, value := range fields {
		if string(value) != "null" && string(value) != "false" {
			out = append(out, "config "+name+" "+string(value))
		}
	}
	slices.Sort(out)
	out = append(out, strings.TrimRight(fmt.Sprintf("platform %s/%s/%s %s", c.OS, c.Architecture, c.Variant, c.OSVersion), "/ "), "author "+c.Author)
	comments := map[string]int{}
	for _, h := range c.History {
		line := "history " + fmt.Sprintf("%q", h.CreatedBy)
		if h.Author != "" {
			line += fmt.Sprintf(" author %q", h.Author)
		}
		if h.EmptyLayer {
			line += " empty"
		}
		if h.Comment != "" {
			comments[h.Comment]++
		}
		out = append(out, line)
	}
	for _, comment := range slices.Sorted(maps.Keys(comments)) {
		out = append(out, fmt.Sprintf("history has %d × %q", comments[comment], comment))
	}
	return out
}
