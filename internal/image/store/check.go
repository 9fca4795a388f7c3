package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/ctxio"
	"github.com/minirun/minirun/internal/image"
)

// A Report is the result of Check.
type Report struct {
	Images, Blobs, Layers, Containers int
	Rubbish                           []string // left by killed writers, or unreferenced: removed by prune
	Wrong                             []string // errors in the store

	walk image.Walk
}

func (r *Report) wrong(format string, args ...any) {
	r.Wrong = append(r.Wrong, fmt.Sprintf(format, args...))
}

// Check verifies the store: every image has its blobs and, if it is unpacked, its layers; every
// blob matches its digest; every layer has the layers below it. The caller must hold the store's
// lock exclusively, or a writer's unfinished files count as garbage.
func (s *Store) Check(ctx context.Context, readBlobs bool) (*Report, error) {
	r := &Report{}
	index, err := s.Index()
	if err != nil {
		r.wrong("%v", err)
		return r, nil
	}
	for _, d := range index.Manifests {
		r.Images++
		s.checkImage(r, d, 0)
	}
	for _, step := range []func(context.Context, *Report) error{
		s.checkLayers, s.checkUnpacked, s.checkContainers,
		func(ctx context.Context, r *Report) error { return s.checkBlobs(ctx, r, readBlobs) },
	} {
		if err := step(ctx, r); err != nil {
			return nil, err
		}
	}
	return r, s.forEach(ctx, "tmp", func(name string) error {
		r.Rubbish = append(r.Rubbish, "tmp/"+name)
		return nil
	})
}

func (s *Store) decode(d oci.Descriptor, into any) error {
	data, err := s.ReadDocument(d)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("document %s: %w", d.Digest, err)
	}
	return nil
}

func (s *Store) checkImage(r *Report, d oci.Descriptor, depth int) {
	what := "image " + cmp.Or(refName(d), d.Digest.String())
	first, err := r.walk.Enter(d.Digest.String(), depth)
	if err != nil {
		r.wrong("%s: %v", what, err)
	}
	if !first {
		return
	}
	if image.IsIndex(d.MediaType) {
		var index oci.Index
		if err := s.decode(d, &index); err != nil {
			r.wrong("%s: index %s: %v", what, d.Digest, err)
			return
		}
		some := false
		for _, m := range index.Manifests {
			if s.Has(m.Digest) {
				some = true
				s.checkImage(r, m, depth+1)
			}
		}
		if !some {
			r.wrong("%s: the store has none of the manifests in its index", what)
		}
		return
	}
	i, err := s.Load(d, "")
	if err != nil {
		r.wrong("%s: %v", what, err)
		return
	}
	for n, l := range i.Manifest.Layers {
		info, err := os.Lstat(s.Blob(l.Digest.String()))
		switch {
		case err != nil:
			r.wrong("%s: layer %d, %s: %v", what, n+1, l.Digest, err)
		case info.Size() != l.Size:
			r.wrong("%s: layer %d, %s: has %d bytes, but the manifest lists %d", what, n+1, l.Digest, info.Size(),
				l.Size)
		}
	}
}

func (s *Store) checkLayers(ctx context.Context, r *Report) error {
	return s.forEach(ctx, "layers", func(name string) error {
		r.Layers++
		dir := filepath.Join(s.Dir, "layers", name)
		l, err := readLayer(dir)
		if err != nil {
			r.wrong("layers/%s: %v", name, err)
			return nil
		}
		if filepath.Base(s.Layer(l.Chain.String())) != name {
			r.wrong("layers/%s: layer.json names another layer, %s", name, l.Chain)
		}
		if info, err := os.Lstat(filepath.Join(dir, "fs")); err != nil || !info.IsDir() {
			r.wrong("layers/%s: has no directory fs", name)
		}
		return nil
	})
}

func (s *Store) checkUnpacked(ctx context.Context, r *Report) error {
	return s.forEach(ctx, "unpacked", func(name string) error {
		text, err := os.ReadFile(filepath.Join(s.Dir, "unpacked", name))
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			chain := strings.TrimSpace(line)
			if image.CheckDigest(chain) != nil {
				r.wrong("unpacked/%s: %q is not a digest", name, chain)
			} else if l, err := readLayer(s.Layer(chain)); err != nil {
				r.wrong("unpacked/%s: %v", name, err)
			} else if l.Chain.String() != chain {
				r.wrong("unpacked/%s: the directory of layer %s contains layer %s", name, chain, l.Chain)
			}
		}
		return nil
	})
}

func (s *Store) checkContainers(ctx context.Context, r *Report) error {
	ids, err := s.Containers()
	if err != nil {
		return err
	}
	for _, id := range ids {
		r.Containers++
		o, err := s.ReadOrigin(id)
		if errors.Is(err, fs.ErrNotExist) {
			r.Rubbish = append(r.Rubbish, "containers/"+id)
			continue
		}
		if err != nil {
			r.wrong("container %s: %v", id, err)
			continue
		}
		s.checkImage(r, oci.Descriptor{MediaType: oci.MediaTypeImageManifest, Digest: digest.Digest(o.Manifest)}, 0)
		if _, err := os.Lstat(s.Unpacked(o.ID)); err != nil {
			r.wrong("container %s: its image is not unpacked: %v", id, err)
		}
	}
	return nil
}

func (s *Store) checkBlobs(ctx context.Context, r *Report, read bool) error {
	needed, err := s.countReferences()
	if err != nil {
		r.wrong("%v", err)
		return nil
	}
	return s.forEach(ctx, "blobs/sha256", func(name string) error {
		r.Blobs++
		d := digest.NewDigestFromEncoded(digest.SHA256, name)
		if err := image.CheckDigest(d.String()); err != nil {
			r.wrong("blobs/sha256/%s: the name is not a digest", name)
			return nil
		}
		if needed.blobs[d] == 0 {
			r.Rubbish = append(r.Rubbish, "blobs/sha256/"+name)
		}
		if !read {
			return nil
		}
		f, err := os.Open(filepath.Join(s.Dir, "blobs", "sha256", name))
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		h := sha256.New()
		if _, err := io.Copy(h, ctxio.NewReader(ctx, f)); err != nil {
			return err
		}
		if got := hex.EncodeToString(h.Sum(nil)); got != name {
			r.wrong("blobs/sha256/%s: the content has digest sha256:%s", name, got)
		}
		return nil
	})
}
