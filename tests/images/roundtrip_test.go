package images

import (
	"archive/tar"
	"os"
	"path/filepath"
	"strings"
	"testing"

	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/tests/testbundle"
)

// Round trips: what minirun writes (an archive, a layout, a repository in a registry) is processed by
// another program and read back. What that program preserves must be equal: the manifest's digest if
// it copies the manifest, the image's ID if it copies the configuration, and always the files.

// roundTripImage creates an image with everything that tools treat differently: deleted files, an
// opaque directory, hard and symbolic links, special modes, owners, an attribute, an empty layer, and
// the same layer twice.
func roundTripImage(t testing.TB, l *layout) oci.Descriptor {
	t.Helper()
	config := runs("sh", "-c", "echo hello")
	config.Env, config.Labels = []string{"A=b", "PATH=/bin"}, map[string]string{"label": "<&>"}
	again := layer{entries: []tar.Header{file("again", "again")}}
	return l.add("app", config, busybox(t), layer{entries: []tar.Header{
		dir("d"), file("d/one", "1"), hard("d/two", "d/one"), link("d/link", "../etc"), file("gone", ""),
		with(file("d/setuid", "x"), func(h *tar.Header) { h.Mode, h.Uid, h.Gid = 0o4755, 1000, 2000 }),
		with(file("d/attribute", "x"), func(h *tar.Header) { h.PAXRecords = map[string]string{"SCHILY.xattr.user.a": "b"} }),
		with(dir("tmp"), func(h *tar.Header) { h.Mode = 0o1777 }), dir("opaque"), file("opaque/below", ""),
	}}, again, layer{}, layer{entries: []tar.Header{file(".wh.gone", ""), dir("opaque"), file("opaque/.wh..wh..opq", ""), file("opaque/above", "")}}, again)
}

// filesOf returns the files of an image. The time of a directory that a layer changes without listing
// it is not defined by the image.
func filesOf(t testing.TB, s *store, image string) map[string]string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "rootfs")
	s.Do("unpack", image, out)
	return stripTimes(tree(t, out), map[string]bool{"/": true})
}

// A toolRoundTrip is a source store with the image, the files and repository it wrote, and a
// directory for the other program.
type toolRoundTrip struct {
	*store
	image      oci.Descriptor
	archive    string // of save -o
	dir        string // of save --dir
	registry   string
	repository string // its repository with the pushed image
	aside      string
}

func (r *toolRoundTrip) podman(args ...string) string {
	r.T.Helper()
	return tool(r.T, "podman", append([]string{"--root", filepath.Join(r.Host, "podman"), "--runroot", filepath.Join(r.Host, "podman-run"), "--storage-driver", "vfs"}, args...)...)
}

const roundTripName = "docker.io/library/app:latest"

