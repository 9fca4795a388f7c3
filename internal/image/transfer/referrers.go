package transfer

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/image"
)

// Referrers lists the manifests of a repository that have the given subject and artifact type. It
// uses the registry's referrers API or, if the registry has none, the index tagged with the
// subject's digest (distribution specification, "Listing Referrers"). The caller has to verify that
// the manifests refer to the subject.
func (r *Registry) Referrers(ctx context.Context, subject digest.Digest, artifactType string) ([]oci.Descriptor,
	error) {
	base := fmt.Sprintf("%s://%s/v2/%s/", r.repository.Scheme(), r.repository.RegistryStr(),
		r.repository.RepositoryStr())
	index, found, err := r.index(ctx,
		base+"referrers/"+subject.String()+"?"+url.Values{"artifactType": {artifactType}}.Encode())
	if err == nil && !found {
		index, _, err = r.index(ctx, base+"manifests/"+strings.Replace(subject.String(), ":", "-", 1))
	}
	if err != nil {
		return nil, fmt.Errorf("referrers of %s: %w", subject, err)
	}
	var out []oci.Descriptor
	for _, d := range index.Manifests {
		if d.ArtifactType == artifactType { // a registry may ignore the filter
			out = append(out, d)
		}
	}
	return out, nil
}

// index requests an index whose digest is not known.
func (r *Registry) index(ctx context.Context, from string) (index oci.Index, found bool, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return index, false, err
	}
	request.Header.Set("Accept", oci.MediaTypeImageIndex)
	answer, err := r.client.Do(request)
	if err != nil {
		return index, false, err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode == http.StatusNotFound {
		return index, false, nil
	}
	if err := transport.CheckError(answer, http.StatusOK); err != nil {
		return index, false, addHint(err, r.repository.RegistryStr())
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxDocument+1))
	if err != nil {
		return index, false, err
	}
	if len(text) > maxDocument {
		return index, false, fmt.Errorf("the response is too large (the limit is %d bytes)", maxDocument)
	}
	if err := json.Unmarshal(text, &index); err != nil {
		return index, false, fmt.Errorf("the response is not an index: %w", err)
	}
	return index, true, image.CheckIndex(len(index.Manifests))
}
