package source

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http" //nolint:depguard // minirun-image alone links it, as it links transfer
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/minirun/minirun/internal/outbound"
	"github.com/minirun/minirun/internal/retry"
)

// Download is a file fetched from a URL. The caller closes it.
type Download struct {
	File     *os.File
	Digest   digest.Digest
	Modified time.Time // as reported by the server, or zero
	Name     string    // the name that ADD uses if its destination is a directory
	Size     int64
	Cached   bool // nothing was transferred
}

// Fetch fetches a URL. The content is kept below cacheDir. The server is asked whether it has
// changed, unless checksum (sha256:…) matches the cached content.
func Fetch(ctx context.Context, url, cacheDir, checksum string) (*Download, error) {
	f := fetcher{limit: 64 << 30, silence: time.Minute, retries: retry.Default}
	return f.fetch(ctx, url, cacheDir, checksum)
}

type fetcher struct {
	limit   int64         // maximum size of a file
	silence time.Duration // how long a server may send nothing
	retries retry.Policy
}

// meta is the cached metadata of a URL.
type meta struct {
	URL          string        `json:"url"` // without a password
	ETag         string        `json:"etag,omitempty"`
	LastModified string        `json:"lastModified,omitempty"`
	Name         string        `json:"name"`
	Digest       digest.Digest `json:"digest"`
	Size         int64         `json:"size"`
}

const metaName = "meta.json"

func (f *fetcher) fetch(ctx context.Context, address, cacheDir, checksum string) (*Download, error) {
	u, err := url.Parse(address)
	if err != nil || !IsURL(address) || u.Host == "" {
		return nil, fmt.Errorf("fetch %s: not an http or https URL", RedactURL(address))
	}
	want := digest.Digest(checksum)
	if checksum != "" {
		if err := want.Validate(); err != nil || want.Algorithm() != digest.SHA256 {
			return nil, fmt.Errorf("fetch %s: the checksum %q must be sha256: and 64 lower-case hexadecimal digits",
				u.Redacted(), checksum)
		}
	}
	u.Fragment = ""
	dir := filepath.Join(cacheDir, "http", digest.FromString(u.String()).Encoded())
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create the cache of URLs: %w", err)
	}
	known := readMeta(dir)
	if known != nil && known.Digest == want {
		if got, err := known.open(dir); err == nil {
			return got, nil
		}
	}
	got, err := f.request(ctx, u, dir, known)
	for failures := 1; err != nil && errors.Is(err, errDisconnected) &&
		f.retries.Wait(ctx, u.Host, "the connection was cut", failures); failures++ {
		got, err = f.request(ctx, u, dir, known)
	}
	if err != nil {
		return nil, addFetchHint(fmt.Errorf("fetch %s: %w", u.Redacted(), err), u)
	}
	if checksum != "" && got.Digest != want {
		_ = got.File.Close()
		return nil, fmt.Errorf("fetch %s: checksum mismatch: its digest is %s, expected %s", u.Redacted(), got.Digest,
			want)
	}
	return got, nil
}

// errDisconnected is the cause when the connection was cut during the transfer. The file is fetched
// again from the beginning: unlike a blob, which has a digest, it may have changed meanwhile.
var errDisconnected = errors.New("the connection was cut")

// request requests the file from the server.
func (f *fetcher) request(ctx context.Context, u *url.URL, dir string, known *meta) (*Download, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", "minirun")
	if known != nil && known.ETag != "" {
		request.Header.Set("If-None-Match", known.ETag)
	}
	if known != nil && known.LastModified != "" {
		request.Header.Set("If-Modified-Since", known.LastModified)
	}
	safe := outbound.NewTransport(outbound.Origin{Host: u.Host, Plain: u.Scheme == "http"}, f.transport())
	client := &http.Client{Transport: retry.NewTransport(f.retries, safe, func(*http.Request) bool { return true })}
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		var of *url.Error // contains the URL, including the secrets of a redirect
		if errors.As(err, &of) {
			err = of.Err
		}
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	switch {
	case response.StatusCode == http.StatusNotModified && known != nil:
		return known.open(dir)
	case response.StatusCode != http.StatusOK:
		return nil, &statusError{response.StatusCode, response.Status}
	case response.ContentLength > f.limit:
		return nil, fmt.Errorf("the file has %d bytes, more than the limit of %d", response.ContentLength, f.limit)
	}
	body := &timedBody{Reader: response.Body, silence: f.silence, timer: time.AfterFunc(f.silence, func() {
		cancel(fmt.Errorf("the server sent nothing for %v", f.silence))
	})}
	defer body.timer.Stop()
	got, err := f.storeResponse(response, body, u, dir)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	} else if err != nil && body.err != nil {
		err = fmt.Errorf("%w: %w", errDisconnected, err)
	}
	return got, err
}

