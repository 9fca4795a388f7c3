package transfer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/outbound"
	"github.com/minirun/minirun/internal/retry"
)

// Registries is the configuration for access to registries.
type Registries struct {
	Mirrors map[string][]string `json:"mirrors"` // registry → hosts or URLs that are tried first
	// registries that may be accessed without TLS; those on loopback always may
	Insecure []string `json:"insecure"`
}

// RegistriesFile is the file that [ReadRegistries] looks for, first in the user's configuration,
// then in the system's.
const RegistriesFile = "minirun/registries.json"

// ReadRegistries reads the configuration of the user or the system.
func ReadRegistries() (Registries, error) {
	var r Registries
	config, err := os.UserConfigDir()
	dirs := []string{"/etc"}
	if err == nil {
		dirs = []string{config, "/etc"}
	}
	for _, dir := range dirs {
		path := filepath.Join(dir, RegistriesFile)
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = json.Unmarshal(text, &r)
		}
		if err != nil {
			return r, fmt.Errorf("%s: %w", path, err)
		}
		return r, nil
	}
	return r, nil
}

// A Registry is an image's repository in a registry or a mirror of it.
type Registry struct {
	repository name.Repository
	client     *http.Client
}

// endpoint returns the repository of an image on one host, and a transport that can reach it and
// limits where it sends requests. The library would use plain HTTP, with credentials, for every
// private address and for names below .local.
func (r Registries) endpoint(host, repository string) (name.Repository, http.RoundTripper, error) {
	insecure := false
	if rest, plain := strings.CutPrefix(host, "http://"); plain {
		host, insecure = rest, true
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "https://"), "/")
	for _, h := range r.Insecure {
		insecure = insecure || h == host
	}
	var options []name.Option
	if insecure {
		options = append(options, name.Insecure)
	}
	n, err := name.NewRepository(host+"/"+repository, options...)
	if err != nil {
		return n, nil, err
	}
	safe := outbound.NewTransport(outbound.Origin{Host: n.RegistryStr(), Plain: insecure}, remote.DefaultTransport)
	return n, newCorrecting(safe, n.Scheme() == "http"), nil
}

// connect logs in to a repository with one of the library's scopes, and with read access to the
// others, given as full names, if they are in the same registry.
func (r Registries) connect(ctx context.Context, host, repository, scope string, others ...string) (name.Repository,
	http.RoundTripper, error) {
	n, safe, err := r.endpoint(host, repository)
	if err != nil {
		return n, nil, err
	}
	auth, err := findCredentials(ctx, n)
	if err != nil {
		return n, nil, err
	}
	scopes := []string{n.Scope(scope)}
	for _, o := range others {
		other, err := name.NewRepository(o)
		if err == nil && other.RegistryStr() == n.RegistryStr() && other.RepositoryStr() != n.RepositoryStr() &&
			!slices.Contains(scopes, other.Scope(transport.PullScope)) {
			scopes = append(scopes, other.Scope(transport.PullScope))
		}
	}
	trip, err := transport.NewWithContext(ctx, n.Registry, auth, safe, scopes)
	return n, trip, err
}

// Find looks for an image in the mirrors of its registry, then in the registry itself. It calls
// warn for each mirror that fails.
func (r Registries) Find(ctx context.Context, n image.Name, warn func(error)) (*Registry, oci.Descriptor, error) {
	for _, host := range append(append([]string(nil), r.Mirrors[n.Registry]...), n.Registry) {
		source, d, err := r.findOnHost(ctx, host, n)
		if err == nil {
			return source, d, nil
		}
		if host == n.Registry {
			return nil, d, fmt.Errorf("%s: %w", n, addHint(err, n.Registry))
		}
		warn(fmt.Errorf("mirror %s: %w", host, err))
	}
	return nil, oci.Descriptor{}, errors.New("unreachable")
}

func (r Registries) findOnHost(ctx context.Context, host string, n image.Name) (*Registry, oci.Descriptor, error) {
	if host != n.Registry {
		ctx = retry.WithTries(ctx, 2) // the next one may have it
	}
	repository, trip, err := r.connect(ctx, host, n.Repository, transport.PullScope)
	if err != nil {
		return nil, oci.Descriptor{}, err
	}
	var ref name.Reference = repository.Tag(n.Tag)
	if n.Digest != "" {
		ref = repository.Digest(n.Digest)
	}
	d, err := resolve(ctx, ref, trip)
	return &Registry{repository, &http.Client{Transport: trip}}, d, err
}

// Tags returns the tags of a repository.
func (r Registries) Tags(ctx context.Context, n image.Name) ([]string, error) {
	repository, trip, err := r.connect(ctx, n.Registry, n.Repository, transport.PullScope)
	var tags []string
	if err == nil {
		tags, err = remote.List(repository, remote.WithContext(ctx), remote.WithTransport(trip))
	}
	if err != nil {
		return nil, fmt.Errorf("list the tags of %s: %w", repository.Name(), addHint(err, n.Registry))
	}
	return tags, nil
}

