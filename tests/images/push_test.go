package images

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	memory "github.com/google/go-containerregistry/pkg/registry"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestPushRetriesTemporaryErrors: a push retries after temporary errors and broken connections, and
// works without HEAD.
func TestPushRetriesTemporaryErrors(t *testing.T) {
	testbundle.Parallel(t)
	l, d, _, large := twoLayers(t)
	s := newStore(t)
	s.Do("load", "-q", "--no-unpack", l.dir)
	push := func(t *testing.T, f *front) string {
		t.Helper()
		r := s.Minirun("push", "app", f.host()+"/x:1")
		r.Exit(t, 0)
		other := newStore(t)
		other.Do("pull", "-q", "--no-unpack", f.host()+"/x:1")
		if got := other.images()[f.host()+"/x:1"].Digest; got != d.Digest.String() {
			t.Errorf("pulled %q", got)
		}
		return r.Stderr
	}
	t.Run("statuses", func(t *testing.T) {
		f := newFront(t, inMemory(), fault{"POST", "/uploads/", 1, status(503)}, fault{"PATCH", "/uploads/", 1, status(429)}, fault{"PATCH", "/uploads/", 1, status(500)},
			fault{"PUT", "/uploads/", 1, status(502)}, fault{"PUT", "/manifests/", 1, status(504)}, fault{"HEAD", "/manifests/", 1, status(503)})
		shown := push(t, f)
		for _, want := range []string{"503", "429", "upload: 500", "upload: 502", "504"} {
			if !strings.Contains(shown, want) {
				t.Errorf("%q is not shown: %s", want, shown)
			}
		}
	})
	t.Run("cut", func(t *testing.T) { push(t, newFront(t, inMemory(), fault{"PATCH", "/uploads/", 2, hangUp})) })
	for _, code := range []int{http.StatusMethodNotAllowed, http.StatusNotImplemented} {
		t.Run(fmt.Sprintf("HEAD %d", code), func(t *testing.T) {
			f := newFront(t, inMemory(), fault{"HEAD", "/", -1, status(code)})
			push(t, f)
			before := f.count("PATCH ")
			if push(t, f); before == 0 || f.count("PATCH ") != before || f.count("GET /v2/x/blobs/"+large+" bytes=0-0") == 0 {
				t.Errorf("it sent again what the registry has: %q", f.requests)
			}
		})
	}
	t.Run("HEAD without a digest", func(t *testing.T) {
		f := newFront(t, inMemory(), fault{"HEAD", "/manifests/", -1, status(200, "Content-Type: text/plain")})
		push(t, f)
		push(t, f)
	})
}

// TestPushedSubjectIsListedAsReferrer: a manifest with a subject becomes a referrer of it: through the
// registry's API, or, whatever a registry without this API responds, in the index with the subject's
// tag (distribution specification, "Pushing Manifests with Subject").
func TestPushedSubjectIsListedAsReferrer(t *testing.T) {
	testbundle.Parallel(t)
	l, subject, _, _ := twoLayers(t)
	var m oci.Manifest
	readBlob(t, l, subject, &m)
	m.Subject = &subject
	signature := l.document(oci.MediaTypeImageManifest, m)
	l.name("signature", signature)
	for name, c := range map[string]struct {
		options []memory.Option
		faults  []fault
		path    string
	}{
		"interface":          {[]memory.Option{memory.WithReferrersSupport(true)}, nil, "referrers/" + subject.Digest.String()},
		"overloaded":         {[]memory.Option{memory.WithReferrersSupport(true)}, []fault{{"GET", "/referrers/", 1, status(503)}}, "referrers/" + subject.Digest.String()},
		"no interface":       {nil, nil, "manifests/sha256-" + subject.Digest.Encoded()},
		"method not allowed": {nil, []fault{{"", "/referrers/", -1, status(405)}}, "manifests/sha256-" + subject.Digest.Encoded()},
		"not implemented":    {nil, []fault{{"", "/referrers/", -1, status(501)}}, "manifests/sha256-" + subject.Digest.Encoded()},
		"forbidden":          {nil, []fault{{"", "/referrers/", -1, status(403)}}, "manifests/sha256-" + subject.Digest.Encoded()},
	} {
		s := newStore(t)
		s.Do("load", "-q", "--no-unpack", l.dir)
		f := newFront(t, inMemory(c.options...), c.faults...)
		s.Do("push", "-q", "app", f.host()+"/x:1")
		if r := s.Minirun("push", "-q", "signature", f.host()+"/x:signature"); r.Status != 0 {
			t.Errorf("%s: %s", name, r.Stderr)
			continue
		}
		answer, err := http.Get(f.URL + "/v2/x/" + c.path)
		if err != nil {
			t.Fatal(err)
		}
		var index oci.Index
		err = json.NewDecoder(answer.Body).Decode(&index)
		answer.Body.Close()
		if err != nil || len(index.Manifests) != 1 || index.Manifests[0].Digest != signature.Digest {
			t.Errorf("%s: the referrers are %+v, %v", name, index, err)
		}
	}
}
