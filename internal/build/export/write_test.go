package export

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/compression"
)

// TestCreateOutputReplacesOnlyOnSuccess: after an error the old file is unchanged, and nothing
// else is left in its directory.
func TestCreateOutputReplacesOnlyOnSuccess(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "out")
	if err := WriteFile(file, []byte("old")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		err  error
		want string
	}{{errors.New("failed"), "old"}, {nil, "new"}} {
		out, done, err := createOutput(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(out, "new"); err != nil {
			t.Fatal(err)
		}
		if err := done(c.err); !errors.Is(err, c.err) {
			t.Errorf("%v, want %v", err, c.err)
		}
		if text, err := os.ReadFile(file); err != nil || string(text) != c.want {
			t.Errorf("%q, %v, want %q", text, err, c.want)
		}
		if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
			t.Errorf("%v, %v", names, err)
		}
	}
	if _, _, err := createOutput(dir); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Error(err)
	}
}

// TestParseNamesRejectsDigests: a digest names content, which an image gets only when it is built.
func TestParseNamesRejectsDigests(t *testing.T) {
	if names, err := ParseNames([]string{"a:1", "registry.example.org/b"}); err != nil || len(names) != 2 {
		t.Errorf("%v, %v", names, err)
	}
	for _, bad := range []string{"a@sha256:" + strings.Repeat("0", 64), "A B"} {
		if names, err := ParseNames([]string{bad}); err == nil {
			t.Errorf("%s: %v", bad, names)
		}
	}
}

// TestCompressorRoundTrip: each kind at several levels gives the same bytes twice, and the content
// back.
func TestCompressorRoundTrip(t *testing.T) {
	content := bytes.Repeat([]byte("content "), 5000)
	for _, c := range []Compression{
		{}, {Kind: "gzip", Level: LevelNone}, {Kind: "gzip", Level: 9}, {Kind: "zstd"}, {Kind: "zstd", Level: 19},
		{Kind: "uncompressed"},
	} {
		compress := func() []byte {
			var out bytes.Buffer
			w, err := newCompressor(&out, c)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(content); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			return out.Bytes()
		}
		packed := compress()
		if !bytes.Equal(packed, compress()) {
			t.Errorf("%v: the bytes differ", c)
		}
		if packs := c.Kind != "uncompressed" && c.Level != LevelNone; packs != (len(packed) < len(content)) {
			t.Errorf("%v: %d bytes", c, len(packed))
		}
		plain, _, release, err := compression.Open(bufio.NewReader(bytes.NewReader(packed)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(plain)
		release()
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("%v: %d bytes, %v", c, len(got), err)
		}
	}
	for _, bad := range []Compression{{Kind: "gzip", Level: 10}, {Kind: "zstd", Level: 23}, {Kind: "estargz"},
		{Kind: "lz4"}, {Kind: "uncompressed", Level: 1}} {
		if bad.check() == nil {
			t.Errorf("%v is accepted", bad)
		}
	}
}

// TestSelectAnnotations: an annotation of a platform is only on manifests of that platform.
func TestSelectAnnotations(t *testing.T) {
	list := []Annotation{{onManifest, "", "a", "1"}, {onManifest, "linux/arm64", "b", "2"}, {onIndex, "", "c", "3"}}
	for _, c := range []struct {
		on, arch string
		want     int
	}{{onManifest, "amd64", 1}, {onManifest, "arm64", 2}, {onIndex, "amd64", 1}, {onIndexDescriptor, "amd64", 0}} {
		if got := selectAnnotations(list, c.on, oci.Platform{OS: "linux", Architecture: c.arch}); len(got) != c.want {
			t.Errorf("%s, %s: %v", c.on, c.arch, got)
		}
	}
	if !NeedsIndex(list) || NeedsIndex(list[:2]) {
		t.Error("only annotations of an index need one")
	}
}

// TestFileEpoch: an output's own time comes before that of the build, and an empty one turns both
// off.
func TestFileEpoch(t *testing.T) {
	build, own := time.Unix(1, 0), time.Unix(2, 0)
	for _, c := range []struct {
		o    Output
		want *time.Time
	}{{Output{}, &build}, {Output{Epoch: &own}, &own}, {Output{KeepTimes: true}, nil}} {
		if got := c.o.FileEpoch(&build); got != c.want {
			t.Errorf("%+v: %v, want %v", c.o, got, c.want)
		}
	}
}
