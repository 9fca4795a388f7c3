package images

import (
	"archive/tar"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	docker "github.com/moby/docker-image-spec/specs-go/v1"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/tests/testbundle"
)

// The tests in this file are for published vulnerabilities of engines that no other test covers; see
// docs/security.md.

// A numeric user is never looked up as a name, so a line with such a name in the image's /etc/passwd
// does not make it root (CVE-2016-3697), and 1 is not 0 (CVE-2026-30892).
func TestNumericUserIsNotAName(t *testing.T) {
	s := loaded(t, runs("sleep", "1000"), layer{entries: []tar.Header{file("etc/passwd", "root:x:0:0::/:/bin/sh\n1:x:0:0::/:/bin/sh\n1000:x:0:0::/:/bin/sh\n")}})
	id := name("numeric")
	s.Do("run", "-d", "--name", id, "busybox")
	defer s.Do("rm", "-f", id)
	for _, user := range []string{"1", "1000"} {
		if got := s.Do("run", "--rm", "--name", name("n"), "-u", user, "busybox", "id", "-u"); got != user {
			t.Errorf("run -u %s: UID %s", user, got)
		}
		if got := s.Do("exec", "-u", user, id, "id", "-u"); got != user {
			t.Errorf("exec -u %s: UID %s", user, got)
		}
	}
}

// A program that does not run as root has no effective capabilities, in run and in exec
// (CVE-2016-8867, CVE-2018-10856, CVE-2018-1000400, CVE-2021-20188).
func TestOtherUsersHaveNoCapabilities(t *testing.T) {
	s := loaded(t, runs("sleep", "1000"))
	id := name("caps")
	s.Do("run", "-d", "--name", id, "busybox")
	defer s.Do("rm", "-f", id)
	const none = "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapAmb:\t0000000000000000"
	command := []string{"grep", "-E", "Cap(Inh|Prm|Eff|Amb)", "/proc/self/status"}
	for what, args := range map[string][]string{
		"run":           {"run", "--rm", "--name", name("c"), "-u", "1000", "busybox"},
		"run --cap-add": {"run", "--rm", "--name", name("c"), "-u", "1000", "--cap-add", "SYS_ADMIN", "busybox"},
		"exec":          {"exec", "-u", "1000", id},
	} {
		if got := s.Do(append(args, command...)...); got != none {
			t.Errorf("%s: %s", what, got)
		}
	}
}

// Variables of the image without a value do not get the host's value (CVE-2026-57231).
func TestImageDoesNotNameHostVariables(t *testing.T) {
	t.Setenv("MINIRUN_TEST_SECRET", "the host's")
	for _, entry := range []string{"MINIRUN_TEST_SECRET", "*", "MINIRUN_*"} {
		config := runs("env")
		config.Env = []string{"PATH=/bin", entry}
		s := loaded(t, config)
		r := s.Minirun("run", "--rm", "--name", name("env"), "busybox")
		if strings.Contains(r.Stdout, "the host's") {
			t.Errorf("%s: the container has %s", entry, r.Stdout)
		}
	}
}

// A working directory that does not exist is created in the container, whatever symbolic links the
// image has (CVE-2026-55686).
func TestImageWorkingDirectoryThroughLink(t *testing.T) {
	outside := t.TempDir()
	for _, target := range []string{outside, "../../../../../.." + outside, "/proc/self/root" + outside, "/proc/1/root" + outside} {
		config := runs("true")
		config.WorkingDir = "/link/made/here"
		s := loaded(t, config, layer{entries: []tar.Header{link("link", target)}})
		_ = s.Minirun("run", "--rm", "--name", name("w"), "busybox")
		if entries, err := os.ReadDir(outside); err != nil || len(entries) > 0 {
			t.Errorf("link to %s: made on the host: %v, %v", target, entries, err)
		}
	}
}

