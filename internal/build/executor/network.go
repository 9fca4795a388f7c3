package executor

import (
	"fmt"
	"net/netip"
	"strings"
)

// hostsFile returns the /etc/hosts of a step. Entries of added are NAME=ADDRESS; an address may be
// in brackets, as in --add-host.
func hostsFile(hostname string, added []string) (string, error) {
	var b strings.Builder
	b.WriteString("127.0.0.1\tlocalhost " + hostname + "\n::1\tlocalhost ip6-localhost ip6-loopback\n")
	for _, h := range added {
		name, address, ok := strings.Cut(h, "=")
		a, err := netip.ParseAddr(strings.Trim(address, "[]"))
		if !ok || err != nil || name == "" || strings.ContainsAny(name, " \t\r\n#") {
			return "", fmt.Errorf("--add-host %q must be NAME=ADDRESS with a numeric address", h)
		}
		fmt.Fprintf(&b, "%s\t%s\n", a, name)
	}
	return b.String(), nil
}

// resolvConf returns the /etc/resolv.conf of a step: the host's without comments. In a
// separate network namespace, no server listens on the host's loopback addresses, so they are
// left out.
func resolvConf(text, network string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 || strings.ContainsAny(f[0][:1], "#;") {
			continue
		}
		if f[0] == "nameserver" && network != "host" && (len(f) < 2 || isLoopback(f[1])) {
			continue
		}
		b.WriteString(strings.Join(f, " ") + "\n")
	}
	return b.String()
}

func isLoopback(address string) bool {
	a, err := netip.ParseAddr(address)
	return err != nil || a.IsLoopback()
}
