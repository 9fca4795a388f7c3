package images

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// hang is a generous limit for something that should take less than a second.
const hang = 30 * time.Second

// A stuckPoint is a command that would run forever, or for minutes.
type stuckPoint struct {
	name  string
	args  func(t *testing.T, s *store) []string
	stdin func(t *testing.T) *os.File // nil for none
	held  bool                        // the test holds a lock on the store
	brief bool                        // it takes less than a second, so the signal must be sent early
}

// TestSIGTERMEndsImageCommands: at whatever point load, pull, import, unpack and build are, SIGTERM
// ends them, with the usual status and nothing left in the store's tmp.
func TestSIGTERMEndsImageCommands(t *testing.T) {
	bomb := gzipOfZeros(t)
	for _, p := range append(append(stuckReads(t, bomb), stuckBuilds(bomb)...), stuckStore(t, bomb)...) {
		t.Run(p.name, func(t *testing.T) {
			testbundle.Parallel(t)
			s := newStore(t)
			s.Do("prune") // creates the store
			args := p.args(t, s)
			cmd := s.Command(args...)
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			if p.stdin != nil {
				cmd.Stdin = p.stdin(t)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			reach(t, p, ended, &out)
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatalf("it had ended: %v: %s", err, &out)
			}
			select {
			case <-ended:
			case <-time.After(hang):
				_ = cmd.Process.Kill()
				t.Fatalf("SIGTERM has no effect: %s", &out)
			}
			if status := cmd.ProcessState.ExitCode(); status != 128+int(syscall.SIGTERM) {
				t.Errorf("status %d: %s", status, &out)
			}
			left, err := os.ReadDir(filepath.Join(s.StoreDir, "tmp"))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range left {
				if !strings.HasPrefix(f.Name(), "blob-") { // the next pull resumes from it
					t.Errorf("left over: tmp/%s", f.Name())
				}
			}
			if !p.held {
				s.Check()
			}
		})
	}
}

// reach waits until the command has reached its point.
func reach(t *testing.T, p stuckPoint, ended <-chan error, out fmt.Stringer) {
	t.Helper()
	wait := time.Second
	if p.brief {
		wait /= 5
	}
	select {
	case err := <-ended:
		t.Fatalf("it ended by itself: %v: %s", err, out)
	case <-time.After(wait):
	}
}

