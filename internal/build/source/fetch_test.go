package source

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/minirun/minirun/internal/retry"
)

// A site serves one text and counts the requests.
type site struct {
	text, etag            string
	modified, disposition string
	whole, unchanged      atomic.Int32
	http.ServeMux
}

func newSite(t *testing.T, text string) (*site, *httptest.Server) {
	s := &site{text: text, etag: `"1"`, modified: "Sun, 13 Sep 2020 12:26:40 GMT"}
	s.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/missing") {
			http.NotFound(w, r)
			return
		}
		for header, value := range map[string]string{"ETag": s.etag, "Last-Modified": s.modified,
			"Content-Disposition": s.disposition} {
			if value != "" {
				w.Header().Set(header, value)
			}
		}
		if s.etag != "" && r.Header.Get("If-None-Match") == s.etag ||
			s.etag == "" && s.modified != "" && r.Header.Get("If-Modified-Since") == s.modified {
			s.unchanged.Add(1)
			w.WriteHeader(http.StatusNotModified)
			return
		}
		s.whole.Add(1)
		_, _ = io.WriteString(w, s.text)
	})
	s.HandleFunc("/old", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/new/name.txt",
			http.StatusFound)
	})
	s.HandleFunc("/loop",
		func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, server
}

func read(t *testing.T, f *Download) string {
	t.Helper()
	text, err := io.ReadAll(f.File)
	if err != nil {
		t.Fatal(err)
	}
	st, err := f.File.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if st.Mode() != 0o600 || st.Size() != f.Size || digest.FromBytes(text) != f.Digest {
		t.Errorf("mode %v, %d bytes of %d, digest %s", st.Mode(), st.Size(), f.Size, f.Digest)
	}
	if !f.Modified.IsZero() && !st.ModTime().Equal(f.Modified) {
		t.Errorf("modified %v, not %v", st.ModTime(), f.Modified)
	}
	f.File.Close()
	return string(text)
}

// TestFetch: cached content is revalidated, and not transferred again.
func TestFetch(t *testing.T) {
	ctx, cache := context.Background(), t.TempDir()
	s, server := newSite(t, "one")
	get := func(url, sum string) string {
		t.Helper()
		f, err := Fetch(ctx, url, cache, sum)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%s %s %t %d/%d", f.Name, read(t, f), f.Cached, s.whole.Load(), s.unchanged.Load())
	}
	expect := func(url, sum, want string) {
		t.Helper()
		if got := get(url, sum); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	one := digest.FromString("one").String()
	expect(server.URL+"/d/f.txt?x=y", "", "f.txt one false 1/0")
	expect(server.URL+"/d/f.txt?x=y", "", "f.txt one true 1/1")
	expect(server.URL+"/d/f.txt?x=y#z", one, "f.txt one true 1/1") // no request
	s.text, s.etag = "two", `"2"`
	expect(server.URL+"/d/f.txt?x=y", "", "f.txt two false 2/1")
	s.etag = ""
	expect(server.URL+"/d/f.txt?x=y", "", "f.txt two true 2/2") // by the modification time
	s.modified, s.disposition = "", `attachment; filename="../../etc/na me"`
	expect(server.URL+"/d/f.txt?x=y", "", "na me two false 3/2")
	expect(server.URL+"/d/f.txt?x=y", "", "na me two false 4/2") // no validators to send
	s.disposition = ""
	expect(server.URL+"/old", "", "old two false 5/2")
	expect(server.URL+"/", "", " two false 6/2")

	files, err := filepath.Glob(filepath.Join(cache, "http/*/*"))
	if err != nil || len(files) != 6 {
		t.Errorf("three URLs have %q, %v", files, err)
	}
}

func TestFetchErrors(t *testing.T) {
	ctx, cache := context.Background(), t.TempDir()
	s, server := newSite(t, "one")
	host := strings.TrimPrefix(server.URL, "http://")
	other := digest.FromString("other").String()
	for name, c := range map[string]struct{ url, sum, want string }{
		"not there": {server.URL + "/missing", "", server.URL + "/missing: the server returned 404 Not Found"},
		"another content": {server.URL + "/f", other, "checksum mismatch: its digest is " +
			digest.FromString("one").String() + ", expected " + other},
		"again":           {server.URL + "/f", other, "checksum mismatch"},
		"no checksum":     {server.URL + "/f", "sha256:abc", "must be sha256: and 64"},
		"of another kind": {server.URL + "/f", "sha512:" + strings.Repeat("a", 128), "must be sha256:"},
		"a loop":          {server.URL + "/loop", "", "stopped after 10 redirects"},
		"a password":      {"http://me:secret@" + host + "/missing", "", "http://me:xxxxx@" + host + "/missing"},
		"no server":       {"http://127.0.0.1:1/", "", "connection refused"},
		"not HTTP":        {"file:///etc/passwd", "", "not an http or https URL"},
		"no host":         {"http:///f", "", "not an http or https URL"},
	} {
		if f, err := Fetch(ctx, c.url, cache, c.sum); err == nil || !strings.Contains(err.Error(), c.want) ||
			strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, %v, want %q", name, f, err, c.want)
		}
	}
	f := fetcher{limit: 2, silence: time.Minute}
	for _, path := range []string{"/with-a-length", "/chunked"} {
		if path == "/chunked" {
			s.text = strings.Repeat("x", 5000)
		}
		if _, err := f.fetch(ctx, server.URL+path, cache, ""); err == nil ||
			!strings.Contains(err.Error(), "more than") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestFetchAbortsStalledTransfer: a transfer is aborted if the server stops sending, or if the build is
// cancelled. Partial content is not kept.
func TestFetchAbortsStalledTransfer(t *testing.T) {
	quiet, begun := make(chan struct{}), make(chan struct{}, 2)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		w.(http.Flusher).Flush()
		begun <- struct{}{}
		<-quiet
	}))
	defer server.Close()
	defer close(quiet)
	cache := t.TempDir()
	f := fetcher{limit: 100, silence: 50 * time.Millisecond}
	if _, err := f.fetch(context.Background(), server.URL, cache, ""); err == nil ||
		!strings.Contains(err.Error(), "sent nothing for 50ms") {
		t.Error(err)
	}
	<-begun
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-begun
		cancel()
	}()
	if _, err := Fetch(ctx, server.URL, cache, ""); err == nil || !strings.Contains(err.Error(), "context canceled") {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "http/*/*")); len(left) > 0 {
		t.Errorf("leftover files: %q", left)
	}
}

