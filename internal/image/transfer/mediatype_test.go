package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/retry"
)

// TestDocumentsHaveOneKind: a document is either a manifest or an index, whatever reads it
// (CVE-2021-41190).
func TestDocumentsHaveOneKind(t *testing.T) {
	const docker = "application/vnd.docker.distribution.manifest.v2+json"
	for _, c := range []struct{ mediaType, document, want string }{
		{"", `{"schemaVersion":2,"config":{},"layers":[]}`, oci.MediaTypeImageManifest},
		{"", `{"schemaVersion":2,"manifests":[]}`, oci.MediaTypeImageIndex},
		{"", `{"mediaType":"` + docker + `","config":{}}`, docker},
		{docker, `{"config":{}}`, docker},
		{oci.MediaTypeImageIndex, `{"manifests":[{"digest":"sha256:1"}]}`, oci.MediaTypeImageIndex},
		{"", `{"manifests":[],"layers":[]}`, "error: ambiguous"},
		{oci.MediaTypeImageIndex, `{"config":{}}`, "error: do not match"},
		{oci.MediaTypeImageManifest, `{"manifests":[]}`, "error: do not match"},
		{"", `{"mediaType":"` + oci.MediaTypeImageIndex + `","layers":[]}`, "error: do not match"},
		{"", `{"schemaVersion":1,"fsLayers":[]}`, "error: schema 1"},
		{"", `[`, "error: unexpected end"},
	} {
		d, err := completeMediaType(oci.Descriptor{MediaType: c.mediaType}, []byte(c.document))
		got := d.MediaType
		if err != nil {
			got = "error: " + err.Error()
		}
		if words, isError := strings.CutPrefix(c.want, "error: "); isError &&
			(err == nil || !strings.Contains(got, words)) || !isError && got != c.want {
			t.Errorf("%q %s: %s, want %s", c.mediaType, c.document, got, c.want)
		}
	}
}

// TestUploadRestarts: only errors after which the registry has nothing of an upload, or whose request
// cannot be sent twice, restart it.
func TestUploadRestarts(t *testing.T) {
	answered := func(status int, method, path string, codes ...transport.ErrorCode) error {
		e := &transport.Error{StatusCode: status, Request: &http.Request{Method: method, URL: &url.URL{Path: path}}}
		for _, c := range codes {
			e.Errors = append(e.Errors, transport.Diagnostic{Code: c})
		}
		return fmt.Errorf("upload: %w", e)
	}
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"unknown session": {answered(404, "PATCH", "/v2/x/blobs/uploads/1", transport.BlobUploadUnknownErrorCode),
			true},
		"invalid session": {answered(416, "PATCH", "/v2/x/blobs/uploads/1", transport.BlobUploadInvalidErrorCode),
			true},
		"overloaded":         {answered(503, "PATCH", "/v2/x/blobs/uploads/1"), true},
		"overloaded, PUT":    {answered(503, "PUT", "/v2/x/blobs/uploads/1"), true},
		"manifest":           {answered(503, "PUT", "/v2/x/manifests/1"), false}, // the transport has retried it
		"check":              {answered(503, "HEAD", "/v2/x/blobs/sha256:1"), false},
		"denied":             {answered(403, "PATCH", "/v2/x/blobs/uploads/1", transport.DeniedErrorCode), false},
		"closed connection":  {&url.Error{Op: "Patch", Err: io.ErrUnexpectedEOF}, true},
		"closed while check": {&url.Error{Op: "Head", Err: io.ErrUnexpectedEOF}, false},
		"source":             {&sourceError{&url.Error{Op: "Patch", Err: io.ErrUnexpectedEOF}}, false},
		"another error":      {errors.New("unexpected EOF"), false},
	} {
		notices := 0
		ctx := retry.WithNotice(context.Background(), func(retry.Attempt) { notices++ })
		if got := restartsUpload(ctx, "registry", c.err); got != c.want || (notices == 1) != c.want {
			t.Errorf("%s: %v, %d notices", name, got, notices)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if restartsUpload(ctx, "registry", &url.Error{Op: "Patch", Err: io.EOF}) {
		t.Error("an upload restarts after a signal")
	}
}

func TestCountReportsTotals(t *testing.T) {
	var got []string
	count := Count(func(task string, done, total int64) {
		got = append(got,
			fmt.Sprintf("%s %d/%d", task, done, total))
	})
	more, done := count.Begin("a", 10)
	more(4)
	more(0)
	done(nil)
	more, done = count.Begin("b", 5)
	more(5)
	done(nil)
	more, done = count.Begin("c", 5)
	more(1)
	done(errors.New("failed"))
	if all := strings.Join(got, ", "); all != "a 0/10, a 4/10, a 10/10, b 0/5, b 5/5, c 0/5, c 1/5" {
		t.Error(all)
	}
}
