package images

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"
)

// TestSecretIsFoundInBlobs: in a layer, also a compressed one, with the file's name, and in a document.
func TestSecretIsFoundInBlobs(t *testing.T) {
	layer, err := os.ReadFile(writeLayer(t, true, "work/other", "work/s3cret"))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := os.ReadFile(writeLayer(t, false, "x", "token-s3cret"))
	if err != nil {
		t.Fatal(err)
	}
	var broken bytes.Buffer
	z := gzip.NewWriter(&broken)
	if _, err := z.Write([]byte("not an archive, but s3cret")); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		data []byte
		text string
		want string
	}{
		{"compressed layer", layer, "s3cret", "/work/s3cret"},
		{"plain layer", plain, "s3cret", "/token-s3cret"},
		{"configuration", []byte(`{"history": "ARG T=s3cret"}`), "s3cret", "sha256:blob"},
		{"other content", broken.Bytes(), "s3cret", "sha256:blob"},
		{"without it", layer, "another", ""},
		{"empty", nil, "s3cret", ""},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "blob"), c.data, 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := findText([]string{t.TempDir(), dir}, c.text)
		if got != c.want || err != nil {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
	}
}

// TestFingerprint is what `sha256sum | cut -c 1-16` of fetch.sh writes.
func TestFingerprint(t *testing.T) {
	if got := fingerprint("secret"); got != "b37e50cedcd3e3f1" {
		t.Error(got)
	}
}
