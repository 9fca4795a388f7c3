package cni

import (
	"cmp"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// portMappings converts the values of --publish to the configuration of the portmap plugin.
func portMappings(texts []string) ([]map[string]any, error) {
	var out []map[string]any
	for _, text := range texts {
		m, err := portMapping(text)
		if err != nil {
			return nil, fmt.Errorf("--publish %q: %w", text, err)
		}
		out = append(out, m)
	}
	return out, nil
}

// portMapping parses [[IP:]HOST:]CONTAINER[/PROTOCOL].
func portMapping(text string) (map[string]any, error) {
	ports, protocol, _ := strings.Cut(text, "/")
	m := map[string]any{"protocol": cmp.Or(protocol, "tcp")}
	parts := strings.Split(ports, ":")
	if len(parts) > 2 {
		ip := strings.Trim(strings.Join(parts[:len(parts)-2], ":"), "[]")
		if net.ParseIP(ip) == nil {
			return nil, fmt.Errorf("%q is not an IP address", ip)
		}
		m["hostIP"] = ip
		parts = parts[len(parts)-2:]
	}
	for key, text := range map[string]string{"hostPort": parts[0], "containerPort": parts[len(parts)-1]} {
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil || port == 0 {
			return nil, fmt.Errorf("%q is not a port number from 1 to 65535", text)
		}
		m[key] = port
	}
	return m, nil
}
