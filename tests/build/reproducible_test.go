package build

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	oci "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// everything is a Dockerfile whose layers contain everything that can differ from one build to the
// next: times from the clock, from the context and of directories; names in arbitrary order.
const everything = `FROM base AS builder
WORKDIR /work/deep/er
RUN date > /dev/null; echo built > built; ln built twin; mkdir dir; for i in $(seq 40); do echo $i > dir/$i; done; rm -r /home/app
COPY --chown=1000:1000 tree /tree
COPY <<one <<two /here/
first
one
second
two
RUN <<sh
mkdir /script
touch /script/a /script/b
ln -s a /script/link
mkfifo /script/fifo
rm /tree/many/3
sh
ADD archive.tar /archive
FROM base
ENV A=1 B=2
ARG ONE=1
ARG TWO=2
LABEL z=1 a=2 m=3
COPY --from=builder / /all
COPY --link tree /linked
RUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/t rm /all/work/deep/er/built; touch /all/new
VOLUME /v
EXPOSE 80 443
`

// reproducibleContext creates the same files in a different order each time, with times after the
// epoch.
func reproducibleContext(t *testing.T, reversed bool, when time.Time) string {
	t.Helper()
	dir := contextDir(t, map[string]string{"Dockerfile": everything, ".dockerignore": "ignored\n"}, "mkdir -p tree/many; echo 1 > in-archive; tar -cf archive.tar --mtime=2001-01-01 --owner=0 --group=0 in-archive; rm in-archive")
	var names []string
	for i := range 30 {
		names = append(names, fmt.Sprint("tree/many/", i))
	}
	if reversed {
		slices.Reverse(names)
	}
	for i, n := range names {
		path := filepath.Join(dir, n)
		if err := os.WriteFile(path, []byte(filepath.Base(n)), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, when, when.Add(time.Duration(i)*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	first, second := "tree/many/a", "tree/many/b"
	if reversed {
		first, second = second, first
	}
	if err := os.WriteFile(filepath.Join(dir, first), []byte("two names"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(dir, first), filepath.Join(dir, second)); err != nil {
		t.Fatal(err)
	}
	attributes := []string{"user.z", "user.a", "user.m"}
	if reversed {
		slices.Reverse(attributes)
	}
	for _, a := range attributes {
		if err := unix.Setxattr(filepath.Join(dir, first), a, []byte(a), 0); err != nil {
			t.Skip("the file system has no extended attributes: ", err)
		}
	}
	for _, d := range []string{"tree/many", "tree", "archive.tar", first} {
		if err := os.Chtimes(filepath.Join(dir, d), when, when); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const epoch = 1600000000

// twoStores returns two stores that share nothing except the same base image.
func twoStores(t *testing.T) [2]*store {
	t.Helper()
	first, second := newStore(t), newStore(t)
	file := filepath.Join(t.TempDir(), "base.tar")
	first.Do("save", "-q", "-o", file, "base")
	second.Do("rmi", "base")
	second.Do("load", "-q", file)
	return [2]*store{first, second}
}

// TestBuildsAreReproducible: two builds, in two stores, at two times, from files that differ in their
// times, produce the same archive. Their attestations are identical too.
func TestBuildsAreReproducible(t *testing.T) {
	stores := twoStores(t)
	dirs := [2]string{reproducibleContext(t, false, time.Unix(epoch+1000, 0)), reproducibleContext(t, true, time.Unix(epoch+500000, 0))}
	for _, c := range []struct {
		name string
		args []string
	}{
		{"gzip", []string{"-o", "type=oci,rewrite-timestamp=true,dest=OUT"}},
		{"zstd and names", []string{"-t", "same", "-t", "same:2", "-o", "type=oci,rewrite-timestamp=true,compression=zstd,dest=OUT"}},
		{"docker", []string{"-t", "same", "-o", "type=docker,rewrite-timestamp=true,compression=uncompressed,dest=OUT"}},
		{"attested", []string{"--provenance", "mode=max", "--sbom", "true", "-o", "type=oci,rewrite-timestamp=true,dest=OUT"}},
		{"files", []string{"--provenance", "mode=max", "--sbom", "true", "-o", "type=tar,dest=OUT"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var sums [2][sha256.Size]byte
			var files [2]string
			var first time.Time
			for i, s := range stores {
				files[i] = filepath.Join(t.TempDir(), "out")
				args := []string{"--no-cache"}
				for _, a := range c.args {
					args = append(args, strings.ReplaceAll(a, "OUT", files[i]))
				}
				if i == 0 { // as an argument, and as an environment variable
					args = append(args, "--build-arg", fmt.Sprint("SOURCE_DATE_EPOCH=", epoch))
				} else {
					s.Env = append(s.Env, fmt.Sprint("SOURCE_DATE_EPOCH=", epoch))
					// Times in archives have a resolution of one second.
					testbundle.Await(t, "the next second", func() bool { return time.Now().Unix() > first.Unix() })
				}
				s.build(append(args, dirs[i])...)
				first = time.Now()
				text, err := os.ReadFile(files[i])
				if err != nil {
					t.Fatal(err)
				}
				sums[i] = sha256.Sum256(text)
			}
			if sums[0] != sums[1] {
				t.Errorf("the archives differ: %s", firstDifference(t, files))
			}
		})
	}
}

// firstDifference returns the first blob that two archives do not share.
func firstDifference(t *testing.T, files [2]string) string {
	t.Helper()
	a, b := t.TempDir(), t.TempDir()
	untar(t, files[0], a)
	untar(t, files[1], b)
	out := ""
	for i, dir := range []string{a, b} {
		other := []string{b, a}[i]
		_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, _ error) error {
			name := strings.TrimPrefix(path, dir)
			if _, err := os.Stat(other + name); err != nil && d.Type().IsRegular() {
				out += fmt.Sprintf("\nonly archive %d has %s", i+1, name)
			}
			return nil
		})
	}
	return out
}

// TestEpochWithoutRewrite: the files keep their times, and the configuration has the epoch everywhere
// except in the entries of the base image.
func TestEpochWithoutRewrite(t *testing.T) {
	s := newStore(t)
	file := filepath.Join(t.TempDir(), "out.tar")
	dir := reproducibleContext(t, false, time.Unix(epoch+1000, 0))
	s.build("--build-arg", fmt.Sprint("SOURCE_DATE_EPOCH=", epoch), "--platform", "linux/amd64", "-o", "type=oci,dest="+file, dir)
	r := openResult(t, file)
	c := r.config(r.manifest(""))
	if c.Created == nil || c.Created.Unix() != epoch {
		t.Errorf("it was made at %v", c.Created)
	}
	for _, h := range c.History[1:] {
		if h.Created == nil || h.Created.Unix() != epoch {
			t.Errorf("%s: at %v", h.CreatedBy, h.Created)
		}
	}
	young := false
	for _, m := range r.manifest("").Layers[1:] {
		young = young || youngest(t, r, m) > epoch
	}
	if !young {
		t.Error("without rewrite-timestamp the files have lost their times")
	}
	s.build("--build-arg", fmt.Sprint("SOURCE_DATE_EPOCH=", epoch), "-o", "type=oci,rewrite-timestamp=true,dest="+file, "-o", "type=image,rewrite-timestamp=true,name=rewritten", dir)
	r = openResult(t, file)
	for i, m := range r.manifest("").Layers[1:] {
		if got := youngest(t, r, m); got > epoch {
			t.Errorf("layer %d has a file of %v", i, time.Unix(got, 0).UTC())
		}
	}
	if got := s.Do("run", "--rm", "rewritten", "stat", "-c", "%Y", "/all/new"); got != fmt.Sprint(epoch) {
		t.Errorf("in a container the file is of %s", got)
	}
	s.Check()
}

// youngest returns the time of a layer's most recent file.
func youngest(t *testing.T, r *result, d oci.Descriptor) (latest int64) {
	t.Helper()
	for _, h := range headersOf(t, r.plain(d)) {
		latest = max(latest, h.ModTime.Unix())
	}
	return latest
}

// TestUnchangedBuildGivesSameImage: an unchanged build produces the same image, without
// SOURCE_DATE_EPOCH.
func TestUnchangedBuildGivesSameImage(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM base\nENV A=1\nRUN echo hello > /f\nCMD [\"sh\"]\n"}, "")
	first := s.Do("build", "-q", "-t", "same", dir)
	time.Sleep(20 * time.Millisecond)
	if second := s.Do("build", "-q", dir); second != first {
		t.Errorf("first %s, then %s", first, second)
	}
	if third := s.Do("build", "-q", "--no-cache", dir); third == first {
		t.Error("the test cannot fail: with --no-cache it is the same, too")
	}
}

func headersOf(t *testing.T, archive []byte) (out []*tar.Header) {
	t.Helper()
	for r := tar.NewReader(bytes.NewReader(archive)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, h)
	}
}
