package outbound

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

func TestKindOf(t *testing.T) {
	for want, list := range map[kind][]string{
		public:    {"8.8.8.8", "172.32.0.1", "2001:4860:4860::8888", "100.128.0.1", "64:ff9b::808:808"},
		private:   {"10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "100.100.100.200", "fd00:ec2::254", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::"},
		linkLocal: {"169.254.169.254", "fe80::1%eth0", "::ffff:169.254.169.254", "224.0.0.1", "ff02::1", "64:ff9b::a9fe:a9fe", "255.255.255.255"},
		loopback:  {"127.0.0.1", "127.8.9.1", "::1", "0.0.0.0", "0.1.2.3", "::", "::ffff:127.0.0.1", "::7f00:1", "2002:7f00:1::"},
	} {
		for _, text := range list {
			if got := kindOf(netip.MustParseAddr(text)); got != want {
				t.Errorf("%s: %s, want %s", text, got, want)
			}
		}
	}
}

// TestRedirectedName: a name that a public server sends to is refused when it resolves
// to an address that the server must not reach, and the server there gets no request.
func TestRedirectedName(t *testing.T) {
	requests := 0
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests++ }))
	defer inside.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(inside.URL, "http://"), ":")
	// localhost stands for any name: /etc/hosts has it.
	for _, address := range []string{"http://localhost:" + port, "http://127.0.0.1:" + port, "http://[::ffff:127.0.0.1]:" + port, "http://0.0.0.0:" + port} {
		client := &http.Client{Transport: NewTransport(Origin{Host: "registry.example", Plain: true}, &http.Transport{})}
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
	// The user's own registry there may.
	client := &http.Client{Transport: NewTransport(Origin{Host: "localhost:" + port}, &http.Transport{})}
	response, err := client.Get("http://localhost:" + port)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
}

// TestPlain: which requests may go without TLS.
func TestPlain(t *testing.T) {
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
