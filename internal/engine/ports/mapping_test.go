package ports

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestParseRequests(t *testing.T) {
	for text, want := range map[string]string{
		"80":                      "- 0-0 80 tcp",
		"8080:80/UDP":             "- 8080-8080 80 udp",
		"0:80":                    "- 0-0 80 tcp",
		"127.0.0.1:8080:80":       "127.0.0.1 8080-8080 80 tcp",
		"127.0.0.1::80":           "127.0.0.1 0-0 80 tcp",
		"[::1]:8080:80":           "::1 8080-8080 80 tcp",
		"::1:8080:80":             "::1 8080-8080 80 tcp",
		"8000-8002:80-82":         "- 8000-8000 80 tcp; - 8001-8001 81 tcp; - 8002-8002 82 tcp",
		"8000-8002:80":            "- 8000-8002 80 tcp",
		"80-81":                   "- 0-0 80 tcp; - 0-0 81 tcp",
		"65534-65535:65534-65535": "- 65534-65534 65534 tcp; - 65535-65535 65535 tcp",
	} {
		requests, err := Parse(text)
		var got []string
		for _, r := range requests {
			ip := "-"
			if r.IP.IsValid() {
				ip = r.IP.String()
			}
			got = append(got, fmt.Sprintf("%s %d-%d %d %s", ip, r.First, r.Last, r.Container, r.Protocol))
		}
		if strings.Join(got, "; ") != want || err != nil {
			t.Errorf("%s: %q, %v; want %q", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"": "not a port number", "x": "not a port number", "80:": "not a port number", ":80": "not a port number",
		"99999:80": "99999", "80:65536": "65536", "80:0": "not a port number", "82-80": "not a port number",
		"80:80:80:80": `"80:80" is not an IP address`, "localhost:8080:80": "not an IP address",
		"[fe80::1%eth0]:80:80": "not an IP address", "80/sctp": "sctp", "8000-8002:80-81": "3 ports", "-1": "not a port number",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) ||
			!strings.HasPrefix(err.Error(), fmt.Sprintf("--publish %q", text)) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestMappingTextIsPublishSyntax(t *testing.T) {
	for _, text := range []string{"0.0.0.0:8080:80/tcp", "[::]:53:53/udp", "127.0.0.1:1:65535/tcp"} {
		var m Mapping
		if err := m.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := json.Marshal(m); err != nil || string(got) != `"`+text+`"` {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	var m Mapping
	if err := m.UnmarshalText([]byte("[::]:8080:80/tcp")); err != nil || m.String() != "[::]:8080->80/tcp" {
		t.Errorf("%s, %v", m, err)
	}
}

func TestParsePort(t *testing.T) {
	if got, err := ParsePort("53/udp"); err != nil || len(got) != 1 || got[0].ContainerText() != "53/udp" {
		t.Errorf("%v, %v", got, err)
	}
	for _, text := range []string{"", "8080:80", "http", "80/icmp"} {
		if got, err := ParsePort(text); err == nil {
			t.Errorf("%q is accepted: %v", text, got)
		}
	}
}
