package transfer

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	docker "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/compression"
	"github.com/minirun/minirun/internal/ctxio"
	"github.com/minirun/minirun/internal/image/imageconfig"
	"github.com/minirun/minirun/internal/image/layer"
	"github.com/minirun/minirun/internal/image/store"
)

// ImportOptions describe an imported image.
type ImportOptions struct {
	From     string       // the name of the archive, for the history
	Message  string       // the comment in the history
	Changes  []string     // Dockerfile instructions that do not need a build
	Platform oci.Platform // zero: this machine's
}

// Import creates an image with one layer from a root file system in a tar archive, which may be
// compressed. The archive becomes the layer unchanged.
func Import(ctx context.Context, s *store.Store, archive io.Reader, o ImportOptions) (oci.Descriptor, error) {
	blob, diffID, err := storeLayer(ctx, s, ctxio.NewReader(ctx, archive))
	if err != nil {
		return oci.Descriptor{}, err
	}
	now := time.Now().UTC()
	config := docker.DockerOCIImage{Image: oci.Image{
		Created: &now, Platform: o.Platform,
		RootFS:  oci.RootFS{Type: "layers", DiffIDs: []digest.Digest{diffID}},
		History: []oci.History{{Created: &now, CreatedBy: "minirun import " + o.From, Comment: o.Message}},
	}}
	if config.OS == "" {
		config.Platform = oci.Platform{OS: "linux", Architecture: runtime.GOARCH}
	}
	for _, c := range o.Changes {
		if err := ApplyInstruction(&config, c); err != nil {
			return oci.Descriptor{}, fmt.Errorf("--change %q: %w", c, err)
		}
	}
	text, err := json.Marshal(config)
	if err != nil {
		return oci.Descriptor{}, err
	}
	m := oci.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: oci.MediaTypeImageManifest,
		Layers: []oci.Descriptor{blob}}
	if m.Config, err = s.PutDocument(oci.MediaTypeImageConfig, text); err != nil {
		return oci.Descriptor{}, err
	}
	if text, err = json.Marshal(m); err != nil {
		return oci.Descriptor{}, err
	}
	return s.PutDocument(m.MediaType, text)
}

// storeLayer stores an archive as a blob.
func storeLayer(ctx context.Context, s *store.Store, archive io.Reader) (d oci.Descriptor, diffID digest.Digest,
	err error) {
	f, err := os.CreateTemp(filepath.Join(s.Dir, "tmp"), "import-")
	if err != nil {
		return d, "", err
	}
	defer func() {
		_ = f.Close()
		_ = os.Remove(f.Name()) // fails if the file has become a blob
	}()
	archive, release, err := withMediaType(archive)
	if err != nil {
		return d, "", err
	}
	defer release()
	plain, err := layer.NewReader(ctx, io.TeeReader(archive, f))
	if err != nil {
		return d, "", err
	}
	defer plain.Close()
	diff, err := plain.DiffID()
	if err != nil {
		return d, "", fmt.Errorf("read the archive: %w", err)
	}
	if _, err := io.Copy(f, archive); err != nil { // data after the end of the compressed stream
		return d, "", err
	}
	if d.Size, err = f.Seek(0, io.SeekCurrent); err != nil {
		return d, "", err
	}
	if d.Digest = digest.Digest(diff); plain.Compression != compression.Plain {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return d, "", err
		}
		if d.Digest, err = digest.FromReader(ctxio.NewReader(ctx, f)); err != nil {
			return d, "", err
		}
	}
	d.MediaType = mediaTypes[plain.Compression]
	if err := f.Chmod(0o644); err != nil {
		return d, "", err
	}
	return d, digest.Digest(diff), s.AdoptBlob(f, d)
}

// withMediaType returns an archive in a format that has a media type for layers. bzip2 and xz have
// none, so these are decompressed.
func withMediaType(archive io.Reader) (as io.Reader, release func(), err error) {
	buffered := bufio.NewReaderSize(archive, 256<<10)
	head, err := buffered.Peek(compression.HeadSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	if mediaTypes[compression.Detect(head)] != "" {
		return buffered, func() {}, nil
	}
	content, _, release, err := compression.Open(buffered)
	return content, release, err
}

// ApplyInstruction applies a Dockerfile instruction that needs no build to a configuration.
func ApplyInstruction(c *docker.DockerOCIImage, text string) error {
	parsed, err := parser.Parse(strings.NewReader(text))
	if err != nil {
		return err
	}
	for _, node := range parsed.AST.Children {
		command, err := instructions.ParseCommand(node)
		if err != nil {
			return err
		}
		if err := imageconfig.Apply(&c.Config, command); err != nil {
			return err
		}
	}
	return nil
}
