package transfer

import (
	"net/http"
	"slices"
	"testing"
)

// TestSplitChallenges: each challenge of a header gets its own line, the usable one first.
func TestSplitChallenges(t *testing.T) {
	const bearer = `Bearer realm="https://auth.example/token",service="a, b",scope="repository:x:pull,push"`
	for name, c := range map[string]struct{ lines, want []string }{
		"one":           {[]string{bearer}, []string{bearer}},
		"two lines":     {[]string{`Basic realm="x"`, bearer}, []string{bearer, `Basic realm="x"`}},
		"two in a line": {[]string{`Basic realm="x, y=z", ` + bearer}, []string{bearer, `Basic realm="x, y=z"`}},
		"scheme alone":  {[]string{`Negotiate, Basic realm="x"`}, []string{`Basic realm="x"`, "Negotiate"}},
		"token68":       {[]string{`Negotiate YWJj==, ` + bearer}, []string{bearer, "Negotiate YWJj=="}},
		"escaped quote": {[]string{`Basic realm="a\", Bearer b", charset="UTF-8"`},
			[]string{`Basic realm="a\", Bearer b",charset="UTF-8"`}},
		"spaces": {[]string{`Digest realm = "d" , nonce = "n" ,, Basic realm="x"`},
			[]string{`Basic realm="x"`, `Digest realm = "d",nonce = "n"`}},
		"Bearer without more": {[]string{`Bearer, Basic realm="x"`}, []string{`Basic realm="x"`, "Bearer"}},
		"no text":             {[]string{""}, []string{""}},
		"no header":           {nil, nil},
	} {
		h := http.Header{}
		for _, line := range c.lines {
			h.Add("WWW-Authenticate", line)
		}
		splitChallenges(h)
		if got := h.Values("WWW-Authenticate"); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestManifestType: if the Content-Type is not that of a manifest, the type in the document is
// used.
func TestManifestType(t *testing.T) {
	const manifest, index = "application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json"
	const docker = "application/vnd.docker.distribution.manifest.v2+json"
	for _, c := range []struct{ contentType, document, want string }{
		{manifest, "", manifest},
		{index + "; charset=utf-8", "", index},
		{"text/plain; charset=utf-8", "", ""},
		{"text/plain", `{"mediaType":"` + docker + `","config":{}}`, docker},
		{"application/json", `{"manifests":[]}`, index},
		{"", `{"config":{},"layers":[]}`, manifest},
		{"application/octet-stream", `{"schemaVersion":1,"fsLayers":[]}`,
			"application/vnd.docker.distribution.manifest.v1+json"},
		{"text/html", "<html>log in to this network</html>", ""},
		{"application/json", `{"errors":[]}`, ""},
		{"application/json", `{"mediaType":"application/x-unknown"}`, ""},
	} {
		if got := manifestType(c.contentType, []byte(c.document)); got != c.want {
			t.Errorf("%q, %q: %q, want %q", c.contentType, c.document, got, c.want)
		}
	}
}
