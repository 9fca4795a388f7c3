package predicate

import (
	"maps"
	"slices"
	"testing"

	"github.com/minirun/minirun/internal/lab/scene"
)

// TestVethJudge: only a pair of which one end is in the container and the other one in a bridge with the
// lab's prefix is accepted, and all three must be up.
func TestVethJudge(t *testing.T) {
	inside := netDevice{Name: "eth0", Kind: "veth", Index: 2, Peer: 7, Up: true}
	outside := netDevice{Name: "lab17host", Kind: "veth", Index: 7, Peer: 2, Master: 5, Up: true}
	bridge := netDevice{Name: "lab17br", Kind: "bridge", Index: 5, Up: true}
	change := func(d netDevice, f func(*netDevice)) netDevice {
		f(&d)
		return d
	}
	for name, c := range map[string]struct {
		inside, outside, bridge netDevice
		holds                   bool
	}{
		"connected":    {inside, outside, bridge, true},
		"no cable":     {netDevice{Name: "lo", Index: 1, Up: true}, outside, bridge, false},
		"macvlan":      {change(inside, func(d *netDevice) { d.Kind = "macvlan" }), outside, bridge, false},
		"another pair": {inside, change(outside, func(d *netDevice) { d.Peer = 9 }), bridge, false},
		"no bridge":    {inside, change(outside, func(d *netDevice) { d.Master = 0 }), bridge, false},
		"docker0":      {inside, outside, change(bridge, func(d *netDevice) { d.Name = "docker0" }), false},
		"end down":     {change(inside, func(d *netDevice) { d.Up = false }), outside, bridge, false},
		"bridge down":  {inside, outside, change(bridge, func(d *netDevice) { d.Up = false }), false},
	} {
		failure, err := (&veth{Bridge: "lab17"}).judge(&scene.Process{PID: 1}, []netDevice{c.inside}, []netDevice{c.outside, c.bridge})
		if err != nil || (failure == nil) != c.holds {
			t.Errorf("%s: %v, %v", name, failure, err)
		}
	}
}

// TestListDevices: the loopback device is listed as the kernel has it.
func TestListDevices(t *testing.T) {
	list, err := listDevices()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(list, func(d netDevice) bool { return d.Name == "lo" && d.Index == 1 }) {
		t.Errorf("%+v", list)
	}
}

// TestParseKind: the kind is found after another attribute, and a broken length ends the search.
func TestParseKind(t *testing.T) {
	kind := []byte{9, 0, 1, 0, 'v', 'e', 't', 'h', 0, 0, 0, 0}
	other := []byte{5, 0, 3, 0, 1, 0, 0, 0}
	for _, c := range []struct {
		data []byte
		want string
	}{{kind, "veth"}, {append(slices.Clone(other), kind...), "veth"}, {other, ""}, {[]byte{0, 0, 1, 0, 1}, ""}, {[]byte{90, 0, 1, 0}, ""}} {
		if got := parseKind(c.data); got != c.want {
			t.Errorf("%v: %q, want %q", c.data, got, c.want)
		}
	}
}

const fibTrie = `Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 10.17.4.0
        /24 link UNICAST
     |-- 10.17.4.2
        /32 host LOCAL
     |-- 10.17.4.255
        /32 link BROADCAST
     |-- 127.0.0.1
        /32 host LOCAL
Local:
     |-- 10.17.4.2
        /32 host LOCAL
`

func TestParseLocalAddresses(t *testing.T) {
	if got := parseLocalAddresses(fibTrie); !slices.Equal(got, []string{"10.17.4.2"}) {
		t.Error(got)
	}
}

// TestParseConnections: connections of the port are found, in the form of IPv4 and IPv6; the listening
// socket and connections from the port at the other end are not.
func TestParseConnections(t *testing.T) {
	text := `  sl  local_address rem_address   st tx_queue
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000
   1: 0204110A:1F90 0104110A:D431 01 00000000:00000000
   2: 0204110A:D431 0104110A:1F90 01 00000000:00000000
   3: 0000000000000000FFFF00000204110A:1F90 0000000000000000FFFF00000104110A:D432 08 00000000:00000000
`
	got := map[string]bool{}
	parseConnections(text, 8080, got)
	want := []string{"0000000000000000FFFF00000204110A:1F90 0000000000000000FFFF00000104110A:D432",
		"0204110A:1F90 0104110A:D431"}
	if keys := slices.Sorted(maps.Keys(got)); !slices.Equal(keys, want) {
		t.Errorf("%q", keys)
	}
	if !hasNew(map[string]bool{want[0]: true}, got) || hasNew(got, got) {
		t.Error("hasNew")
	}
}
