package tartest

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// TestEncode: archive/tar can read what Encode writes.
func TestEncode(t *testing.T) {
	entries := []Entry{
		{Type: tar.TypeDir, Name: "a/", Mode: 0o755, UID: 65534, GID: 1 << 32},
		{Type: tar.TypeReg, Name: strings.Repeat("long/", 5) + strings.Repeat("x", 200), Mode: 0o644, Xattr: "user.a", Content: strings.Repeat("y", 1000)},
		{Type: tar.TypeSymlink, Name: "a/l", Link: "../canary"},
		{Type: tar.TypeChar, Name: "c", Major: 1, Minor: 3},
	}
	r := tar.NewReader(bytes.NewReader(Encode(Entries(Data(entries...)))))
	for _, e := range entries {
		h, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		got := Entry{
			Type: h.Typeflag, Name: h.Name, Link: h.Linkname, Mode: h.Mode, UID: int64(h.Uid), GID: int64(h.Gid),
			Major: h.Devmajor, Minor: h.Devminor, Content: string(content),
		}
		if h.PAXRecords["SCHILY.xattr.user.a"] == "y" {
			got.Xattr = "user.a"
		}
		if got != e {
			t.Errorf("got  %+v\nwant %+v", got, e)
		}
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last entry: %v", err)
	}
}

// FuzzEntries: any data gives a bounded list of entries, and an archive of whole blocks.
func FuzzEntries(f *testing.F) {
	f.Add(Data(Entry{Type: tar.TypeReg, Name: "a/b", Content: "x"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries := Entries(data)
		if len(entries) > maxEntries {
			t.Errorf("%d entries", len(entries))
		}
		if text := Encode(entries); len(text)%block != 0 {
			t.Errorf("%d bytes are not blocks", len(text))
		}
	})
}