// A statusError reports that a server did not return the file.
type statusError struct {
	code   int
	status string
}

func (e *statusError) Error() string { return "the server returned " + e.status }

// addFetchHint adds what the user can do.
func addFetchHint(err error, u *url.URL) error {
	var status *statusError
	var unknown *net.DNSError
	switch {
	case errors.As(err, &status) && status.code == http.StatusNotFound:
		return fmt.Errorf("%w\nhint: check the address: curl -I %s", err, u.Redacted())
	case errors.As(err, &status) && (status.code == http.StatusUnauthorized || status.code == http.StatusForbidden):
		return fmt.Errorf("%w\nhint: the file is not public: download it into a directory, and build that", err)
	case errors.As(err, &unknown):
		return fmt.Errorf("%w\nhint: check the host name %s, and this machine's network", err, u.Hostname())
	}
	return err
}

// transport returns the default transport with a timeout for each phase, and without
// decompression.
func (f *fetcher) transport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		TLSHandshakeTimeout:   f.silence,
		ResponseHeaderTimeout: f.silence,
		ForceAttemptHTTP2:     true,
		DisableCompression:    true,
	}
}

// timedBody is a response body with a timeout if the server stops sending.
type timedBody struct {
	io.Reader
	err     error // of the connection
	silence time.Duration
	timer   *time.Timer
}

func (w *timedBody) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if n > 0 {
		w.timer.Reset(w.silence)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}

// storeResponse writes the content, then its metadata, which makes the content valid.
func (f *fetcher) storeResponse(response *http.Response, body io.Reader, u *url.URL, dir string) (*Download, error) {
	tmp, err := os.CreateTemp(dir, "tmp-") // 0600
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // after a rename, this does nothing
	defer tmp.Close()
	hash := sha256.New()
	n, err := io.Copy(io.MultiWriter(tmp, hash), io.LimitReader(body, f.limit+1))
	if err != nil {
		return nil, err
	}
	if n > f.limit {
		return nil, fmt.Errorf("the file has more than %d bytes, the limit", f.limit)
	}
	m := &meta{
		URL: u.Redacted(), ETag: response.Header.Get("ETag"), LastModified: response.Header.Get("Last-Modified"),
		Name: fileName(response.Header.Get("Content-Disposition"), u), Digest: digest.NewDigest(digest.SHA256, hash),
		Size: n,
	}
	if when := m.modified(); !when.IsZero() {
		if err := os.Chtimes(tmp.Name(), when, when); err != nil {
			return nil, err
		}
	}
	if err := tmp.Close(); err != nil {
		return nil, err
	}
	if err := os.Rename(tmp.Name(), m.path(dir)); err != nil {
		return nil, err
	}
	before := readMeta(dir)
	if err := m.write(dir); err != nil {
		return nil, err
	}
	if before != nil && before.Digest != m.Digest {
		_ = os.Remove(before.path(dir))
	}
	got, err := m.open(dir)
	if err == nil {
		got.Cached = false
	}
	return got, err
}

// fileName returns the last component of the name that the server gives the file, or of the
// URL's path.
func fileName(disposition string, u *url.URL) string {
	if _, parameters, err := mime.ParseMediaType(disposition); err == nil {
		if name := baseName(parameters["filename"]); name != "" {
			return name
		}
	}
	return baseName(u.Path)
}

func baseName(name string) string {
	name = path.Base(strings.ReplaceAll(name, `\`, "/"))
	if name == "." || name == ".." || name == "/" || len(name) > 255 ||
		strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return ""
	}
	return name
}

func (m *meta) path(dir string) string { return filepath.Join(dir, m.Digest.Encoded()) }

func (m *meta) modified() time.Time {
	when, err := http.ParseTime(m.LastModified)
	if err != nil {
		return time.Time{}
	}
	return when
}

func (m *meta) open(dir string) (*Download, error) {
	f, err := os.Open(m.path(dir))
	if err != nil {
		return nil, err
	}
	touch(dir)
	return &Download{File: f, Digest: m.Digest, Modified: m.modified(), Name: m.Name, Size: m.Size, Cached: true}, nil
}

func (m *meta) write(dir string) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, "tmp-")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // after a rename, this does nothing
	defer tmp.Close()
	if _, err := tmp.Write(text); err != nil {
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), filepath.Join(dir, metaName))
}

// readMeta returns nil if the metadata is missing or damaged.
func readMeta(dir string) *meta {
	text, err := os.ReadFile(filepath.Join(dir, metaName))
	if err != nil {
		return nil
	}
	m := &meta{}
	if json.Unmarshal(text, m) != nil || m.Digest.Validate() != nil {
		return nil
	}
	if st, err := os.Lstat(m.path(dir)); err != nil || !st.Mode().IsRegular() || st.Size() != m.Size {
		return nil
	}
	return m
}