// resolve returns the descriptor that a reference stands for. If a registry does not answer HEAD
// correctly, or without the manifest's type, the manifest itself is requested.
func resolve(ctx context.Context, ref name.Reference, trip http.RoundTripper) (oci.Descriptor, error) {
	found, err := remote.Head(ref, remote.WithContext(retry.WithTries(ctx, 1)), remote.WithTransport(trip))
	mediaType := ""
	if err == nil {
		mediaType = manifestType(string(found.MediaType), nil)
	}
	if mediaType == "" {
		got, err := getManifest(ctx, ref, trip)
		if err != nil {
			return oci.Descriptor{}, err
		}
		found = &got.Descriptor
		if mediaType = manifestType(string(got.MediaType), got.Manifest); mediaType == "" {
			return oci.Descriptor{}, fmt.Errorf("the response is not a manifest (its Content-Type is %q)",
				got.MediaType)
		}
	}
	return oci.Descriptor{MediaType: mediaType, Digest: digest.Digest(found.Digest.String()), Size: found.Size}, nil
}

// getManifest reads a manifest. It retries if the manifest is truncated, which cannot be detected
// otherwise if the server does not send its length.
func getManifest(ctx context.Context, ref name.Reference, trip http.RoundTripper) (*remote.Descriptor, error) {
	for failures := 1; ; failures++ {
		got, err := remote.Get(ref, remote.WithContext(ctx), remote.WithTransport(trip))
		if err != nil || !bytes.HasPrefix(bytes.TrimSpace(got.Manifest), []byte("{")) || json.Valid(got.Manifest) {
			return got, err
		}
		if !retry.Default.Wait(ctx, ref.Context().RegistryStr(), "the manifest was truncated", failures) {
			return nil, fmt.Errorf("the manifest is incomplete: received %d bytes", len(got.Manifest))
		}
	}
}

// Open implements [Source] with range requests. After a broken connection, the content continues
// where it stopped.
func (r *Registry) Open(ctx context.Context, d oci.Descriptor, offset int64) (io.ReadCloser, int64, error) {
	if isManifest(d.MediaType) {
		offset = 0
	}
	return retry.NewReader(ctx, retry.Default, r.repository.RegistryStr(), offset,
		func(ctx context.Context, offset int64) (io.ReadCloser, int64, error) {
			return r.get(ctx, d, offset)
		})
}

// get requests a blob or manifest from an offset on. If the registry refuses that, or sends a
// different range, the result is the whole content.
func (r *Registry) get(ctx context.Context, d oci.Descriptor, offset int64) (io.ReadCloser, int64, error) {
	kind := "blobs"
	if isManifest(d.MediaType) {
		kind = "manifests"
	}
	url := fmt.Sprintf("%s://%s/v2/%s/%s/%s", r.repository.Scheme(), r.repository.RegistryStr(),
		r.repository.RepositoryStr(), kind, d.Digest)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, 0, err
	}
	if kind == "manifests" {
		request.Header.Set("Accept", d.MediaType+", */*")
	}
	if offset > 0 {
		request.Header.Set("Range", "bytes="+strconv.FormatInt(offset, 10)+"-")
	}
	answer, err := r.client.Do(request)
	if err != nil {
		return nil, 0, err
	}
	switch {
	case answer.StatusCode == http.StatusOK:
		return limitBody(answer, d.Size), 0, nil
	case offset > 0 && answer.StatusCode == http.StatusPartialContent && rangeStart(answer.Header, offset) == offset:
		return limitBody(answer, d.Size-offset), offset, nil
	case offset > 0 && (answer.StatusCode == http.StatusPartialContent ||
		answer.StatusCode == http.StatusRequestedRangeNotSatisfiable):
		_ = answer.Body.Close()
		return r.get(ctx, d, 0)
	}
	defer func() { _ = answer.Body.Close() }()
	return nil, 0, addHint(transport.CheckError(answer, http.StatusOK), r.repository.RegistryStr())
}

// limitBody returns the body of an answer of known size. If only the end of the connection ends the
// body, as with HTTP/1.0, a premature end is an error.
func limitBody(answer *http.Response, size int64) io.ReadCloser {
	if answer.ContentLength >= 0 || answer.ProtoMajor != 1 || len(answer.TransferEncoding) > 0 {
		return answer.Body
	}
	return &unframed{answer.Body, size}
}

type unframed struct {
	io.ReadCloser
	left int64
}

// Read implements io.Reader.
func (u *unframed) Read(p []byte) (int, error) {
	n, err := u.ReadCloser.Read(p)
	if u.left -= int64(n); u.left > 0 && err == io.EOF {
		err = fmt.Errorf("the connection ended %d bytes early: %w", u.left, io.ErrUnexpectedEOF)
	}
	return n, err
}

// rangeStart returns the start of a range; it is the requested one if the server does not report
// it.
func rangeStart(h http.Header, asked int64) int64 {
	var start int64
	if n, _ := fmt.Sscanf(h.Get("Content-Range"), "bytes %d-", &start); n == 1 {
		return start
	}
	return asked
}

func isManifest(mediaType string) bool {
	switch mediaType {
	case oci.MediaTypeImageManifest, oci.MediaTypeImageIndex,
		"application/vnd.docker.distribution.manifest.v2+json",
		"application/vnd.docker.distribution.manifest.list.v2+json",
		"application/vnd.docker.distribution.manifest.v1+json",
		"application/vnd.docker.distribution.manifest.v1+prettyjws":
		return true
	}
	return false
}
