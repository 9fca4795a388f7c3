package tartest

import (
	"archive/tar"
	"bytes"
	"io"
	"testing"
	"time"
)

// Archive writes a well-formed archive. A header without a type is a regular file, whose content is in
// Linkname. Without a mode a file has 0644 and a directory 0755, and without a time a header has the
// given one.
func Archive(t testing.TB, when time.Time, headers ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range headers {
		content := ""
		if h.Typeflag == 0 {
			content, h.Linkname, h.Typeflag = h.Linkname, "", tar.TypeReg
			h.Size = int64(len(content))
		}
		if h.Mode == 0 {
			h.Mode = 0o644
			if h.Typeflag == tar.TypeDir {
				h.Mode = 0o755
			}
		}
		if h.ModTime.IsZero() {
			h.ModTime = when
		}
		if h.Format == 0 {
			h.Format = tar.FormatPAX
		}
		if h.Typeflag == tar.TypeXGlobalHeader { // tar.Writer accepts only the records
			h = tar.Header{Typeflag: h.Typeflag, PAXRecords: h.PAXRecords}
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatalf("%+v: %v", h, err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// File returns the header of a regular file for [Archive].
func File(name, content string) tar.Header { return tar.Header{Name: name, Linkname: content} }

// Dir returns the header of a directory.
func Dir(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeDir} }

// Symlink returns the header of a symbolic link.
func Symlink(name, target string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: target}
}

// Hardlink returns the header of a hard link.
func Hardlink(name, target string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeLink, Linkname: target}
}
