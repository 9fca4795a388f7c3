package network

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// /etc/hosts of a container is a file of the store that is mounted into it. Between two comments it
// has the names of the containers on its networks. They are written in place, because the mount
// shows the file, whatever its name becomes: each time a container is connected or disconnected,
// under the lock of the networks. A container's own lines stay.

const (
	beginPeers = "# minirun: containers on the same networks\n"
	endPeers   = "# minirun: end\n"

	maxHosts = 1 << 20 // a container may write what it likes
)

// A HostEntry is a name of --add-host.
type HostEntry struct {
	Name    string
	IP      netip.Addr
	Gateway bool // host-gateway: the address of the host
}

// ParseHost parses NAME:IP.
func ParseHost(text string) (HostEntry, error) {
	name, address, ok := strings.Cut(text, ":")
	if i := strings.IndexByte(text, '='); i >= 0 && (i < len(name) || !ok) {
		name, address, ok = strings.Cut(text, "=")
	}
	h := HostEntry{Name: name, Gateway: address == "host-gateway"}
	if !ok || !isHostName(name) {
		return h, fmt.Errorf("--add-host %q: must be NAME:IP", text)
	}
	if h.Gateway {
		return h, nil
	}
	var err error
	h.IP, err = netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(address, "["), "]"))
	if err != nil || h.IP.Zone() != "" {
		return h, fmt.Errorf("--add-host %q: %q is not an IP address, nor host-gateway", text, address)
	}
	return h, nil
}

// HostsText returns the first content of /etc/hosts. In the host's network it begins with the host's.
func HostsText(hostname, mode string, added []HostEntry, gateway netip.Addr) string {
	var b strings.Builder
	own, err := os.ReadFile("/etc/hosts")
	if mode == Host && err == nil {
		b.WriteString(strings.TrimRight(string(own), "\n") + "\n")
	} else {
		b.WriteString("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n")
	}
	for _, h := range added {
		if h.Gateway {
			h.IP = gateway
		}
		fmt.Fprintf(&b, "%s\t%s\n", h.IP, h.Name)
	}
	switch mode {
	case Bridge:
		b.WriteString(beginPeers + endPeers)
	case Host: // the name is the host's business
	default:
		b.WriteString("127.0.1.1\t" + hostname + "\n")
	}
	return b.String()
}

// UpdateHosts writes the names of the containers that each container can reach. The caller holds
// the lock. A container that has made its file too large, or changed it so that it cannot be written,
// does without names; it must not keep others from starting.
func (s Store) UpdateHosts() error {
	members, err := s.members()
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(filepath.Join(s.Dir, "containers"))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		dir := s.container(entry.Name())
		hostname, err := os.ReadFile(filepath.Join(dir, "hostname"))
		if err == nil {
			_ = replaceBlock(filepath.Join(dir, "hosts"), peers(members, entry.Name(), strings.TrimSpace(string(hostname))))
		}
	}
	return nil
}

// peers returns the lines for a container: itself, and the others on its networks (pure).
func peers(members []Member, container, hostname string) string {
	var own, others strings.Builder
	var networks []string
	for _, m := range members {
		if m.Container == container {
			networks = append(networks, m.Network)
			m.Aliases = slices.Concat([]string{hostname, container}, m.Aliases)
			m.write(&own)
		}
	}
	for _, m := range members {
		if m.Container != container && slices.Contains(networks, m.Network) {
			m.Aliases = slices.Concat([]string{m.Container}, m.Aliases)
			m.write(&others)
		}
	}
	return own.String() + others.String()
}

// write writes a line for each address with the aliases.
func (m *Member) write(b *strings.Builder) {
	var names []string
	for _, a := range m.Aliases {
		if !slices.Contains(names, a) {
			names = append(names, a)
		}
	}
	for _, a := range m.Connection.Addresses {
		fmt.Fprintf(b, "%s\t%s\n", a.Addr(), strings.Join(names, " "))
	}
}

// replaceBlock replaces the lines between the two comments of a file, in place. A file without them
// stays as it is.
func replaceBlock(path, block string) error {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", path)
	}
	old, err := io.ReadAll(io.LimitReader(f, maxHosts+1))
	if err != nil {
		return err
	}
	if len(old) > maxHosts {
		return fmt.Errorf("%s is larger than %d bytes", path, maxHosts)
	}
	text, ok := withBlock(string(old), block)
	if !ok || text == string(old) {
		return nil
	}
	// One write, and only then a shorter file: a program that reads it now sees complete lines of
	// one version first.
	if _, err := f.WriteAt([]byte(text), 0); err != nil {
		return err
	}
	return f.Truncate(int64(len(text)))
}

// withBlock replaces the lines between the comments; ok is false if there are none (pure).
func withBlock(text, block string) (out string, ok bool) {
	before, rest, ok := strings.Cut(text, beginPeers)
	if !ok {
		return text, false
	}
	_, after, ok := strings.Cut(rest, endPeers)
	if !ok {
		return text, false
	}
	return before + beginPeers + block + endPeers + after, true
}
