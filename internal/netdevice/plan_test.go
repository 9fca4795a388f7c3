package netdevice

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestChooseNames(t *testing.T) {
	for name, c := range map[string]struct {
		wanted string // HOST=NAME, separated by spaces
		taken  string
		want   string // the same, with the chosen names, or part of the error
	}{
		"the host's name by default":   {"eth0=", "lo", "eth0=eth0"},
		"a new name":                   {"eth0=c0", "lo", "eth0=c0"},
		"exchanged names":              {"a=b b=a", "lo", "a=b b=a"},
		"a name that is taken":         {"eth0=lo", "lo", `named "lo"`},
		"the host's name is taken":     {"eth0=", "lo eth0", `named "eth0"`},
		"one name for two":             {"a=x b=x", "lo", `linux.netDevices.b:`},
		"a number":                     {"eth0=c%d", "lo", "eth0=c0"},
		"the lowest number":            {"eth0=c%d", "c0 c1 c3", "eth0=c2"},
		"numbers in order":             {"b=c%d a=c%d", "lo", "a=c0 b=c1"},
		"a fixed name before a number": {"a=c%d b=c0", "lo", "a=c1 b=c0"},
		"no room for the number":       {"a=fourteen-long%d", "fourteen-long0 fourteen-long1 fourteen-long2 fourteen-long3 fourteen-long4 fourteen-long5 fourteen-long6 fourteen-long7 fourteen-long8 fourteen-long9 fourteen-long10 fourteen-long11 fourteen-long12 " + numbered("fourteen-long", 13, 100), "no number is free"},
	} {
		wanted := map[string]specs.LinuxNetDevice{}
		for pair := range strings.FieldsSeq(c.wanted) {
			host, name, _ := strings.Cut(pair, "=")
			wanted[host] = specs.LinuxNetDevice{Name: name}
		}
		devices := sortDevices(wanted)
		err := chooseNames(devices, strings.Fields(c.taken))
		var got []string
		for _, d := range devices {
			got = append(got, d.Host+"="+d.Name)
		}
		switch {
		case err != nil && !strings.Contains(err.Error(), c.want):
			t.Errorf("%s: %v, want %q", name, err, c.want)
		case err == nil && strings.Join(got, " ") != c.want:
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func numbered(prefix string, from, to int) string {
	var names []string
	for n := from; n < to; n++ {
		names = append(names, fmt.Sprint(prefix, n))
	}
	return strings.Join(names, " ")
}

// body4 returns an IPv4 address in the kernel's list format.
func body4(last, scope byte, flags uint32, label string) string {
	body := []byte{unix.AF_INET, 24, byte(flags), scope, 7, 0, 0, 0}
	body = attribute(body, unix.IFA_ADDRESS, []byte{10, 0, 0, 9})
	body = attribute(body, unix.IFA_LOCAL, []byte{10, 0, 0, last})
	body = attributeText(body, unix.IFA_LABEL, label)
	body = attribute32(body, ifaFlags, flags)
	return encode(attribute(body, unix.IFA_CACHEINFO, make([]byte, 16)))
}

func body6(last byte, flags uint32) string {
	body := []byte{unix.AF_INET6, 64, byte(flags), unix.RT_SCOPE_UNIVERSE, 7, 0, 0, 0}
	body = attribute(body, unix.IFA_ADDRESS, append([]byte{0xfd, 15: last}[:15], last))
	return encode(attribute32(body, ifaFlags, flags))
}

// TestConfigure: a device keeps its permanent global addresses, in the kernel's order of
// preference, with the new index and label. It is set up last.
func TestConfigureRequests(t *testing.T) {
	const permanent = unix.IFA_F_PERMANENT
	d := &Device{Host: "eth0", Name: "c0", Index: 7, Addresses: []string{
		body4(1, unix.RT_SCOPE_UNIVERSE, permanent, "eth0"),
		body4(2, unix.RT_SCOPE_UNIVERSE, permanent|unix.IFA_F_SECONDARY|unix.IFA_F_NOPREFIXROUTE, "eth0:web"),
		body4(3, unix.RT_SCOPE_LINK, permanent, "eth0"),
		body4(4, unix.RT_SCOPE_UNIVERSE, 0, "eth0"),
		body6(2, permanent|unix.IFA_F_TENTATIVE),
		body6(1, permanent|unix.IFA_F_NODAD),
	}}
	requests, err := configureRequests(d, 2)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range requests {
		if r.kind != unix.RTM_NEWADDR {
			got = append(got, r.action)
			continue
		}
		a, err := parseAddress(r.body)
		if err != nil {
			t.Fatal(err)
		}
		var last byte
		_ = eachAttribute(a.attributes, func(kind uint16, value []byte) {
			if kind == unix.IFA_LOCAL || kind == unix.IFA_ADDRESS {
				last = value[len(value)-1]
			}
		})
		got = append(got, fmt.Sprintf("%d/%d dev %d last %d flags %#x label %q", a.family, a.prefix, a.index, last, a.flags, a.label))
	}
	want := []string{
		`2/24 dev 2 last 1 flags 0x0 label "c0"`, `2/24 dev 2 last 2 flags 0x200 label "c0:web"`,
		`10/64 dev 2 last 1 flags 0x2 label ""`, `10/64 dev 2 last 2 flags 0x0 label ""`, "set it up",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	all, err := restoreRequests(d, 7)
	if err != nil || len(all) != len(d.Addresses) {
		t.Errorf("on the way back: %d requests for a device that was down with %d addresses: %v", len(all), len(d.Addresses), err)
	}
}

// TestReconfigure: a device that returns to the host gets everything that it had there, in an order
// that the kernel accepts.
func TestReconfigure(t *testing.T) {
	route := attribute32(make([]byte, sizeofRtMsg), unix.RTA_OIF, 7)
	d := &Device{Host: "eth0", Name: "c0", Index: 7, Up: true, Master: 3, Addresses: []string{body6(1, 0)}, Routes: []string{encode(route)}}
	requests, err := restoreRequests(d, 9)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range requests {
		got = append(got, r.action)
	}
	if want := "add an address, make it a port of its bridge, set it up, add a route"; strings.Join(got, ", ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if r, err := parseRoute(requests[3].body); err != nil || r.device != 9 {
		t.Errorf("the route is for device %d, want 9: %v", r.device, err)
	}
}

func TestNewLabel(t *testing.T) {
	for _, c := range [][4]string{
		{"", "eth0", "c0", ""}, {"eth0", "eth0", "c0", "c0"}, {"eth0:a", "eth0", "c0", "c0:a"}, {"other", "eth0", "c0", "other"}, {"eth01", "eth0", "c0", "eth01"},
		{"eth0:web", "eth0", "fourteen-bytes", "fourteen-bytes"},
	} {
		if got := newLabel(c[0], c[1], c[2]); got != c[3] {
			t.Errorf("label %q of %s renamed to %s: %q, want %q", c[0], c[1], c[2], got, c[3])
		}
	}
}

func TestRestorableRoutes(t *testing.T) {
	for name, c := range map[string]struct {
		r    route
		want bool
	}{
		"static":          {route{protocol: unix.RTPROT_STATIC, kind: unix.RTN_UNICAST, device: 7}, true},
		"by hand":         {route{protocol: unix.RTPROT_BOOT, kind: unix.RTN_UNICAST, device: 7, viaGateway: true}, true},
		"the kernel's":    {route{protocol: unix.RTPROT_KERNEL, kind: unix.RTN_UNICAST, device: 7}, false},
		"announced":       {route{protocol: unix.RTPROT_RA, kind: unix.RTN_UNICAST, device: 7}, false},
		"cached":          {route{protocol: unix.RTPROT_STATIC, kind: unix.RTN_UNICAST, device: 7, cloned: true}, false},
		"another device":  {route{protocol: unix.RTPROT_STATIC, kind: unix.RTN_UNICAST, device: 8}, false},
		"several devices": {route{protocol: unix.RTPROT_STATIC, kind: unix.RTN_UNICAST}, false},
		"local":           {route{protocol: unix.RTPROT_STATIC, kind: unix.RTN_LOCAL, device: 7}, false},
	} {
		if got := isRestorable(&c.r, 7); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestParseLink(t *testing.T) {
	body := linkBody(5, unix.IFF_UP|unix.IFF_LOOPBACK, 0)
	body = attributeText(body, unix.IFLA_IFNAME, "eth0")
	body = attribute32(body, unix.IFLA_MASTER, 3)
	body = attribute(body, unix.IFLA_ADDRESS, []byte{1, 2, 3, 4, 5, 6})
	body = attribute(body, unix.IFLA_PROP_LIST|unix.NLA_F_NESTED, attributeText(nil, unix.IFLA_ALT_IFNAME, "enp0s3"))
	l, err := parseLink(body)
	if err != nil || l.index != 5 || l.master != 3 || !l.up || !l.loopback || !slices.Equal(l.names, []string{"eth0", "enp0s3"}) || l.hardware != encode([]byte{1, 2, 3, 4, 5, 6}) {
		t.Errorf("got %+v, %v", l, err)
	}
}

func TestParseErrorQuotesTheKernel(t *testing.T) {
	body := binary.NativeEndian.AppendUint32(nil, uint32(0xffffffff&-int64(unix.EINVAL)))
	request := binary.NativeEndian.AppendUint32(nil, unix.SizeofNlMsghdr+4)
	request = append(request, make([]byte, unix.SizeofNlMsghdr)...) // the rest of its header, and 4 bytes
	body = attributeText(append(body, request...), unix.NLMSGERR_ATTR_MSG, "no such thing")
	err := parseError(body, unix.NLMSG_ERROR)
	if !errors.Is(err, unix.EINVAL) || !strings.Contains(err.Error(), "no such thing") {
		t.Errorf("got %v", err)
	}
}

// FuzzParse: no message makes the parsers read out of bounds or loop forever.
func FuzzParse(f *testing.F) {
	body, _ := decode(body4(1, 0, 0, "eth0"))
	f.Add(body)
	f.Add(attribute(linkBody(5, 1, 0), unix.IFLA_PROP_LIST, []byte{3, 0, 1}))
	f.Add(bytes.Repeat([]byte{4, 0}, 40))
	f.Fuzz(func(_ *testing.T, body []byte) {
		_, _ = parseLink(body)
		if a, err := parseAddress(body); err == nil {
			_ = a.body(1, a.label)
		}
		if _, err := parseRoute(body); err == nil {
			_ = routeBody(body, 1)
		}
		_ = parseError(body, unix.NLMSG_ERROR)
		_, _ = (&socket{}).answers(body, func([]byte) error { return nil })
	})
}

// TestDumpRepeatsAChangedList: if a list changes while it is read, the kernel marks some of the messages,
// or the last one.
func TestDumpRepeatsAChangedList(t *testing.T) {
	message := func(kind, flags uint16, sequence uint32) []byte {
		m := binary.NativeEndian.AppendUint16(binary.NativeEndian.AppendUint32(nil, unix.SizeofNlMsghdr+4), kind)
		m = binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint16(m, flags), sequence)
		return append(m, 0, 0, 0, 0, 0, 0, 0, 0)
	}
	const changed = unix.NLM_F_MULTI | unix.NLM_F_DUMP_INTR
	for name, c := range map[string]struct {
		first, last uint16
		sequence    uint32
		want        bool
	}{
		"quiet":               {unix.NLM_F_MULTI, unix.NLM_F_MULTI, 7, false},
		"at first":            {changed, unix.NLM_F_MULTI, 7, true},
		"at last":             {unix.NLM_F_MULTI, changed, 7, true},
		"of another exchange": {changed, unix.NLM_F_MULTI, 6, false},
	} {
		s := &socket{sequence: 7}
		datagram := append(message(unix.RTM_NEWLINK, c.first, c.sequence), message(unix.NLMSG_DONE, c.last, 7)...)
		if last, err := s.answers(datagram, nil); !last || err != nil || s.changed != c.want {
			t.Errorf("%s: last %v, changed %v, %v", name, last, s.changed, err)
		}
	}
}