// The URLs in a layer's descriptor are ignored, unless it is a foreign layer, so no server except the
// registry gets a request, with or without credentials (CVE-2020-15157).
func TestURLsOfLayersAreNotFollowed(t *testing.T) {
	s := newStore(t)
	var asked atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("WWW-Authenticate", `Basic realm="give"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer elsewhere.Close()
	l := newLayout(t)
	d := l.image(runs("true"), layer{entries: []tar.Header{dir("d")}})
	var m oci.Manifest
	readBlob(t, l, d, &m)
	if err := os.Remove(filepath.Join(l.dir, "blobs/sha256", m.Layers[0].Digest.Encoded())); err != nil {
		t.Fatal(err)
	}
	m.Layers[0].URLs = []string{elsewhere.URL + "/layer"}
	l.name("foreign", l.document(oci.MediaTypeImageManifest, m))
	s.Minirun("pull", "-q", newRegistry(t, l).host()+"/x:foreign").Fails(t, "")
	if n := asked.Load(); n > 0 {
		t.Errorf("%d requests to the server of the URL", n)
	}
}

// A document that can be parsed both as a manifest and as an index is rejected, and so is one that
// does not match its descriptor (CVE-2021-41190).
func TestAmbiguousDocumentsAreRefused(t *testing.T) {
	l := newLayout(t)
	d := l.image(runs("true"), layer{entries: []tar.Header{dir("d")}})
	var manifest, index map[string]any
	readBlob(t, l, d, &manifest)
	readBlob(t, l, l.document(oci.MediaTypeImageIndex, oci.Index{Versioned: l.index.Versioned, MediaType: oci.MediaTypeImageIndex, Manifests: []oci.Descriptor{d}}), &index)
	both := maps.Clone(manifest)
	maps.Copy(both, index)
	withoutType := maps.Clone(both)
	delete(withoutType, "mediaType")
	for name, c := range map[string]struct {
		mediaType string
		document  map[string]any
	}{
		"both, as a manifest":           {oci.MediaTypeImageManifest, both},
		"both, as an index":             {oci.MediaTypeImageIndex, both},
		"both, without a media type":    {"", withoutType},
		"an index, as a manifest":       {oci.MediaTypeImageManifest, index},
		"a manifest, as an index":       {oci.MediaTypeImageIndex, manifest},
		"both, manifest without type":   {oci.MediaTypeImageManifest, withoutType},
		"both, an index without a type": {oci.MediaTypeImageIndex, withoutType},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			l := *l
			l.dir, l.index.Manifests = copied(t, l.dir), nil
			l.name("ambiguous", l.document(c.mediaType, c.document))
			s.Minirun("load", "-q", l.dir).Fails(t, "media type")
		})
	}
}

func copied(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

// A digest is checked before it is used as a file name (CVE-2024-3727).
func TestDigestIsNotAPath(t *testing.T) {
	for _, digest := range []string{"sha256:../../../../../../etc/passwd", "../../../../etc/passwd", "sha256:", "sha256:.", "x:" + strings.Repeat("a", 64), "sha256:" + strings.Repeat("A", 64)} {
		s := newStore(t)
		l := newLayout(t)
		l.name("bad", oci.Descriptor{MediaType: oci.MediaTypeImageManifest, Digest: "DIGEST", Size: 100})
		text, err := os.ReadFile(filepath.Join(l.dir, "index.json"))
		if err != nil {
			t.Fatal(err)
		}
		l.write("index.json", []byte(strings.ReplaceAll(string(text), "DIGEST", digest)))
		s.Minirun("load", "-q", l.dir).Fails(t, "digest")
	}
}

// The default seccomp profile denies the calls with which published kernel exploits begin: AF_ALG
// (CVE-2026-31431), user namespaces and file system contexts (CVE-2022-0185), bpf, io_uring, keys.
// Without the profile they reach the kernel.
func TestDefaultProfileDeniesDangerousCalls(t *testing.T) {
	s := loaded(t, runs("true"))
	ask := func(flags ...string) (denied, answered []string) {
		args := append([]string{"run", "--rm", "--name", name("calls"), "-v", testbundle.Probe + ":/probe:ro"}, flags...)
		for line := range strings.Lines(s.Do(append(args, "busybox", "/probe", "syscalls")...)) {
			call, answer, _ := strings.Cut(strings.TrimSpace(line), " ")
			switch answer {
			case "EPERM", "ENOSYS":
				denied = append(denied, call)
			default:
				answered = append(answered, call+" "+answer)
			}
		}
		return denied, answered
	}
	if _, answered := ask(); len(answered) > 0 {
		t.Errorf("with the default profile: %q", answered)
	}
	// This kernel may lack some of them, but it has most.
	if denied, answered := ask("--security-opt", "seccomp=unconfined"); len(answered) < len(denied) {
		t.Errorf("without a profile the check sees %q denied, and only %q answered", denied, answered)
	}
}

// The documents in an archive are read into memory, so their size is limited (CVE-2020-1702,
// CVE-2023-25153).
func TestHugeDocumentsAreRefused(t *testing.T) {
	huge := []byte(`{"schemaVersion":2,"manifests":[]}` + strings.Repeat(" ", 16<<20))
	for name, change := range map[string]func(*layout){
		"index.json": func(l *layout) { l.write("index.json", huge) },
		"a manifest": func(l *layout) { l.name("huge", l.blob(oci.MediaTypeImageManifest, huge)) },
		"a size": func(l *layout) {
			l.name("huge", oci.Descriptor{MediaType: oci.MediaTypeImageIndex, Digest: l.blob("", huge).Digest, Size: 1 << 40})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			l := newLayout(t)
			change(l)
			s.Minirun("load", "-q", l.dir).Fails(t, "the limit is")
		})
	}
}

// The stored output of a health check is limited, however much it prints (CVE-2022-31030,
// CVE-2022-1708).
func TestHealthOutputIsBounded(t *testing.T) {
	config := runs("sleep", "1000")
	config.Healthcheck = &docker.HealthcheckConfig{Test: []string{"CMD-SHELL", "yes | head -c 20000000"}, Interval: 200 * time.Millisecond, Timeout: 30 * time.Second, Retries: 1}
	s := loaded(t, config)
	id := name("loud")
	s.Do("run", "-d", "--name", id, "busybox")
	defer s.Do("rm", "-f", id)
	testbundle.Await(t, "a check that ended", func() bool {
		var list []struct {
			HealthState struct{ Log []struct{ Output string } }
		}
		s.JSON(&list, "ps", "--format", "json")
		if len(list) != 1 || len(list[0].HealthState.Log) == 0 {
			return false
		}
		output := list[0].HealthState.Log[0].Output
		if len(output) > 1<<16 || !strings.HasPrefix(output, "y\ny\n") {
			t.Errorf("%d bytes are kept", len(output))
		}
		return true
	})
}