// TestRoundTripsThroughOtherTools: skopeo, umoci and podman read what minirun writes, and minirun
// reads what they write from it.
func TestRoundTripsThroughOtherTools(t *testing.T) {
	host := testbundle.Registry(t)
	insecure := []string{"copy", "-q", "--insecure-policy", "--src-tls-verify=false", "--dest-tls-verify=false"}
	skopeo := func(r *toolRoundTrip, from, to string, flags ...string) {
		r.T.Helper()
		tool(r.T, "skopeo", append(append(append([]string{}, insecure...), flags...), from, to)...)
	}
	load := func(r *toolRoundTrip, back *store, from string) string {
		r.T.Helper()
		back.Do("load", "-q", "--name", "back", from)
		return "back"
	}
	pull := func(r *toolRoundTrip, back *store, from string) string {
		r.T.Helper()
		back.Do("pull", "-q", from)
		return from
	}
	for name, c := range map[string]struct {
		program string
		digest  bool // the digest of the manifest is preserved
		id      bool // the ID of the image is preserved
		through func(r *toolRoundTrip, back *store) (image string)
	}{
		"skopeo: a layout": {"skopeo", true, true, func(r *toolRoundTrip, back *store) string {
			skopeo(r, "oci:"+r.dir+":"+roundTripName, "oci:"+r.aside+":x")
			return load(r, back, r.aside)
		}},
		"skopeo: an archive of an OCI layout": {"skopeo", true, true, func(r *toolRoundTrip, back *store) string {
			skopeo(r, "oci-archive:"+r.archive, "oci-archive:"+r.aside)
			return load(r, back, r.aside)
		}},
		"skopeo: an archive of docker save": {"skopeo", false, true, func(r *toolRoundTrip, back *store) string {
			skopeo(r, "docker-archive:"+r.archive, "docker-archive:"+r.aside+":app:latest")
			return load(r, back, r.aside)
		}},
		"skopeo: a registry": {"skopeo", true, true, func(r *toolRoundTrip, back *store) string {
			skopeo(r, "docker://"+r.repository, "docker://"+r.registry+"/skopeo/app:x")
			return pull(r, back, r.registry+"/skopeo/app:x")
		}},
		"skopeo: manifests of Docker's type": {"skopeo", false, true, func(r *toolRoundTrip, back *store) string {
			skopeo(r, "docker://"+r.repository, "docker://"+r.registry+"/skopeo/docker:x", "--format", "v2s2")
			return pull(r, back, r.registry+"/skopeo/docker:x")
		}},
		"umoci: another tag": {"umoci", true, true, func(r *toolRoundTrip, back *store) string {
			tool(r.T, "umoci", "tag", "--image", r.dir+":"+roundTripName, "other")
			tool(r.T, "umoci", "rm", "--image", r.dir+":"+roundTripName)
			tool(r.T, "umoci", "gc", "--layout", r.dir)
			return load(r, back, r.dir)
		}},
		"umoci: another configuration": {"umoci", false, false, func(r *toolRoundTrip, back *store) string {
			tool(r.T, "umoci", "config", "--image", r.dir+":"+roundTripName, "--config.env", "NEW=x")
			return load(r, back, r.dir)
		}},
		"umoci: unpacked and packed again": {"umoci", false, false, func(r *toolRoundTrip, back *store) string {
			tool(r.T, "umoci", "unpack", "--image", r.dir+":"+roundTripName, r.aside)
			for _, content := range []string{"2", "1"} { // its original content
				file := filepath.Join(r.aside, "rootfs/d/one")
				write(r.T, file, content)
				if err := os.Chtimes(file, when, when); err != nil {
					r.T.Fatal(err)
				}
				tool(r.T, "umoci", "repack", "--refresh-bundle", "--image", r.dir+":again", r.aside)
			}
			tool(r.T, "umoci", "rm", "--image", r.dir+":"+roundTripName)
			return load(r, back, r.dir)
		}},
		"podman: an archive of docker save": {"podman", false, true, func(r *toolRoundTrip, back *store) string {
			r.podman("load", "-q", "-i", r.archive)
			r.podman("save", "-q", "--format", "docker-archive", "-o", r.aside, roundTripName)
			return load(r, back, r.aside)
		}},
		"podman: a layout": {"podman", false, true, func(r *toolRoundTrip, back *store) string {
			r.podman("pull", "-q", "oci:"+r.dir+":"+roundTripName)
			id := r.podman("images", "-q", "--no-trunc")
			r.podman("save", "-q", "--format", "oci-archive", "-o", r.aside, id)
			return load(r, back, r.aside)
		}},
		"podman: a registry": {"podman", false, true, func(r *toolRoundTrip, back *store) string {
			r.podman("pull", "-q", "--tls-verify=false", r.repository)
			if got := r.podman("images", "--digests", "--format", "{{.Digest}}"); got != r.image.Digest.String() {
				r.T.Errorf("podman pulled %s, want %s", got, r.image.Digest)
			}
			r.podman("push", "-q", "--tls-verify=false", r.repository, r.registry+"/podman/app:x")
			return pull(r, back, r.registry+"/podman/app:x")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			need(t, c.program, c.program)
			r := newToolRoundTrip(t, host)
			back := newStore(t)
			image := c.through(r, back)
			var got listed
			for n, l := range back.images() {
				if n == image || strings.HasPrefix(n, "docker.io/library/"+image+":") {
					got = l
				}
			}
			want := r.images()[roundTripName]
			if c.digest && got.Digest != want.Digest || c.id && got.ID != want.ID || got.ID == "" {
				t.Errorf("came back as %+v, was %+v", got, want)
			}
			same(t, "minirun, "+c.program, filesOf(t, r.store, "app"), filesOf(t, back, image), never)
			back.Check()
		})
	}
}

func newToolRoundTrip(t *testing.T, host string) *toolRoundTrip {
	t.Helper()
	s, l := newStore(t), newLayout(t)
	// In a directory that other users may enter, the root's mode is 0700.
	if err := os.Chmod(s.Host, 0o700); err != nil {
		t.Fatal(err)
	}
	r := &toolRoundTrip{
		store: s, image: roundTripImage(t, l), archive: filepath.Join(s.Host, "saved.tar"), dir: filepath.Join(s.Host, "saved"),
		registry: host, repository: host + "/minirun/app:x", aside: filepath.Join(s.Host, "aside"),
	}
	s.Do("load", "-q", l.dir)
	s.Do("save", "-q", "-o", r.archive, "app")
	s.Do("save", "-q", "--dir", r.dir, "app")
	s.Do("push", "-q", "app", r.repository)
	return r
}
