package cni

import (
	"fmt"
	"strings"
	"testing"
)

func TestPublishedPorts(t *testing.T) {
	for text, want := range map[string]string{
		"80":                "map[containerPort:80 hostPort:80 protocol:tcp]",
		"8080:80/udp":       "map[containerPort:80 hostPort:8080 protocol:udp]",
		"127.0.0.1:8080:80": "map[containerPort:80 hostIP:127.0.0.1 hostPort:8080 protocol:tcp]",
		"[::1]:8080:80":     "map[containerPort:80 hostIP:::1 hostPort:8080 protocol:tcp]",
		"localhost:8080:80": "not an IP address",
		"0:80":              "not a port number",
		"80:65536":          "not a port number",
		"80:http":           "not a port number",
		"":                  "not a port number",
	} {
		got, err := portMappings([]string{text})
		if err != nil {
			if !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(),
				fmt.Sprintf("--publish %q", text)) {
				t.Errorf("%s: %v, want %s", text, err, want)
			}
			continue
		}
		if len(got) != 1 || fmt.Sprint(got[0]) != want {
			t.Errorf("%s: %v, want %s", text, got, want)
		}
	}
}

func TestNetworkConfigIsValid(t *testing.T) {
	list, err := networkConfig()
	if err != nil || list.Name != networkName || len(list.Plugins) != 2 {
		t.Errorf("%+v, %v", list, err)
	}
}
