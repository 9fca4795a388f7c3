package listing

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/minirun/minirun/internal/engine/network"
)

func networks() []*network.Network {
	return append(network.Predefined(), &network.Network{Name: "app", ID: "0123456789ab", Driver: "bridge",
		Labels:  map[string]string{"a": "b"},
		Subnets: []network.Subnet{{Subnet: netip.MustParsePrefix("10.5.0.0/24"), Gateway: netip.MustParseAddr("10.5.0.1")}}})
}

func TestFilters(t *testing.T) {
	for text, want := range map[string]string{
		"name=o": "host none", "name=app": "app", "id=0123": "app", "driver=bridge": "bridge app", "driver=null": "none",
		"label=a": "app", "label=a=b": "app", "label=a=c": "", "type=custom": "app", "type=builtin": "bridge host none",
		"dangling=true": "app", "dangling=false": "bridge host none", "scope=local": "bridge host none app",
	} {
		filter, err := ParseFilter([]string{text}, func(*network.Network) bool { return false })
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		var got []string
		for _, n := range networks() {
			if filter(n) {
				got = append(got, n.Name)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	for _, text := range []string{"", "name", "x=y", "type=x", "dangling=x"} {
		if _, err := ParseFilter([]string{text}, nil); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

func TestFormats(t *testing.T) {
	for format, want := range map[string]string{
		"table":                      "NETWORK ID     NAME     DRIVER   SUBNET",
		"{{.Name}} {{.Scope}}":       "app local",
		"json":                       `"Name":"app"`,
		"{{.Labels}} {{.CreatedAt}}": "a=b \n",
	} {
		var out strings.Builder
		if err := Write(&out, networks(), format); err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("%s: %q, %v", format, &out, err)
		}
	}
	member := network.Member{Container: "web", Endpoint: network.Endpoint{Network: "app", Connection: &network.Connection{
		Device: "eth0", MAC: "02:00:00:00:00:01", Addresses: []netip.Prefix{netip.MustParsePrefix("10.5.0.7/24")}}}}
	all := []Inspected{Describe(networks()[3], []network.Member{member})}
	for format, want := range map[string]string{
		"":                        `"Subnet": "10.5.0.0/24"`,
		"{{.Name}} {{.Internal}}": "app false\n",
		"{{(index .Containers \"web\").IPv4Address}}": "10.5.0.7/24\n",
		"{{(index .IPAM.Config 0).Gateway}}":          "10.5.0.1\n",
	} {
		var out strings.Builder
		if err := WriteInspected(&out, all, format); err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("%s: %q, %v", format, &out, err)
		}
	}
}