// gzipOfZeros returns a file of a few megabytes that decompresses to several gigabytes: a tar header
// for a large file, then zeros.
func gzipOfZeros(t *testing.T) string {
	t.Helper()
	var member bytes.Buffer
	part := gzip.NewWriter(&member)
	if _, err := part.Write(make([]byte, 64<<20)); err != nil || part.Close() != nil {
		t.Fatal("compress")
	}
	const parts = 1000
	path := filepath.Join(t.TempDir(), "bomb.tar.gz")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z := gzip.NewWriter(f)
	w := tar.NewWriter(z)
	if err := w.WriteHeader(&tar.Header{Name: "zeros", Typeflag: tar.TypeReg, Mode: 0o644, Size: parts * 64 << 20}); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for range parts { // gzip treats consecutive members as one file
		if _, err := f.Write(member.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// silentPipe returns a pipe to which nothing is written.
func silentPipe(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	return r
}

func fifo(t *testing.T, s *store) string {
	t.Helper()
	path := filepath.Join(s.Host, "fifo")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// stuckReads are stuck while they read input: registries, pipes, archives.
func stuckReads(t *testing.T, bomb string) []stuckPoint {
	t.Helper()
	mute, err := net.Listen("tcp", "127.0.0.1:0") // accepts connections and sends nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mute.Close() })
	slow := slowRegistry(t)
	given := func(args ...string) func(*testing.T, *store) []string {
		return func(*testing.T, *store) []string { return args }
	}
	from := func(verb string) func(*testing.T, *store) []string {
		return func(t *testing.T, s *store) []string { return []string{verb, fifo(t, s)} }
	}
	return []stuckPoint{
		{name: "pull from a registry that says nothing", args: given("pull", "-q", mute.Addr().String()+"/x:app")},
		{name: "pull of a blob that does not come", args: given("pull", "-q", slow+"/x:app")},
		{name: "load of a FIFO", args: from("load")},
		{name: "load of a silent pipe", args: given("load"), stdin: silentPipe},
		{name: "load of an archive of zeros", args: given("load", bomb)},
		{name: "import of a FIFO", args: from("import")},
		{name: "import of a silent pipe", args: given("import", "-"), stdin: silentPipe},
		{name: "import of an archive of zeros", args: given("import", bomb, "x")},
	}
}

// slowRegistry serves a manifest, but never its blobs.
func slowRegistry(t *testing.T) string {
	t.Helper()
	l := newLayout(t)
	l.add("app", runs("sh"), layer{entries: []tar.Header{file("f", "f")}})
	r := &registry{layout: l, cut: map[string]int{}}
	stop := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if strings.Contains(q.URL.Path, "/blobs/") {
			w.WriteHeader(http.StatusOK)
			w.(http.Flusher).Flush()
			<-stop
			return
		}
		r.serve(w, q)
	}))
	t.Cleanup(func() {
		close(stop)
		server.Close()
	})
	return strings.TrimPrefix(server.URL, "http://")
}

// stuckBuilds are stuck while they read a Dockerfile or a context.
func stuckBuilds(bomb string) []stuckPoint {
	build := func(dockerfile string, more ...string) func(*testing.T, *store) []string {
		return func(t *testing.T, s *store) []string {
			dir := filepath.Join(s.Host, "context")
			write(t, filepath.Join(dir, "Dockerfile"), dockerfile)
			for _, name := range more {
				tool(t, "cp", bomb, filepath.Join(dir, name))
			}
			return []string{"build", "--progress", "plain", dir}
		}
	}
	return []stuckPoint{
		{name: "build with a Dockerfile of a FIFO", args: func(t *testing.T, s *store) []string {
			return []string{"build", "-f", fifo(t, s), s.Host}
		}},
		{name: "build of a silent pipe", args: func(*testing.T, *store) []string { return []string{"build", "-"} }, stdin: silentPipe},
		{name: "build of a context of zeros", args: func(*testing.T, *store) []string { return []string{"build", "-"} },
			stdin: func(t *testing.T) *os.File {
				f, err := os.Open(bomb)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = f.Close() })
				return f
			}},
		{name: "ADD of an archive of zeros", args: build("FROM scratch\nADD a.tar.gz /\n", "a.tar.gz")},
		{name: "a Dockerfile that takes long to read", brief: true, args: build("FROM scratch\n" + strings.Repeat("ENV A${A:-"+strings.Repeat("x", 60)+"}=$A \\\n", 100_000) + "B=c\n")},
	}
}

// stuckStore are stuck in the store: at locks, blobs.
func stuckStore(t *testing.T, bomb string) []stuckPoint {
	t.Helper()
	held := func(name string, args ...string) func(*testing.T, *store) []string {
		return func(t *testing.T, s *store) []string {
			f, err := os.OpenFile(filepath.Join(s.StoreDir, name), os.O_RDWR|os.O_CREATE, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = f.Close() })
			return args
		}
	}
	small := filepath.Join(t.TempDir(), "small.tar")
	write(t, small, string(archive(t, []tar.Header{file("f", "f")})))
	return []stuckPoint{
		{name: "a store that another process holds", held: true, args: held("lock", "import", small)},
		{name: "prune of a store that another process holds", held: true, args: held("lock", "prune")},
		{name: "names that another process writes", held: true, args: held("index.lock", "import", small)},
		{name: "unpack of a layer of zeros", args: func(t *testing.T, s *store) []string {
			l := newLayout(t)
			text, err := os.ReadFile(bomb)
			if err != nil {
				t.Fatal(err)
			}
			c := oci.Image{Platform: oci.Platform{OS: "linux", Architecture: "amd64"}, RootFS: oci.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromString("")}}}
			m := oci.Manifest{MediaType: oci.MediaTypeImageManifest, Config: l.document(oci.MediaTypeImageConfig, c)}
			m.SchemaVersion = 2
			m.Layers = []oci.Descriptor{l.blob(oci.MediaTypeImageLayerGzip, text)}
			l.name("bomb", l.document(oci.MediaTypeImageManifest, m))
			s.Do("load", "-q", "--no-unpack", l.dir)
			return []string{"unpack", "bomb"}
		}},
		{name: "save to a pipe that nobody reads", args: func(t *testing.T, s *store) []string {
			noise := filepath.Join(s.Host, "noise.tar")
			write(t, noise, string(archive(t, []tar.Header{file("f", noise1M())})))
			s.Do("import", "--no-unpack", noise, "x")
			return []string{"save", "-q", "-o", "/dev/fd/0", "x"}
		}, stdin: fullPipe},
	}
}

