package source

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/minirun/minirun/internal/image/layer"
	"github.com/minirun/minirun/internal/tartest"
)

// FuzzArchive: whatever the archive of a context contains, no file outside the context is created.
func FuzzArchive(f *testing.F) {
	f.Add(pack(f, file("a", "b"), symlink("l", ".."), file("l/x", "y")))
	f.Add(pack(f, dir("d"), hardlink("h", "../canary")))
	for _, entries := range fuzzSeeds() {
		f.Add(tartest.Encode(entries))
	}
	var small bytes.Buffer
	z := gzip.NewWriter(&small)
	_, _ = z.Write(tartest.Encode(fuzzSeeds()[0]))
	_ = z.Close()
	f.Add(small.Bytes())
	f.Fuzz(func(t *testing.T, text []byte) { unpackBesideCanary(t, text) })
}

// FuzzArchiveEntries unpacks contexts whose entries the fuzzer chooses.
func FuzzArchiveEntries(f *testing.F) {
	for _, entries := range fuzzSeeds() {
		f.Add(tartest.Data(entries...))
	}
	f.Fuzz(func(t *testing.T, data []byte) { unpackBesideCanary(t, tartest.Encode(tartest.Entries(data))) })
}

// fuzzSeeds are archives from which the fuzzer reaches most of the unpacker.
func fuzzSeeds() [][]tartest.Entry {
	dir := func(name string) tartest.Entry { return tartest.Entry{Type: tar.TypeDir, Name: name, Mode: 0o755} }
	file := func(name string) tartest.Entry {
		return tartest.Entry{Type: tar.TypeReg, Name: name, Mode: 0o644, Content: "x"}
	}
	link := func(kind byte, name, to string) tartest.Entry {
		return tartest.Entry{Type: kind, Name: name, Link: to, Mode: 0o755}
	}
	return [][]tartest.Entry{
		{dir("./"), dir("a/"), file("a/b"), file("Dockerfile"), link(tar.TypeSymlink, "l", "a"),
			link(tar.TypeLink, "b", "a/b")},
		{link(tar.TypeSymlink, "l", ".."), file("l/canary"), link(tar.TypeLink, "a", "l/canary"), dir("l")},
		{link(tar.TypeSymlink, "a", "/etc"), file("a/passwd"), dir("a"), file("a/passwd"), file("../canary"),
			file("/canary")},
		{link(tar.TypeLink, "h", "../canary"), link(tar.TypeSymlink, "l", "../canary"),
			{Type: tar.TypeDir, Name: "l", Mode: 0o1777}},
		{{Type: tar.TypeXGlobalHeader, Name: "a", Content: "14 comment=abc\n"}, {Type: tar.TypeFifo, Name: "c"},
			file("a/b/c"), file("a")},
	}
}

// unpackBesideCanary unpacks a context next to a file that must not change.
func unpackBesideCanary(t *testing.T, text []byte) {
	t.Helper()
	outside := tartest.TempDir(t)
	canary := filepath.Join(outside, "canary")
	if err := os.WriteFile(canary, []byte("canary"), 0o600); err != nil {
		t.Fatal(err)
	}
	before, err := os.Lstat(canary)
	if err != nil {
		t.Fatal(err)
	}
	tmp := filepath.Join(outside, "tmp")
	if err := os.Mkdir(tmp, 0o700); err != nil {
		t.Fatal(err)
	}
	// A sparse file of a few bytes may expand to the size limit.
	if tr, err := extractArchive(context.Background(), bytes.NewReader(text), tmp,
		layer.ExtractOptions{MaxEntries: 1000, MaxBytes: 1 << 20}); err == nil {
		tr.Root.Close()
	}
	names, err := os.ReadDir(outside)
	if err != nil || len(names) != 2 {
		t.Errorf("%v %v", names, err)
	}
	after, err := os.Lstat(canary)
	if err != nil {
		t.Fatal(err)
	}
	if before.Mode() != after.Mode() || !before.ModTime().Equal(after.ModTime()) || before.Size() != after.Size() {
		t.Errorf("the canary changed: %v %v", before, after)
	}
}
