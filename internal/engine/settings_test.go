package engine

import (
	"strings"
	"testing"
)

func TestNetworkMode(t *testing.T) {
	port := []string{"8080:80"}
	for _, c := range []struct {
		settings Settings
		want     string // "": an error
	}{
		{Settings{}, "none"},
		{Settings{Publish: port}, "bridge"},
		{Settings{Network: "bridge", Publish: port}, "bridge"},
		{Settings{Network: "host"}, "host"},
		{Settings{Network: "host", Publish: port}, ""},
		{Settings{Network: "none", Publish: port}, ""},
		{Settings{Network: "container:x"}, ""},
	} {
		if got, err := c.settings.network(); got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%+v: %q, %v; want %q", c.settings, got, err, c.want)
		}
	}
}

func TestCheckPort(t *testing.T) {
	for text, want := range map[string]bool{
		"80": true, "8080:80": true, "127.0.0.1:8080:80": true, "80/udp": true, "[::1]:8080:80/sctp": true,
		"": false, "80:": false, ":80": false, "http": false, "80/icmp": false, "800000": false, "-1": false,
		"1:2:x": false,
	} {
		if err := CheckPort(text); (err == nil) != want {
			t.Errorf("%q: %v, want accepted %t", text, err, want)
		}
	}
}

func TestHostsText(t *testing.T) {
	if text := hostsText("web", "none"); !strings.Contains(text, "127.0.1.1\tweb\n") ||
		!strings.Contains(text, "127.0.0.1\tlocalhost\n") {
		t.Errorf("its own network: %q", text)
	}
	if text := hostsText("web", "host"); strings.Contains(text, "web") {
		t.Errorf("the host's network: %q", text)
	}
}

// TestGeneratedName: the last part of the repository and a random number, a valid name in any case.
func TestGeneratedName(t *testing.T) {
	for name, prefix := range map[string]string{"alpine": "alpine-", "ghcr.io/a/b/web:1.2": "web-", "": "container-",
		"::": "container-"} {
		got := generateName(name)
		if !strings.HasPrefix(got, prefix) || len(got) != len(prefix)+6 || got == generateName(name) {
			t.Errorf("%q: %s, want %s and six random digits", name, got, prefix)
		}
	}
}
