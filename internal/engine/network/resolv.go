package network

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
)

// DNS has the flags of run for name resolution.
type DNS struct {
	Servers, Search, Options []string
}

// IsSet reports whether one of the flags is given.
func (d DNS) IsSet() bool { return len(d.Servers)+len(d.Search)+len(d.Options) > 0 }

// Check checks the values.
func (d DNS) Check() error {
	for _, s := range d.Servers {
		if _, err := netip.ParseAddr(s); err != nil {
			return fmt.Errorf("--dns %q: is not an IP address", s)
		}
	}
	for _, s := range d.Search {
		if s != "." && !isHostName(strings.TrimSuffix(s, ".")) {
			return fmt.Errorf("--dns-search %q: is not a domain", s)
		}
	}
	for _, o := range d.Options {
		if o == "" || strings.ContainsAny(o, " \t\r\n") {
			return fmt.Errorf("--dns-option %q: must be one option of resolv.conf(5), such as ndots:2", o)
		}
	}
	return nil
}

// publicServers are used if no name server of the host can be reached from a bridge, as in Docker.
var publicServers = []string{"8.8.8.8", "8.8.4.4"}

// The file of systemd-resolved that names the real servers, not 127.0.0.53.
const resolvedFile = "/run/systemd/resolve/resolv.conf"

// ReadResolvConf returns the content of /etc/resolv.conf for a container. isPublic reports that
// name servers on the internet had to be chosen.
func (d DNS) ReadResolvConf(mode string) (text string, isPublic bool) {
	for _, path := range []string{"/etc/resolv.conf", resolvedFile} {
		host, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		text, ok := d.resolvConf(string(host), mode != Bridge)
		if ok {
			return text, false
		}
	}
	if mode != Bridge {
		text, _ = d.resolvConf("", true)
		return text, false
	}
	d.Servers = publicServers
	text, _ = d.resolvConf("", false)
	return text, true
}

// resolvConf changes the host's resolv.conf. ok is false if no name server is left. Without
// loopback those on the host's loopback addresses are left out: on a bridge, these addresses are
// the container's own (pure).
func (d DNS) resolvConf(host string, loopback bool) (text string, ok bool) {
	var b strings.Builder
	for line := range strings.Lines(host) {
		fields := strings.Fields(line)
		if len(fields) < 2 || strings.ContainsAny(fields[0][:1], "#;") {
			continue
		}
		drop := false
		switch fields[0] {
		case "nameserver":
			ip, err := netip.ParseAddr(fields[1])
			drop = len(d.Servers) > 0 || err != nil || ip.IsLoopback() && !loopback
			ok = ok || !drop
		case "search", "domain":
			drop = len(d.Search) > 0
		case "options":
			drop = len(d.Options) > 0
		}
		if !drop {
			b.WriteString(strings.Join(fields, " ") + "\n")
		}
	}
	for _, s := range d.Servers {
		b.WriteString("nameserver " + s + "\n")
		ok = true
	}
	if len(d.Search) > 0 && d.Search[0] != "." {
		b.WriteString("search " + strings.Join(d.Search, " ") + "\n")
	}
	if len(d.Options) > 0 {
		b.WriteString("options " + strings.Join(d.Options, " ") + "\n")
	}
	return b.String(), ok
}