// TestFetchRetries: a file is fetched again after temporary errors, and from the beginning
// after the connection was cut, but not forever.
func TestFetchRetries(t *testing.T) {
	waits := 0
	f := fetcher{limit: 100, silence: time.Minute, retries: retry.Policy{Tries: 4,
		Sleep: func(context.Context, time.Duration) error {
			waits++
			return nil
		}}}
	for name, c := range map[string]struct {
		statuses []int // 200 with less content than promised is a cut connection
		want     string
		waits    int
	}{
		"overloaded":      {[]int{503, 429, 0}, "", 2},
		"always":          {[]int{500}, "the server returned 500", 3},
		"cut":             {[]int{200, 502, 200, 0}, "", 3},
		"cut each time":   {[]int{200}, "the connection was cut", 3},
		"not there":       {[]int{404}, "the server returned 404", 0},
		"content at once": {[]int{0}, "", 0},
	} {
		requests := 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			status := c.statuses[min(requests, len(c.statuses)-1)]
			requests++
			switch status {
			case 0:
				_, _ = io.WriteString(w, "content")
			case http.StatusOK:
				w.Header().Set("Content-Length", "7")
				_, _ = io.WriteString(w, "con")
				w.(http.Flusher).Flush()
				panic(http.ErrAbortHandler)
			default:
				w.WriteHeader(status)
			}
		}))
		waits = 0
		got, err := f.fetch(context.Background(), server.URL+"/f", t.TempDir(), "")
		server.Close()
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v", name, err)
			}
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if text := read(t, got); text != "content" {
			t.Errorf("%s: %q", name, text)
		}
		if waits != c.waits {
			t.Errorf("%s: %d waits, want %d", name, waits, c.waits)
		}
	}
}

// TestFetchConcurrently: concurrent builds, and a corrupted cache.
func TestFetchConcurrently(t *testing.T) {
	cache := t.TempDir()
	_, server := newSite(t, strings.Repeat("one", 10000))
	var all sync.WaitGroup
	for range 10 {
		all.Add(1)
		go func() {
			defer all.Done()
			f, err := Fetch(context.Background(), server.URL+"/f", cache, "")
			if err != nil {
				t.Error(err)
				return
			}
			read(t, f)
		}()
	}
	all.Wait()
	for _, spoil := range []func(string){
		func(name string) { _ = os.Truncate(name, 3) },
		func(name string) { _ = os.Remove(name) },
		func(name string) { _ = os.WriteFile(filepath.Join(filepath.Dir(name), metaName), []byte("{"), 0o600) },
	} {
		names, err := filepath.Glob(filepath.Join(cache, "http/*/*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if filepath.Base(name) != metaName {
				spoil(name)
			}
		}
		f, err := Fetch(context.Background(), server.URL+"/f", cache, "")
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, f); len(got) != 30000 {
			t.Errorf("%d bytes", len(got))
		}
	}
}

func TestFileNameIsLastComponent(t *testing.T) {
	for _, c := range [][3]string{
		{"", "http://h/a/b%20c", "b c"}, {"", "http://h", ""}, {"", "http://h/a/", "a"}, {"", "http://h/a/..", ""},
		{"", "http://h/a%2fb", "b"},
		{`attachment; filename=x.tar.gz`, "http://h/a", "x.tar.gz"},
		{`attachment; filename="a\\b"`, "http://h/a", "b"}, {`inline`, "http://h/a", "a"},
		{`attachment; filename*=UTF-8''%e2%82%ac`, "http://h/a", "€"},
		{`attachment; filename=".."`, "http://h/a", "a"}, {"attachment; filename=\"a\x01\"", "http://h/u", "u"},
	} {
		u, err := url.Parse(c[1])
		if err != nil {
			t.Fatal(err)
		}
		if got := fileName(c[0], u); got != c[2] {
			t.Errorf("%q %q: %q, want %q", c[0], c[1], got, c[2])
		}
	}
}