func noise1M() string { return strings.Repeat(noise(1<<10), 1<<10) }

// fullPipe returns the write end of a pipe that is never read.
func fullPipe(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	return w
}

// nest writes an image in nested indexes, each of which refers to the next one several times.
func nest(l *layout, depth, times int) oci.Descriptor {
	d := l.image(runs("sh"), layer{entries: []tar.Header{file("f", "f")}})
	for range depth {
		index := oci.Index{MediaType: oci.MediaTypeImageIndex}
		index.SchemaVersion = 2
		for range times {
			index.Manifests = append(index.Manifests, d)
		}
		d = l.document(oci.MediaTypeImageIndex, index)
	}
	return d
}

// TestNestedIndexesAreLimited: the depth of nested indexes is limited, and each index is read once.
func TestNestedIndexesAreLimited(t *testing.T) {
	run := func(s *store, args ...string) (string, error) {
		cmd := s.Command(args...)
		timer := time.AfterFunc(hang, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	t.Run("too deep", func(t *testing.T) {
		l, s := newLayout(t), newStore(t)
		l.name("nested", nest(l, 26, 4))
		for _, args := range [][]string{{"load", "-q", "--all-platforms", l.dir}, {"load", "-q", l.dir}} {
			if out, err := run(s, args...); err == nil || !strings.Contains(out, "deep") {
				t.Errorf("%q: %v: %s", args, err, out)
			}
		}
		r := newRegistry(t, l)
		if out, err := run(s, "pull", "-q", "--all-platforms", r.host()+"/x:nested"); err == nil || !strings.Contains(out, "deep") {
			t.Errorf("pull: %v: %s", err, out)
		}
		s.Check()
	})
	t.Run("many times", func(t *testing.T) {
		l, s := newLayout(t), newStore(t)
		d := nest(l, 3, 200) // 8 million paths to the image
		l.name("nested", d)
		for _, args := range [][]string{{"load", "-q", "--all-platforms", "--no-unpack", l.dir}, {"images"}, {"store", "check"}, {"prune"}} {
			if out, err := run(s, args...); err != nil {
				t.Errorf("%q: %v: %s", args, err, out)
			}
		}
	})
	t.Run("once", func(t *testing.T) { // it is a normal image
		l, s := newLayout(t), newStore(t)
		d := nest(l, 2, 1)
		l.name("nested", d)
		for _, args := range [][]string{{"load", "-q", "--all-platforms", l.dir}, {"unpack", "nested", filepath.Join(s.Host, "files")}, {"history", "nested"}} {
			if out, err := run(s, args...); err != nil {
				t.Errorf("%q: %v: %s", args, err, out)
			}
		}
		if got := s.images()["docker.io/library/nested:latest"]; got.Digest != d.Digest.String() || got.Layers != 1 {
			t.Errorf("listed as %+v", got)
		}
	})
	t.Run("too many", func(t *testing.T) {
		l, s := newLayout(t), newStore(t)
		l.name("nested", nest(l, 1, 513))
		if out, err := run(s, "load", "-q", "--all-platforms", l.dir); err == nil || !strings.Contains(out, "513 manifests") {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("docker save", func(t *testing.T) {
		s := newStore(t)
		var list []map[string]any
		for range 513 {
			list = append(list, map[string]any{"Config": "c", "Layers": []string{}})
		}
		text, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(s.Host, "saved.tar")
		write(t, path, string(archive(t, []tar.Header{file("manifest.json", string(text)), file("c", "{}")})))
		if out, err := run(s, "load", "-q", path); err == nil || !strings.Contains(out, "513") {
			t.Errorf("%v: %s", err, out)
		}
	})
}
