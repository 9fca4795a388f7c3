package network

import (
	"encoding/json"
	"errors"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRequestParse(t *testing.T) {
	for _, c := range []struct {
		request Request
		mode    string
		first   Endpoint
	}{
		{Request{}, "", Endpoint{}},
		{Request{Networks: []string{"default"}}, Bridge, Endpoint{Network: Bridge}},
		{Request{Networks: []string{"host"}}, Host, Endpoint{}},
		{Request{Networks: []string{"container:web"}}, "container:web", Endpoint{}},
		{Request{Networks: []string{"app"}, Aliases: []string{"db"}, IP: "10.5.0.9", MAC: "02:42:ac:11:00:02"}, Bridge,
			Endpoint{Network: "app", Aliases: []string{"db"}, IP: netip.MustParseAddr("10.5.0.9"), MAC: "02:42:ac:11:00:02"}},
		{Request{Networks: []string{"name=app,alias=a,ip=10.5.0.9", "two"}}, Bridge,
			Endpoint{Network: "app", Aliases: []string{"a"}, IP: netip.MustParseAddr("10.5.0.9")}},
		{Request{IP: "10.89.0.7"}, Bridge, Endpoint{Network: Bridge, IP: netip.MustParseAddr("10.89.0.7")}},
	} {
		mode, endpoints, err := c.request.Parse()
		var first Endpoint
		if len(endpoints) > 0 {
			first = endpoints[0]
		}
		got, _ := json.Marshal(first)
		want, _ := json.Marshal(c.first)
		if err != nil || mode != c.mode || string(got) != string(want) {
			t.Errorf("%+v: %s %s, %v", c.request, mode, got, err)
		}
	}
	for _, r := range []Request{
		{Networks: []string{""}}, {Networks: []string{"container:"}}, {Networks: []string{"a", "a"}},
		{Networks: []string{"host", "a"}}, {Networks: []string{"a", "none"}}, {Networks: []string{"host"}, IP: "10.0.0.1"},
		{Networks: []string{"none"}, Aliases: []string{"x"}}, {Networks: []string{"name=a,speed=fast"}},
		{Networks: []string{"alias=a"}}, {IP: "::1"}, {IP: "10.0.0"}, {IP6: "10.0.0.1"}, {MAC: "02:42"},
		{MAC: "01:42:ac:11:00:02"}, {MAC: "0242:ac:11:00:0:2"}, {Aliases: []string{"a b"}}, {Aliases: []string{"a\nb"}},
	} {
		if mode, endpoints, err := r.Parse(); err == nil {
			t.Errorf("%+v is accepted: %s %+v", r, mode, endpoints)
		}
	}
}

func TestNetworksOfStore(t *testing.T) {
	s := Store{t.TempDir()}
	subnets, err := ParseSubnets([]string{"10.5.0.0/24"}, []string{"10.5.0.254"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []*Network{{Name: "app", Driver: Bridge, Subnets: subnets}, {Name: "free", Driver: Bridge, Internal: true}} {
		if err := s.Create(n, n.Name == "free"); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Open(n.ID[:5]); err != nil || got.Name != n.Name || got.Device != "mr-"+n.ID {
			t.Errorf("by its ID: %+v, %v", got, err)
		}
	}
	free, _ := s.Open("free")
	if len(free.Subnets) != 2 || !free.HasIPv6() || free.Gateway().IsValid() {
		t.Errorf("%+v", free)
	}
	if text, _ := s.ConfigList(free); strings.Contains(string(text), "portmap") || strings.Contains(string(text), "routes") {
		t.Errorf("an internal network: %s", text)
	}
	if err := s.Create(&Network{Name: "app"}, false); err == nil || !strings.Contains(err.Error(), "already exists") {
		t.Errorf("the same name: %v", err)
	}
	if err := s.Create(&Network{Name: "x", Subnets: []Subnet{{Subnet: netip.MustParsePrefix("10.5.0.128/25")}}}, false); err == nil ||
		!strings.Contains(err.Error(), "overlaps with 10.5.0.0/24 of network app") {
		t.Errorf("the same addresses: %v", err)
	}
	for name, want := range map[string]string{"zzz": "hint: create", "App": "did you mean app?", "fre": "did you mean free?", "": "no such network"} {
		if _, err := s.Open(name); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", name, err)
		}
	}
	connect(t, s, "web", "app", "10.5.0.2/24")
	keep := func(*Network) error { return nil }
	if err := s.Remove("app", keep); err == nil || !strings.Contains(err.Error(), "in use by web") {
		t.Errorf("in use: %v", err)
	}
	for _, name := range []string{"bridge", "host", "none"} {
		if err := s.Remove(name, keep); err == nil {
			t.Errorf("%s was removed", name)
		}
	}
	if err := s.Remove("free", keep); err != nil {
		t.Error(err)
	}
}

// connect records a running container.
func connect(t *testing.T, s Store, container, network, address string) {
	t.Helper()
	if err := os.MkdirAll(s.container(container), 0o755); err != nil {
		t.Fatal(err)
	}
	endpoints, err := s.Endpoints(container)
	if err != nil {
		t.Fatal(err)
	}
	e := Endpoint{Network: network, Aliases: []string{container + "-alias"},
		Connection: &Connection{Addresses: []netip.Prefix{netip.MustParsePrefix(address)}}}
	if err := s.WriteEndpoints(container, append(endpoints, e)); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"hostname": container + "-host\n", "hosts": HostsText("", Bridge, nil, netip.Addr{})} {
		if err := os.WriteFile(filepath.Join(s.container(container), name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// Each container gets the names of those on its networks, in the same file, and its own lines stay.
func TestUpdateHosts(t *testing.T) {
	s := Store{t.TempDir()}
	connect(t, s, "web", "app", "10.5.0.2/24")
	connect(t, s, "db", "app", "10.5.0.3/24")
	connect(t, s, "other", "elsewhere", "10.6.0.2/24")
	hosts := filepath.Join(s.container("web"), "hosts")
	mounted, err := os.OpenFile(hosts, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer mounted.Close()
	if _, err := mounted.WriteString("192.0.2.1\town\n"); err != nil {
		t.Fatal(err)
	}
	read := func() string {
		text := make([]byte, 10000)
		n, _ := mounted.ReadAt(text, 0)
		return string(text[:n])
	}
	if err := s.UpdateHosts(); err != nil {
		t.Fatal(err)
	}
	const own = "10.5.0.2\tweb-host web web-alias\n"
	if got := read(); !strings.Contains(got, own+"10.5.0.3\tdb db-alias\n") || strings.Contains(got, "other") ||
		!strings.HasSuffix(got, "192.0.2.1\town\n") {
		t.Errorf("%s", got)
	}
	if err := s.WriteEndpoints("db", nil); err != nil {
		t.Fatal(err)
	}
	if err := s.UpdateHosts(); err != nil {
		t.Fatal(err)
	}
	if got := read(); !strings.Contains(got, own) || strings.Contains(got, "db") {
		t.Errorf("after its end: %s", got)
	}
}

// A container that makes its own file unusable keeps no other container from starting.
func TestHostileHostsFile(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"huge":    func(path string) error { return os.Truncate(path, 1<<40) },
		"removed": os.Remove,
		"a link":  func(path string) error { return errors.Join(os.Remove(path), os.Symlink("/etc/passwd", path)) },
		"a pipe":  func(path string) error { return errors.Join(os.Remove(path), unix.Mkfifo(path, 0o644)) },
		"no end":  func(path string) error { return os.WriteFile(path, []byte(beginPeers), 0o644) },
	} {
		s := Store{t.TempDir()}
		connect(t, s, "bad", "app", "10.5.0.2/24")
		connect(t, s, "good", "app", "10.5.0.3/24")
		if err := spoil(filepath.Join(s.container("bad"), "hosts")); err != nil {
			t.Fatal(err)
		}
		if err := s.UpdateHosts(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if text, err := os.ReadFile(filepath.Join(s.container("good"), "hosts")); !strings.Contains(string(text), "10.5.0.2\tbad") {
			t.Errorf("%s: the other one has %s, %v", name, text, err)
		}
	}
}

func TestHostsText(t *testing.T) {
	gateway := netip.MustParseAddr("10.5.0.1")
	var added []HostEntry
	for _, text := range []string{"a:1.2.3.4", "b=::1", "c:[::2]", "d:host-gateway"} {
		h, err := ParseHost(text)
		if err != nil {
			t.Fatal(err)
		}
		added = append(added, h)
	}
	got := HostsText("web", None, added, gateway)
	for _, line := range []string{"127.0.0.1\tlocalhost\n", "127.0.1.1\tweb\n", "1.2.3.4\ta\n", "::1\tb\n", "::2\tc\n", "10.5.0.1\td\n"} {
		if !strings.Contains(got, line) {
			t.Errorf("no %q in %q", line, got)
		}
	}
	for _, text := range []string{"", "a", "a:", "a:b", ":1.2.3.4", "a b:1.2.3.4", "a\n1.2.3.4\tb:1.2.3.4"} {
		if h, err := ParseHost(text); err == nil {
			t.Errorf("--add-host %q is accepted: %+v", text, h)
		}
	}
}

func TestResolvConf(t *testing.T) {
	const host = "# comment\nnameserver 127.0.0.53\nnameserver 192.0.2.1\nsearch lan\noptions edns0\n"
	for _, c := range []struct {
		dns      DNS
		host     string
		loopback bool
		want     string
		ok       bool
	}{
		{DNS{}, host, true, "nameserver 127.0.0.53\nnameserver 192.0.2.1\nsearch lan\noptions edns0\n", true},
		{DNS{}, host, false, "nameserver 192.0.2.1\nsearch lan\noptions edns0\n", true},
		{DNS{}, "nameserver ::1\n", false, "", false},
		{DNS{Servers: []string{"1.1.1.1"}}, host, false, "search lan\noptions edns0\nnameserver 1.1.1.1\n", true},
		{DNS{Search: []string{"a", "b"}, Options: []string{"ndots:2"}}, host, false,
			"nameserver 192.0.2.1\nsearch a b\noptions ndots:2\n", true},
		{DNS{Search: []string{"."}}, host, false, "nameserver 192.0.2.1\noptions edns0\n", true},
	} {
		if got, ok := c.dns.resolvConf(c.host, c.loopback); got != c.want || ok != c.ok {
			t.Errorf("%+v, %q: %q %t; want %q", c.dns, c.host, got, ok, c.want)
		}
	}
	for _, d := range []DNS{{Servers: []string{"x"}}, {Search: []string{"a b"}}, {Options: []string{"a b"}}, {Options: []string{""}}} {
		if d.Check() == nil {
			t.Errorf("%+v is accepted", d)
		}
	}
}

func TestSubnets(t *testing.T) {
	routes := parseRoutes("Iface\tDestination\tGateway\nlo\t0000000A\t0\t1\t0\t0\t0\t000000FF\t0\n")
	if len(routes) != 1 || routes[0].String() != "10.0.0.0/8" && routes[0].Bits() != 8 {
		t.Errorf("%v", routes)
	}
	if p, err := freeSubnet(routes); err == nil {
		t.Errorf("%s, which is in use", p)
	}
	p, err := freeSubnet([]netip.Prefix{netip.MustParsePrefix("10.90.0.0/23")})
	if err != nil || p.String() != "10.90.2.0/24" {
		t.Errorf("%s, %v", p, err)
	}
	for _, c := range [][3][]string{
		{{"10.5.0.0"}}, {{"10.5.0.1/24"}}, {{"10.5.0.0/31"}}, {{"10.5.0.0/24", "10.6.0.0/24"}},
		{{"10.5.0.0/24"}, {"10.6.0.1"}}, {nil, {"10.5.0.1"}}, {{"10.5.0.0/24"}, {"x"}},
		{{"10.5.0.0/24"}, nil, {"x"}}, {{"10.5.0.0/24"}, nil, {"10.6.0.0/25"}}, {{"10.5.0.0/24"}, nil, {"10.5.0.0/16"}},
	} {
		if got, err := ParseSubnets(c[0], c[1], c[2]); err == nil {
			t.Errorf("%v is accepted: %v", c, got)
		}
	}
}

func TestEndpointAddresses(t *testing.T) {
	n := &Network{Name: "app", Subnets: []Subnet{{Subnet: netip.MustParsePrefix("10.5.0.0/24"), Gateway: netip.MustParseAddr("10.5.0.1")}}}
	members := []Member{{"web", Endpoint{Connection: &Connection{Addresses: []netip.Prefix{netip.MustParsePrefix("10.5.0.7/24")}}}}}
	for ip, want := range map[string]string{"10.5.0.9": "", "10.6.0.1": "not in network app (10.5.0.0/24)",
		"10.5.0.1": "reserved", "10.5.0.7": "already used by container web"} {
		err := (&Endpoint{IP: netip.MustParseAddr(ip)}).Check(n, members)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", ip, err, want)
		}
	}
}

func TestNames(t *testing.T) {
	for _, name := range []string{"", "host", "bridge", "none", "default", "container", "-x", "a/b", "a b", "a:b", strings.Repeat("a", 129)} {
		if CheckName(name) == nil {
			t.Errorf("%q is accepted", name)
		}
	}
	if err := CheckName("my_net-1.x"); err != nil {
		t.Error(err)
	}
}

func TestRanges(t *testing.T) {
	for text, want := range map[string]string{"172.28.5.0/24": "172.28.5.0 172.28.5.255", "172.28.0.0/16": "172.28.0.1 172.28.255.254",
		"172.28.255.0/24": "172.28.255.0 172.28.255.254", "172.28.5.7/32": "172.28.5.7 172.28.5.7"} {
		subnets, err := ParseSubnets([]string{"172.28.0.0/16"}, nil, []string{text})
		if err != nil {
			t.Fatal(err)
		}
		first, last := subnets[0].bounds()
		if got := first.String() + " " + last.String(); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestOptions(t *testing.T) {
	n := &Network{Subnets: []Subnet{{Subnet: netip.MustParsePrefix("10.5.0.0/24"), Gateway: netip.MustParseAddr("10.5.0.1")}}}
	given := map[string]string{optionName: "br7", optionMasquerade: "false", optionBinding: "127.0.0.1", optionMTU: "1400"}
	for name, value := range given {
		if err := n.SetOption(name, value); err != nil {
			t.Error(err)
		}
	}
	if got := n.Options(); !maps.Equal(got, given) {
		t.Errorf("%v", got)
	}
	text, err := n.ConfigList()
	for _, want := range []string{`"bridge": "br7"`, `"mtu": 1400`, `"ipMasq": false`} {
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("no %s in %s, %v", want, text, err)
		}
	}
	for name, value := range map[string]string{optionName: "a/b", optionMasquerade: "x", optionBinding: "::1", optionMTU: "1", "x": "y"} {
		if err := n.SetOption(name, value); err == nil || !strings.Contains(err.Error(), "--opt "+name) {
			t.Errorf("%s=%s: %v", name, value, err)
		}
	}
}
