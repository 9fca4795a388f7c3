package images

import (
	"archive/tar"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	oci "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// Addresses in the test's own network. The first two are for documentation (RFC 5737): no real
// network has them, and they count as public.
const (
	publicAddress  = "203.0.113.5"
	otherPublic    = "203.0.113.6"
	privateAddress = "10.9.9.9"
	otherPrivate   = "192.168.9.9"
	metadata       = "169.254.169.254"
)

// A network is one network namespace with servers at several addresses, each with TLS
// at port 443 and without at port 80.
type network struct {
	t    testing.TB
	cert tls.Certificate
	ca   string // file

	mutex sync.Mutex
	seen  []string // SCHEME ADDRESS METHOD PATH AUTHORIZATION
}

// newNetwork moves the test's thread into a separate network namespace, so that nothing leaves
// this machine. Programs that the test starts are there too.
func newNetwork(t testing.TB) *network {
	t.Helper()
	testbundle.Need(t)
	need(t, "ip", "iproute2")
	runtime.LockOSThread() // and never unlocked: the thread ends with the test's goroutine
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skipf("needs a network namespace: %v", err)
	}
	tool(t, "ip", "link", "set", "lo", "up")
	n := &network{t: t, ca: filepath.Join(t.TempDir(), "ca.pem")}
	n.makeCertificate(publicAddress, otherPublic, privateAddress, otherPrivate, metadata, "127.0.0.1")
	for _, a := range []string{publicAddress, otherPublic, privateAddress, otherPrivate, metadata} {
		tool(t, "ip", "address", "add", a+"/32", "dev", "lo")
	}
	return n
}

func (n *network) makeCertificate(addresses ...string) {
	n.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		n.t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, DNSNames: []string{"localhost"},
	}
	for _, a := range addresses {
		c.IPAddresses = append(c.IPAddresses, net.ParseIP(a))
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		n.t.Fatal(err)
	}
	n.cert = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	write(n.t, n.ca, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
}

// serve serves requests at an address, and records them.
func (n *network) serve(scheme, address string, handler http.HandlerFunc) {
	n.t.Helper()
	port := map[string]string{"http": "80", "https": "443"}[scheme]
	l, err := net.Listen("tcp", net.JoinHostPort(address, port))
	if err != nil {
		n.t.Fatal(err)
	}
	if scheme == "https" {
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{n.cert}})
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		n.mutex.Lock()
		n.seen = append(n.seen, strings.Join([]string{scheme, address, q.Method, q.URL.Path, q.Header.Get("Authorization")}, " "))
		n.mutex.Unlock()
		handler(w, q)
	})}
	go func() { _ = server.Serve(l) }()
	n.t.Cleanup(func() { _ = server.Close() })
}

// requests returns the requests that begin with prefix.
func (n *network) requests(prefix string) (out []string) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	for _, s := range n.seen {
		if strings.HasPrefix(s, prefix) {
			out = append(out, s)
		}
	}
	return out
}

// forbidden lists addresses to which a public registry must not redirect.
var forbidden = []string{
	"http://" + publicAddress, "http://" + otherPublic, // no TLS
	"http://127.0.0.1", "https://127.0.0.1", "https://localhost", "https://[::ffff:127.0.0.1]",
	"http://" + privateAddress, "https://" + privateAddress, "http://" + metadata, "https://" + metadata,
}

