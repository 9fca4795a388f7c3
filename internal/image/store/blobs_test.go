package store

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
)

func newStore(t *testing.T) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// brokenConnection is content that ends with an error after its text.
func brokenConnection(text string) io.ReadCloser {
	return io.NopCloser(io.MultiReader(strings.NewReader(text), brokenReader{}))
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func textOf(text string) io.ReadCloser { return io.NopCloser(strings.NewReader(text)) }

// TestInterruptedBlobResumes: the next attempt continues where the last one stopped, or starts again
// if the source cannot continue.
func TestInterruptedBlobResumes(t *testing.T) {
	const content = "0123456789"
	d := oci.Descriptor{Digest: digest.FromString(content), Size: int64(len(content))}
	for _, resumes := range []bool{true, false} {
		s := newStore(t)
		err := s.PutBlob(context.Background(), d, func(context.Context, int64) (io.ReadCloser, int64, error) {
			return brokenConnection(content[:4]), 0, nil
		}, func(int64) {})
		if !errors.Is(err, io.ErrUnexpectedEOF) || s.Has(d.Digest) {
			t.Fatalf("%v, stored: %v", err, s.Has(d.Digest))
		}
		asked, received := int64(-1), int64(0)
		err = s.PutBlob(context.Background(), d, func(_ context.Context, offset int64) (io.ReadCloser, int64, error) {
			if asked = offset; resumes {
				return textOf(content[offset:]), offset, nil
			}
			return textOf(content), 0, nil
		}, func(n int64) { received += n })
		if err != nil || asked != 4 || received != d.Size {
			t.Errorf("resumes %v: %v, asked from %d, progress of %d bytes", resumes, err, asked, received)
		}
		if text, err := os.ReadFile(s.Blob(d.Digest.String())); err != nil || string(text) != content {
			t.Errorf("resumes %v: %q, %v", resumes, text, err)
		}
	}
}

// TestWrongBlobIsNotKept: content that does not match the digest is not stored, and the next attempt
// starts from the beginning.
func TestWrongBlobIsNotKept(t *testing.T) {
	s := newStore(t)
	d := oci.Descriptor{Digest: digest.FromString("good"), Size: 4}
	for _, c := range []struct {
		content string
		from    int64
		want    error
	}{{"evil", 0, ErrDigest}, {"good, and more", 0, ErrDigest}, {"go", 0, io.ErrUnexpectedEOF}} {
		asked := int64(-1)
		err := s.PutBlob(context.Background(), d, func(_ context.Context, offset int64) (io.ReadCloser, int64, error) {
			asked = offset
			return textOf(c.content), c.from, nil
		}, func(int64) {})
		if !errors.Is(err, c.want) || asked != 0 || s.Has(d.Digest) {
			t.Errorf("%q: %v, asked from %d", c.content, err, asked)
		}
	}
}

// TestStoredBlobIsNotFetched: a blob that the store has is not requested again.
func TestStoredBlobIsNotFetched(t *testing.T) {
	s := newStore(t)
	d, err := s.PutDocument(oci.MediaTypeImageConfig, []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	received := int64(0)
	err = s.PutBlob(context.Background(), d, func(context.Context, int64) (io.ReadCloser, int64, error) {
		t.Error("it is requested")
		return nil, 0, io.EOF
	}, func(n int64) { received += n })
	if err != nil || received != 2 {
		t.Errorf("%v, progress of %d bytes", err, received)
	}
}

func TestReadDocumentVerifiesContent(t *testing.T) {
	s := newStore(t)
	d, err := s.PutDocument(oci.MediaTypeImageConfig, []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := s.ReadDocument(d); err != nil || string(text) != "{}" {
		t.Errorf("%q, %v", text, err)
	}
	if err := os.WriteFile(s.Blob(d.Digest.String()), []byte("[]"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ReadDocument(d); !errors.Is(err, ErrDigest) {
		t.Errorf("a changed document: %v", err)
	}
	if _, err := s.ReadDocument(oci.Descriptor{Digest: "sha512:1"}); err == nil {
		t.Error("a digest of another algorithm is read")
	}
}
