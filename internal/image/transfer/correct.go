package transfer

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"

	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/retry"
)

// correctingTransport is the transport to a registry. It retries requests. Some registries send answers that
// the library rejects: it converts those to the ones in the distribution specification.
type correctingTransport struct {
	next  http.RoundTripper
	once  http.RoundTripper // does not retry requests
	plain bool              // the registry may be accessed without TLS
}

func newCorrecting(next http.RoundTripper, plain bool) http.RoundTripper {
	return &correctingTransport{retry.NewTransport(retry.Default, next, isRepeatable), next, plain}
}

// isRepeatable reports whether a request may be sent twice. The parts of an upload may not;
// instead, the whole upload is restarted (restartsUpload). A second upload session or a second
// token does no harm.
func isRepeatable(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost:
		return true
	}
	kind, _ := endpointOf(r)
	return r.Method == http.MethodPut && kind == "manifests"
}

// endpointOf splits a path, /v2/NAME/KIND/REFERENCE.
func endpointOf(r *http.Request) (kind, reference string) {
	parts := strings.Split(r.URL.Path, "/")
	if len(parts) < 5 || parts[1] != "v2" {
		return "", ""
	}
	return parts[len(parts)-2], parts[len(parts)-1]
}

// RoundTrip implements http.RoundTripper.
func (t *correctingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if t.plain && r.URL.Scheme == "https" && r.URL.Path == "/v2/" { // checks whether the registry uses TLS
		return t.once.RoundTrip(r)
	}
	answer, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	kind, _ := endpointOf(r)
	switch {
	case answer.StatusCode == http.StatusUnauthorized:
		splitChallenges(answer.Header)
	case kind == "manifests" && r.Method == http.MethodHead &&
		(isUnsupported(answer.StatusCode) || answer.StatusCode == http.StatusOK && !describesManifest(answer)):
		return notFound(answer), nil
	case kind == "blobs" && r.Method == http.MethodHead && isUnsupported(answer.StatusCode):
		return t.findBlob(r, answer)
	case kind == "referrers" && (isUnsupported(answer.StatusCode) || answer.StatusCode == http.StatusForbidden):
		return notFound(answer), nil // then the library writes the referrers tag
	}
	return answer, nil
}

// isUnsupported reports whether a status means that the server does not support a method or an
// endpoint.
func isUnsupported(code int) bool {
	switch code {
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusUnsupportedMediaType,
		http.StatusNotImplemented:
		return true
	}
	return false
}

// describesManifest reports whether an answer to HEAD has what the library needs.
func describesManifest(answer *http.Response) bool {
	return answer.ContentLength >= 0 && answer.Header.Get("Content-Type") != "" &&
		answer.Header.Get("Docker-Content-Digest") != ""
}

// notFound replaces an answer with a 404, so that the client uses another request or sends the
// content.
func notFound(answer *http.Response) *http.Response {
	_ = answer.Body.Close()
	return withStatus(answer, http.StatusNotFound)
}

func withStatus(answer *http.Response, code int) *http.Response {
	changed := *answer
	changed.StatusCode, changed.Status = code, fmt.Sprintf("%d %s", code, http.StatusText(code))
	changed.Body, changed.ContentLength = http.NoBody, 0
	return &changed
}

// findBlob requests one byte of a blob from a registry that does not support HEAD.
func (t *correctingTransport) findBlob(r *http.Request, head *http.Response) (*http.Response, error) {
	get := r.Clone(r.Context())
	get.Method = http.MethodGet
	get.Header.Set("Range", "bytes=0-0")
	answer, err := t.next.RoundTrip(get)
	if err != nil {
		_ = head.Body.Close()
		return nil, err
	}
	_ = answer.Body.Close()
	switch code := answer.StatusCode; {
	case code == http.StatusUnauthorized:
		splitChallenges(answer.Header)
		return withStatus(answer, code), nil
	case code < 400, code == http.StatusRequestedRangeNotSatisfiable: // redirects also lead to an existing blob
		_ = head.Body.Close()
		return withStatus(head, http.StatusOK), nil
	}
	return notFound(head), nil
}

// splitChallenges splits a header with several challenges (RFC 9110, section 11.6.1) into one line
// each, because the library reads only the first challenge of a line. The library uses the first
// scheme that it supports. Bearer comes first: it also works for users without credentials.
func splitChallenges(h http.Header) {
	var list []string
	for _, line := range h.Values("WWW-Authenticate") {
		list = append(list, challenges(line)...)
	}
	order := func(challenge string) int {
		scheme, rest, _ := strings.Cut(strings.ToLower(challenge), " ")
		switch {
		case scheme == "bearer" && strings.Contains(rest, "realm="):
			return 0
		case scheme == "basic":
			return 1
		}
		return 2
	}
	slices.SortStableFunc(list, func(a, b string) int { return order(a) - order(b) })
	if len(list) > 0 {
		h["Www-Authenticate"] = list
	}
}

// challenges splits a header line. A comma is followed either by a parameter, NAME=VALUE, or by the
// scheme of the next challenge.
func challenges(line string) (list []string) {
	for _, element := range splitOutsideQuotes(line) {
		if element == "" {
			continue
		}
		end := strings.IndexAny(element, " \t=")
		isParameter := end > 0 && strings.HasPrefix(strings.TrimLeft(element[end:], " \t"), "=")
		if isParameter && len(list) > 0 {
			list[len(list)-1] += "," + element
			continue
		}
		list = append(list, element)
	}
	return list
}

// splitOutsideQuotes splits text at commas that are not in quotes.
func splitOutsideQuotes(text string) (list []string) {
	quoted, start := false, 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			list = append(list, strings.TrimSpace(text[start:i]))
			start = i + 1
		}
	}
	return append(list, strings.TrimSpace(text[start:]))
}

// manifestType returns the media type of a manifest or an index. It is the Content-Type or, if a
// file server sends text/plain, application/json or nothing, the type in the document, if it is
// known. The result is empty if there is none.
func manifestType(contentType string, document []byte) string {
	if t, _, err := mime.ParseMediaType(contentType); err == nil && isManifest(t) {
		return t
	}
	var fields struct {
		MediaType string            `json:"mediaType"`
		Manifests []json.RawMessage `json:"manifests"`
		Config    json.RawMessage   `json:"config"`
		FSLayers  []json.RawMessage `json:"fsLayers"`
	}
	switch err := json.Unmarshal(document, &fields); {
	case err != nil:
		return ""
	case isManifest(fields.MediaType):
		return fields.MediaType
	case fields.Manifests != nil:
		return oci.MediaTypeImageIndex
	case fields.Config != nil:
		return oci.MediaTypeImageManifest
	case fields.FSLayers != nil:
		return "application/vnd.docker.distribution.manifest.v1+json"
	}
	return ""
}