// TestRegistryCannotRedirectInward: a public registry cannot redirect minirun to loopback, into the
// private network, to a metadata server or to a server without TLS: neither by the redirect of a blob
// or manifest, nor by its token server, nor by the location of an upload. Another public server may
// serve blobs, and gets no credentials.
func TestRegistryCannotRedirectInward(t *testing.T) {
	n := newNetwork(t)
	l := newLayout(t)
	d := l.add("app", runs("sh"), layer{entries: []tar.Header{file("f", "content")}})
	var m oci.Manifest
	readBlob(t, l, d, &m)
	content := &registry{layout: l, cut: map[string]int{}}
	var kind, target string // the kind of request that the registry redirects, and its target
	trap := func(w http.ResponseWriter, q *http.Request) { content.serve(w, q) }
	for _, address := range []string{"127.0.0.1", otherPublic, privateAddress, metadata} {
		n.serve("http", address, trap)
		n.serve("https", address, trap)
	}
	n.serve("http", publicAddress, trap)
	n.serve("https", publicAddress, func(w http.ResponseWriter, q *http.Request) {
		switch {
		case q.URL.Path == "/token":
			fmt.Fprint(w, `{"token":"granted"}`)
		case kind == "token" && q.Header.Get("Authorization") != "Bearer granted":
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+target+`/token",service="test"`)
			w.WriteHeader(http.StatusUnauthorized)
		case q.Header.Get("Authorization") == "":
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
		case kind == "upload" && q.Method == http.MethodPost:
			w.Header().Set("Location", target+"/v2/x/blobs/uploads/1")
			w.WriteHeader(http.StatusAccepted)
		case kind == "upload":
			w.WriteHeader(http.StatusNotFound)
		case kind != "" && strings.Contains(q.URL.Path, "/"+kind+"/"):
			http.Redirect(w, q, target+q.URL.Path, http.StatusTemporaryRedirect)
		default:
			content.serve(w, q)
		}
	})
	auth := base64.StdEncoding.EncodeToString([]byte("user:secret"))
	config := filepath.Join(t.TempDir(), "docker")
	write(t, filepath.Join(config, "config.json"), fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, publicAddress, auth))
	client := func() *store {
		s := newStore(t)
		s.Env = []string{"SSL_CERT_FILE=" + n.ca, "DOCKER_CONFIG=" + config}
		return s
	}
	ref := publicAddress + "/x:app"

	full := client()
	full.Do("pull", "-q", "--no-unpack", ref)
	for _, kind = range []string{"blobs", "manifests", "token", "upload"} {
		for _, target = range forbidden {
			if kind == "upload" && target != "http://"+otherPublic && target != "https://localhost" && target != "http://"+metadata {
				continue // the library makes several attempts for each
			}
			// No subtests: their threads are in the host's network namespace.
			before := len(n.requests(""))
			var r testbundle.Result
			if kind == "upload" {
				r = full.Minirun("push", "-q", ref)
			} else {
				r = client().Minirun("pull", "-q", "--no-unpack", ref)
			}
			if r.Status == 0 {
				t.Errorf("%s to %s: status 0", kind, target)
			}
			sent := n.requests("")[before:]
			if len(sent) > 50 {
				t.Errorf("%s to %s: %d requests: the redirects have no end", kind, target, len(sent))
			}
			if !slices.ContainsFunc(sent, func(q string) bool { return strings.HasPrefix(q, "https "+publicAddress) }) {
				t.Errorf("%s to %s: the registry was not asked: %s", kind, target, r.Stderr)
			}
			for _, q := range sent {
				if !strings.HasPrefix(q, "https "+publicAddress) {
					t.Errorf("%s to %s: sent %s", kind, target, q)
				}
			}
		}
	}
	kind, target = "blobs", "https://"+otherPublic
	client().Do("pull", "-q", "--no-unpack", ref)
	there := n.requests("https " + otherPublic)
	if len(there) == 0 {
		t.Error("no blob came from the other server")
	}
	for _, q := range there {
		if strings.Contains(q, "Basic") || strings.Contains(q, "Bearer") {
			t.Errorf("credentials went along: %s", q)
		}
	}
}

// TestPrivateRegistryWithoutTLS: a registry at a private address gets a request without TLS only if
// it is configured as insecure; otherwise it never gets credentials.
func TestPrivateRegistryWithoutTLS(t *testing.T) {
	n := newNetwork(t)
	l := newLayout(t)
	l.add("app", runs("sh"), layer{entries: []tar.Header{file("f", "content")}})
	content := &registry{layout: l, cut: map[string]int{}}
	n.serve("http", privateAddress, func(w http.ResponseWriter, q *http.Request) {
		if q.Header.Get("Authorization") == "" {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		content.serve(w, q)
	})
	s := newStore(t)
	home := filepath.Join(s.Host, "home")
	auth := base64.StdEncoding.EncodeToString([]byte("user:secret"))
	write(t, filepath.Join(home, "config.json"), fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, privateAddress, auth))
	s.Env = []string{"DOCKER_CONFIG=" + home, "XDG_CONFIG_HOME=" + home}
	ref := privateAddress + "/x:app"
	s.Minirun("pull", "-q", "--no-unpack", ref).Fails(t, "TLS", "insecure")
	if sent := n.requests(""); len(sent) > 0 {
		t.Errorf("sent without TLS: %q", sent)
	}
	write(t, filepath.Join(home, "minirun/registries.json"), fmt.Sprintf(`{"insecure":[%q]}`, privateAddress))
	s.Do("pull", "-q", "--no-unpack", ref)
}

