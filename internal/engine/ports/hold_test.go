package ports

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
)

func parse(t *testing.T, texts ...string) (out []Request) {
	t.Helper()
	for _, text := range texts {
		r, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r...)
	}
	return out
}

func noOwner(Mapping) string { return "" }

// A port that a process listens on is refused with the name and the PID of that process, whatever
// addresses the two have.
func TestPortInUseNamesProcess(t *testing.T) {
	for _, c := range []struct{ network, listen, publish string }{
		{"tcp4", "127.0.0.1:0", "%d:80"}, {"tcp4", "0.0.0.0:0", "127.0.0.1:%d:80"}, {"tcp", "[::]:0", "0.0.0.0:%d:80"},
		{"tcp6", "[::1]:0", "%d:80"},
	} {
		l, err := net.Listen(c.network, c.listen)
		if err != nil {
			t.Logf("%s: %v", c.listen, err) // no IPv6
			continue
		}
		_, err = Choose(parse(t, fmt.Sprintf(c.publish, l.Addr().(*net.TCPAddr).Port)), noOwner)
		l.Close()
		var used *InUseError
		if !errors.As(err, &used) || !strings.HasSuffix(used.Owner, fmt.Sprintf("(pid %d)", os.Getpid())) {
			t.Errorf("%s, published as %s: %v", c.listen, c.publish, err)
		}
	}
	u, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	_, err = Choose(parse(t, fmt.Sprintf("%d:53/udp", u.LocalAddr().(*net.UDPAddr).Port)), noOwner)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("/udp is already in use by ports.test (pid %d)", os.Getpid())) {
		t.Errorf("UDP: %v", err)
	}
}

// While the ports are held, no other program gets them, also not with SO_REUSEADDR, which Go's
// net.Listen sets; afterwards it does.
func TestHeldPortsAreNotFree(t *testing.T) {
	mappings, err := Choose(parse(t, "80", "127.0.0.1::53/udp"), noOwner)
	if err != nil {
		t.Fatal(err)
	}
	held, err := Hold(mappings)
	if err != nil {
		t.Fatal(err)
	}
	listen := func(m Mapping) error {
		if m.Protocol == "udp" {
			l, err := net.ListenPacket("udp", m.HostText())
			if err == nil {
				l.Close()
			}
			return err
		}
		l, err := net.Listen("tcp", m.HostText())
		if err == nil {
			l.Close()
		}
		return err
	}
	for _, m := range mappings {
		if listen(m) == nil {
			t.Errorf("%s: another program can listen", m)
		}
		if _, err := Hold([]Mapping{m}); err == nil {
			t.Errorf("%s: another container can have it", m)
		}
	}
	held.Close()
	for _, m := range mappings {
		if err := listen(m); err != nil {
			t.Errorf("%s: not released: %v", m, err)
		}
	}
}

func TestChoose(t *testing.T) {
	got, err := Choose(parse(t, "80", "127.0.0.1::81"), noOwner)
	if err != nil {
		t.Fatal(err)
	}
	if last := got[len(got)-1]; last.Host == 0 || last.IP != netip.MustParseAddr("127.0.0.1") || last.Container != 81 {
		t.Errorf("%v", got)
	}
	if len(got) == 3 && got[0].Host != got[1].Host {
		t.Errorf("different ports for IPv4 and IPv6: %v", got)
	}
	first := got[0].Host
	if _, err := Choose(parse(t, fmt.Sprintf("%d:80", first), fmt.Sprintf("%d:81", first)), noOwner); err == nil ||
		!strings.Contains(err.Error(), "published twice") {
		t.Errorf("twice: %v", err)
	}
	// The first free port of a range.
	l, err := net.Listen("tcp", fmt.Sprintf("0.0.0.0:%d", first))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	got, err = Choose(parse(t, fmt.Sprintf("%d-%d:80", first, first+20)), noOwner)
	if err != nil || got[0].Host <= first || got[0].Host > first+20 {
		t.Errorf("%v, %v", got, err)
	}
	owner := func(m Mapping) string {
		if m.Host == 8080 {
			return "web"
		}
		return ""
	}
	if _, err := Choose(parse(t, "127.0.0.1:8080:80"), owner); err == nil || !strings.Contains(err.Error(), "container web") {
		t.Errorf("a port of a container whose process was killed: %v", err)
	}
	if _, err := Choose(parse(t, "192.0.2.1:80:80"), noOwner); err == nil || !strings.Contains(err.Error(), "does not have the address") {
		t.Errorf("an address of another host: %v", err)
	}
}

// Connections and datagrams that reach the held socket are forwarded in both directions.
func TestServeForwards(t *testing.T) {
	server, err := net.Listen("tcp4", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go func() {
		for {
			c, err := server.Accept()
			if err != nil {
				return
			}
			go func() {
				text, _ := io.ReadAll(c)
				_, _ = c.Write([]byte("got " + string(text)))
				c.Close()
			}()
		}
	}()
	port := server.Addr().(*net.TCPAddr).Port
	datagrams, err := net.ListenPacket("udp4", fmt.Sprintf("127.0.0.2:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer datagrams.Close()
	go func() {
		buffer := make([]byte, 100)
		for {
			n, from, err := datagrams.ReadFrom(buffer)
			if err != nil {
				return
			}
			_, _ = datagrams.WriteTo(append([]byte("got "), buffer[:n]...), from)
		}
	}()
	mappings, err := Choose(parse(t, fmt.Sprintf("127.0.0.1::%d", port), fmt.Sprintf("127.0.0.1::%d/udp", port)), noOwner)
	if err != nil {
		t.Fatal(err)
	}
	held, err := Hold(mappings)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	held.Serve(func() netip.Addr { return netip.MustParseAddr("127.0.0.2") })
	for range 3 {
		c, err := net.Dial("tcp", mappings[0].HostText())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Write([]byte("it"))
		_ = c.(*net.TCPConn).CloseWrite()
		if text, err := io.ReadAll(c); err != nil || string(text) != "got it" {
			t.Errorf("TCP: %q, %v", text, err)
		}
		c.Close()
	}
	u, err := net.Dial("udp", mappings[1].HostText())
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	for range 3 {
		_, _ = u.Write([]byte("it"))
		buffer := make([]byte, 100)
		if n, err := u.Read(buffer); err != nil || string(buffer[:n]) != "got it" {
			t.Errorf("UDP: %q, %v", buffer[:n], err)
		}
	}
}
