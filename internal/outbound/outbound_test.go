package outbound

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestKindOf(t *testing.T) {
	for want, list := range map[kind][]string{
		public: {"8.8.8.8", "172.32.0.1", "2001:4860:4860::8888", "100.128.0.1", "64:ff9b::808:808"},
		private: {"10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "240.0.0.1", "fd00::254", "64:ff9b:1::1",
			"::ffff:0:10.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::"},
		linkLocal: {"169.254.169.254", "fe80::1%eth0", "::ffff:169.254.169.254", "224.0.0.1", "ff02::1",
			"100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "::ffff:0:169.254.169.254",
			"64:ff9b::6464:64c8", "64:ff9b::a9fe:a9fe", "255.255.255.255"},
		loopback: {"127.0.0.1", "127.8.9.1", "::1", "0.0.0.0", "0.1.2.3", "::", "::ffff:127.0.0.1", "::7f00:1",
			"2002:7f00:1::", "::ffff:0:127.0.0.1"},
	} {
		for _, text := range list {
			if got := kindOf(netip.MustParseAddr(text)); got != want {
				t.Errorf("%s: %s, want %s", text, got, want)
			}
		}
	}
}

// TestRedirectedName: a redirect by a public server is refused if the name resolves to an address
// that this server must not reach. The server at that address gets no request.
func TestRedirectedName(t *testing.T) {
	requests := 0
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests++ }))
	defer inside.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(inside.URL, "http://"), ":")
	// localhost stands for any name that resolves to this address; /etc/hosts contains it.
	for _, address := range []string{"http://localhost:" + port, "http://127.0.0.1:" + port,
		"http://[::ffff:127.0.0.1]:" + port, "http://0.0.0.0:" + port} {
		client := &http.Client{Transport: NewTransport(Origin{Host: "registry.example", Plain: true},
			&http.Transport{})}
		response, err := client.Get(address)
		if err == nil {
			_ = response.Body.Close()
		}
		var refused *AddressError
		if !errors.As(err, &refused) {
			t.Errorf("%s: %v", address, err)
		}
	}
	if requests != 0 {
		t.Errorf("%d requests came", requests)
	}
	// The user's own registry at this address may do so.
	client := &http.Client{Transport: NewTransport(Origin{Host: "localhost:" + port}, &http.Transport{})}
	response, err := client.Get("http://localhost:" + port)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
}

// TestProxyIsNotATarget: the user's proxy is dialed at any address, but a server cannot redirect to
// the proxy.
func TestProxyIsNotATarget(t *testing.T) {
	var asked []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Host)
		http.Redirect(w, r, "http://localhost:"+r.URL.Query().Get("port")+"/", http.StatusFound)
	}))
	defer proxy.Close()
	u, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = "localhost:" + u.Port()
	direct := func(r *http.Request) (*url.URL, error) { // as http.ProxyFromEnvironment does
		if r.URL.Hostname() == "localhost" {
			return nil, nil
		}
		return u, nil
	}
	client := &http.Client{Transport: NewTransport(Origin{Host: "registry.example", Plain: true},
		&http.Transport{Proxy: direct})}
	response, err := client.Get("http://registry.example/?port=" + u.Port())
	if err == nil {
		_ = response.Body.Close()
	}
	var refused *AddressError
	if !errors.As(err, &refused) {
		t.Error(err)
	}
	if !slices.Equal(asked, []string{"registry.example"}) {
		t.Errorf("requests for %q", asked)
	}
}

// TestRequestsWithoutTLS checks which requests may be sent without TLS.
func TestRequestsWithoutTLS(t *testing.T) {
	for _, c := range []struct {
		origin Origin
		url    string
		ok     bool
	}{
		{Origin{Host: "localhost:5000"}, "http://localhost:5000/", true},
		{Origin{Host: "[::1]:5000"}, "http://127.0.0.1/", true},
		{Origin{Host: "localhost:5000"}, "http://registry.example/", false},
		{Origin{Host: "10.0.0.1:5000"}, "http://10.0.0.1:5000/", false},
		{Origin{Host: "registry.local"}, "http://registry.local/", false},
		{Origin{Host: "registry.example"}, "http://registry.example/", false},
		{Origin{Host: "registry.example"}, "https://registry.example/", true},
		{Origin{Host: "10.0.0.1:5000", Plain: true}, "http://10.0.0.1:5000/", true},
		{Origin{Host: "registry.example", Plain: true}, "ftp://registry.example/", false},
	} {
		u, err := url.Parse(c.url)
		if err != nil {
			t.Fatal(err)
		}
		tr, ok := NewTransport(c.origin, http.NewFileTransport(http.Dir("/"))).(*transport)
		if !ok {
			t.Fatal("not a transport")
		}
		if err := tr.check(u); (err == nil) != c.ok {
			t.Errorf("%+v → %s: %v", c.origin, c.url, err)
		}
	}
}

// TestEndlessRedirect: redirects are also counted here, because a client with a CheckRedirect
// function has no limit.
func TestEndlessRedirect(t *testing.T) {
	requests := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests++; requests > 100 {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
	}))
	defer s.Close()
	client := &http.Client{
		Transport:     NewTransport(Origin{Host: strings.TrimPrefix(s.URL, "http://")}, &http.Transport{}),
		CheckRedirect: func(*http.Request, []*http.Request) error { return nil },
	}
	response, err := client.Get(s.URL)
	if err == nil {
		_ = response.Body.Close()
	}
	var endless *RedirectsError
	if !errors.As(err, &endless) || requests != maxRedirects+1 {
		t.Errorf("%d requests, %v", requests, err)
	}
}
