package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/outbound"
)

// This file handles blobs that are stored outside the image: in the descriptor itself, or at one of
// its URLs (image-spec, descriptor.md).

// foreignTypes are the media types of layers that a registry may not distribute. The URLs of other
// descriptors are ignored.
var foreignTypes = map[string]bool{
	"application/vnd.docker.image.rootfs.foreign.diff.tar":         true,
	"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip":    true,
	"application/vnd.oci.image.layer.nondistributable.v1.tar":      true,
	"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip": true,
	"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd": true,
}

// An originator is a source that is a server. Its address limits where an image fetched from it may
// send requests.
type originator interface{ origin() outbound.Origin }

func (r *Registry) origin() outbound.Origin {
	return outbound.Origin{Host: r.repository.RegistryStr()}
}

// open opens a blob in the source, in its descriptor, or at one of the descriptor's URLs.
func (f *fetcher) open(ctx context.Context, d oci.Descriptor, offset int64) (io.ReadCloser, int64, error) {
	content, from, err := f.from.Open(ctx, d, offset)
	if err == nil || ctx.Err() != nil {
		return content, from, err
	}
	if len(d.Data) > 0 && int64(len(d.Data)) == d.Size {
		return io.NopCloser(bytes.NewReader(d.Data)), 0, nil
	}
	if !foreignTypes[d.MediaType] || len(d.URLs) == 0 {
		return nil, 0, err
	}
	// The archive belongs to the user. It may name any server that this host can reach.
	o := outbound.Origin{Host: "127.0.0.1"}
	if server, ok := f.from.(originator); ok {
		o = server.origin()
	}
	for _, url := range d.URLs {
		content, from, urlErr := openURL(ctx, o, url, offset)
		if urlErr == nil {
			return content, from, nil
		}
		err = errors.Join(err, fmt.Errorf("%s: %w", url, urlErr))
	}
	return nil, 0, err
}

// openURL sends no credentials, because the author of the image chose the server.
func openURL(ctx context.Context, o outbound.Origin, url string, offset int64) (io.ReadCloser, int64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, 0, err
	}
	if offset > 0 {
		request.Header.Set("Range", "bytes="+strconv.FormatInt(offset, 10)+"-")
	}
	client := &http.Client{Transport: outbound.NewTransport(o, http.DefaultTransport)}
	answer, err := client.Do(request)
	if err != nil {
		return nil, 0, err
	}
	switch answer.StatusCode {
	case http.StatusOK:
		return answer.Body, 0, nil
	case http.StatusPartialContent:
		return answer.Body, offset, nil
	}
	return nil, 0, errors.Join(fmt.Errorf("the server returned %s", answer.Status), answer.Body.Close())
}