// TestPrivateRegistryWithTLS: a registry in the private network may redirect to another server there,
// but not to a metadata server or to loopback. If its certificate is not trusted, the error does not
// suggest disabling TLS.
func TestPrivateRegistryWithTLS(t *testing.T) {
	n := newNetwork(t)
	l := newLayout(t)
	l.add("app", runs("sh"), layer{entries: []tar.Header{file("f", "content")}})
	content := &registry{layout: l, cut: map[string]int{}}
	target := "https://" + otherPrivate
	n.serve("https", privateAddress, func(w http.ResponseWriter, q *http.Request) {
		if strings.Contains(q.URL.Path, "/blobs/") {
			http.Redirect(w, q, target+q.URL.Path, http.StatusTemporaryRedirect)
			return
		}
		content.serve(w, q)
	})
	for _, address := range []string{otherPrivate, metadata, "127.0.0.1"} {
		n.serve("https", address, content.serve)
	}
	pull := func(trusted bool) testbundle.Result {
		s := newStore(t)
		s.Env = []string{"DOCKER_CONFIG=" + s.Host}
		if trusted {
			s.Env = append(s.Env, "SSL_CERT_FILE="+n.ca)
		}
		return s.Minirun("pull", "-q", "--no-unpack", privateAddress+"/x:app")
	}
	r := pull(false)
	r.Fails(t, "certificate authority")
	if strings.Contains(r.Stderr, `"insecure"`) {
		t.Errorf("the hint for a registry without TLS: %s", r.Stderr)
	}
	if r := pull(true); r.Status != 0 || len(n.requests("https "+otherPrivate)) == 0 {
		t.Errorf("another private server: status %d: %s", r.Status, r.Stderr)
	}
	for _, address := range []string{metadata, "127.0.0.1"} {
		target = "https://" + address
		pull(true).Fails(t, address)
		if sent := n.requests("https " + address); len(sent) > 0 {
			t.Errorf("sent %q", sent)
		}
	}
}

// TestFileServerCannotRedirectInward: the server of a file that ADD fetches can redirect minirun only
// to the addresses to which a registry can.
func TestFileServerCannotRedirectInward(t *testing.T) {
	n := newNetwork(t)
	var target string
	trap := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "secret of the network") }
	for _, address := range []string{"127.0.0.1", otherPublic, privateAddress, metadata} {
		n.serve("http", address, trap)
		n.serve("https", address, trap)
	}
	n.serve("http", publicAddress, trap)
	n.serve("https", publicAddress, func(w http.ResponseWriter, q *http.Request) {
		http.Redirect(w, q, target+q.URL.Path, http.StatusFound)
	})
	s := newStore(t)
	s.Env = []string{"SSL_CERT_FILE=" + n.ca}
	write(t, filepath.Join(s.Host, "context/Dockerfile"), "FROM scratch\nARG N\nADD https://"+publicAddress+"/f /\nENV N=$N\n")
	for i, where := range append([]string{"https://" + otherPublic}, forbidden...) {
		target = where
		before := len(n.requests(""))
		r := s.Minirun("build", "--progress", "quiet", "--no-cache", "--build-arg", fmt.Sprintf("N=%d", i), filepath.Join(s.Host, "context"))
		allowed := i == 0
		if allowed != (r.Status == 0) {
			t.Errorf("to %s: status %d: %s", where, r.Status, r.Stderr)
		}
		sent := n.requests("")[before:]
		if len(sent) == 0 {
			t.Errorf("to %s: the server was not asked", where)
		}
		for _, q := range sent {
			if !allowed && !strings.HasPrefix(q, "https "+publicAddress) {
				t.Errorf("to %s: sent %s", where, q)
			}
		}
	}
}
