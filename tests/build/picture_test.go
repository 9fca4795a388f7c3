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
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	docker "github.com/moby/docker-image-spec/specs-go/v1"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/image/layer"
	"github.com/minirun/minirun/internal/image/merge"
)

// picture describes the image of an OCI archive: a line a file, its configuration,
// its history. Files of the base image, which are old and in its first layer, are
// left out.
func picture(t testing.TB, archive string) []string {
	t.Helper()
	dir := t.TempDir()
	untar(t, archive, dir)
	var index oci.Index
	read(t, filepath.Join(dir, "index.json"), &index)
	var m oci.Manifest
	read(t, blob(dir, index.Manifests[0]), &m)
	for m.Config.Digest == "" { // an index in the index
		var inner oci.Index
		read(t, blob(dir, index.Manifests[0]), &inner)
		index = inner
		read(t, blob(dir, index.Manifests[0]), &m)
	}
	var config docker.DockerOCIImage
	read(t, blob(dir, m.Config), &config)
	var layers []string
	for i, l := range m.Layers {
		to := filepath.Join(dir, fmt.Sprint("layer", i))
		if err := os.Mkdir(to, 0o755); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(blob(dir, l))
		if err != nil {
			t.Fatal(err)
		}
		r, err := layer.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := layer.Apply(context.Background(), to, r, layer.Options{Parents: slices.Clone(layers)}); err != nil {
			t.Fatalf("layer %d: %v", i, err)
		}
		r.Close()
		f.Close()
		layers = append(layers, to)
	}
	var out []string
	if len(layers) > 0 {
		tree, err := merge.Open(layers, false)
		if err != nil {
			t.Fatal(err)
		}
		out = files(t, fmt.Sprintf("/proc/self/fd/%d/.", tree.Fd()))
		tree.Close()
	}
	return append(out, settings(t, &config)...)
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

// files describes a tree. A time is shown if somebody has given it: those of what
// a build makes differ from one to the next.
func files(t testing.TB, root string) (out []string) {
	t.Helper()
	links := map[uint64]string{}
	base := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		name := "/" + strings.TrimPrefix(strings.TrimPrefix(path, filepath.Clean(root)), "/")
		if st.Mtim.Sec == base && strings.HasPrefix(name, "/bin/") {
			return nil
		}
		line := fmt.Sprintf("%s %o %d:%d", name, st.Mode, st.Uid, st.Gid)
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %d %.6x", len(text), sha256.Sum256(text))
			if len(text) < 60 {
				line += fmt.Sprintf(" %q", text)
			}
			if st.Mtim.Sec < old.Unix() {
				line += " " + time.Unix(st.Mtim.Sec, 0).UTC().Format(time.DateOnly)
			}
			if first, ok := links[st.Ino]; ok {
				line += " is " + first
			} else if st.Nlink > 1 {
				links[st.Ino] = name
			}
		case unix.S_IFLNK:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			line += " -> " + target
		}
		for _, x := range []string{"user.test", "security.capability"} {
			value := make([]byte, 64)
			if n, err := unix.Lgetxattr(path, x, value); err == nil {
				line += fmt.Sprintf(" %s=%q", x, value[:n])
			}
		}
		out = append(out, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

// settings are the configuration and the history.
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
	out = append(out, "platform "+c.OS+"/"+c.Architecture, "author "+c.Author)
	for _, h := range c.History {
		line := "history " + fmt.Sprintf("%q", h.CreatedBy)
		if h.EmptyLayer {
			line += " empty"
		}
		if !strings.Contains(line, "minirun import") {
			out = append(out, line)
		}
	}
	return out
}
