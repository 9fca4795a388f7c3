package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// ownNetwork creates a network namespace for the test, and every program that it starts, which
// represents the host's. In it, v0 is one end of a veth pair, with addresses and routes of every
// kind, and v1 is the other end.
func ownNetwork(t *testing.T) {
	t.Helper()
	testbundle.Need(t)
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("needs ip(8) of iproute2")
	}
	runtime.LockOSThread() // never unlocked: the thread ends with the test
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{
		"link set lo up",
		"link add v0 type veth peer name v1",
		"link set v0 mtu 1400 address 02:11:22:33:44:55 alias hello",
		"link set v1 up",
		"link set v0 up",
		"addr add 10.0.0.1/24 dev v0",
		"addr add 10.0.0.2/24 brd + label v0:web dev v0",
		"addr add 10.1.0.1 peer 10.1.0.2/32 dev v0",
		"addr add 10.2.0.1/24 metric 77 noprefixroute dev v0",
		"addr add 10.3.0.1/24 scope link dev v0",
		"addr add 10.4.0.1/24 valid_lft 1000 preferred_lft 500 dev v0",
		"addr add fd00::1/64 nodad dev v0",
		"addr add fd00::2/64 nodad dev v0",
		"route add default via 10.0.0.254",
		"route add 192.168.7.0/24 dev v0",
		"-6 route add fd77::/64 via fd00::9",
	} {
		ip(t, strings.Fields(command)...)
	}
}

func ip(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// hostNetwork describes the devices, addresses and routes of the test's host, without the parts that
// the kernel sets asynchronously.
func hostNetwork(t *testing.T) string {
	t.Helper()
	var lines []string
	links := ip(t, "-o", "link", "show")
	for _, text := range []string{links, ip(t, "-o", "addr", "show", "scope", "global"), ip(t, "route"), ip(t, "-6", "route")} {
		for line := range strings.Lines(text) {
			if strings.Contains(line, "fe80::") { // link-local
				continue
			}
			line = countdown.ReplaceAllString(line, "$1_lft some")
			line, _, _ = strings.Cut(strings.Replace(line, " tentative", "", 1), "link-netns")
			lines = append(lines, strings.TrimSpace(carrier.ReplaceAllString(line, "")))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// countdown matches the remaining lifetime of an address.
var countdown = regexp.MustCompile(`(valid|preferred)_lft \d+sec`)

// carrier matches what the kernel sets some time after both ends of a pair are up.
var carrier = regexp.MustCompile(`NO-CARRIER,|,LOWER_UP| (state|qdisc) \S+`)

func netDevices(names ...string) func(*specs.Spec) {
	return func(s *specs.Spec) {
		s.Linux.NetDevices = map[string]specs.LinuxNetDevice{}
		for i := 0; i < len(names); i += 2 {
			s.Linux.NetDevices[names[i]] = specs.LinuxNetDevice{Name: names[i+1]}
		}
	}
}

// isUp is a script that prints whether a device is set up. The kernel needs some time to detect the
// carrier.
func isUp(device string) string {
	return "[ $(($(cat /sys/class/net/" + device + "/flags) & 1)) = 1 ] && echo up"
}

// lookFromHook writes the output of the host's ip(8) for a device in the container to a file: the
// container's own ip supports less.
func lookFromHook(b *testbundle.Bundle, device string) (file string) {
	file = filepath.Join(b.Host, "seen")
	pid := `pid=$(sed 's/.*"pid":\([0-9]*\).*/\1/'); nsenter -t $pid -n `
	b.Spec.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{shellHook(pid + fmt.Sprintf("sh -c 'ip -o addr show %[1]s; ip -o link show %[1]s' > %[2]s", device, file))}}
	return file
}

// TestNetDeviceIsMoved: a device is moved into the container under its new name, with its permanent
// addresses of global scope, and is up before the first hook runs.
func TestNetDeviceIsMoved(t *testing.T) {
	for name, change := range map[string]func(*specs.Spec){"plain": func(*specs.Spec) {}, "user namespace": testbundle.UserNS} {
		t.Run(name, func(t *testing.T) {
			ownNetwork(t)
			b := testbundle.New(t, testbundle.Sh(isUp("c0")+"; cat /proc/sys/net/ipv4/conf/c0/forwarding"), netDevices("v0", "c0"), change)
			b.Spec.Linux.Sysctl = map[string]string{"net.ipv4.conf.c0.forwarding": "1"}
			file := lookFromHook(b, "c0")
			b.Run().Prints(t, "up\n1")
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for line := range strings.Lines(string(text)) {
				if fields := strings.Fields(line); strings.Contains(line, "scope global") || strings.Contains(line, "10.3") {
					address, _, _ := strings.Cut(strings.Join(fields[2:], " "), " valid_lft")
					got = append(got, strings.TrimRight(strings.Replace(address, " tentative", "", 1), ` \`))
				}
			}
			want := []string{
				"inet 10.0.0.1/24 scope global c0", "inet 10.1.0.1 peer 10.1.0.2/32 scope global c0", "inet 10.2.0.1/24 metric 77 scope global noprefixroute c0",
				"inet 10.0.0.2/24 brd 10.0.0.255 scope global secondary c0:web", "inet6 fd00::2/64 scope global nodad", "inet6 fd00::1/64 scope global nodad",
			}
			if !slices.Equal(got, want) {
				t.Errorf("addresses in the container:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			for _, kept := range []string{"mtu 1400", "02:11:22:33:44:55", "alias hello", ",UP"} {
				if !strings.Contains(string(text), kept) {
					t.Errorf("%q is not in %s", kept, text)
				}
			}
			testbundle.Await(t, "the end of the network namespace and of its virtual devices", func() bool { return !strings.Contains(ip(t, "-o", "link"), "v1") })
		})
	}
}

func TestNetDeviceNames(t *testing.T) {
	for name, c := range map[string]struct {
		devices []string
		want    string // entries of /sys/class/net in addition to lo
	}{
		"unchanged": {[]string{"v0", ""}, "v0"},
		"exchanged": {[]string{"v0", "v1", "v1", "v0"}, "v0 v1"},
		"numbered":  {[]string{"v0", "c%d", "v1", "c%d"}, "c0 c1"},
		// of the device on the host
		"alternative name":              {[]string{"a0", ""}, "v0"},
		"alternative name, and another": {[]string{"a0", "c0"}, "c0"},
	} {
		t.Run(name, func(t *testing.T) {
			ownNetwork(t)
			ip(t, "link", "property", "add", "dev", "v0", "altname", "a0")
			b := testbundle.New(t, testbundle.Sh("cd /sys/class/net; echo $(ls | grep -v lo)"), netDevices(c.devices...))
			b.Run().Prints(t, c.want)
		})
	}
}

// TestNetDeviceInJoinedNamespace: the device is moved into the namespace given by path, and stays
// there when the container ends.
func TestNetDeviceInJoinedNamespace(t *testing.T) {
	ownNetwork(t)
	inside, path := joinedNetwork(t)
	b := testbundle.New(t, testbundle.Sh(isUp("c1")), netDevices("v0", "c%d"), testbundle.With(specs.NetworkNamespace, path))
	b.Run().Prints(t, "up")
	if got := inside("-o", "addr", "show", "c1"); !strings.Contains(got, "10.0.0.1/24") {
		t.Errorf("after the end of the container: %s", got)
	}
}

// joinedNetwork creates a network namespace with a path, in which a device has the name c0.
func joinedNetwork(t *testing.T) (ip func(args ...string) string, path string) {
	t.Helper()
	n := testbundle.NewNetworkNamespace(t)
	n.IP("link", "add", "c0", "type", "veth", "peer", "name", "other")
	return n.IP, n.Path()
}

// TestNetDeviceReturns: if a container cannot be created, its devices return to the host as they
// were: name, addresses, routes, state.
func TestNetDeviceReturns(t *testing.T) {
	failing := func(kind string) func(*specs.Spec) {
		return func(s *specs.Spec) {
			s.Hooks = &specs.Hooks{}
			hooks := map[string]*[]specs.Hook{"createRuntime": &s.Hooks.CreateRuntime, "createContainer": &s.Hooks.CreateContainer, "startContainer": &s.Hooks.StartContainer, "poststart": &s.Hooks.Poststart}
			*hooks[kind] = []specs.Hook{shellHook("exit 3")}
		}
	}
	renaming := func(s *specs.Spec) {
		s.Hooks = &specs.Hooks{CreateContainer: []specs.Hook{shellHook("ip link set c0 down; ip link set c0 name other address 02:00:00:00:00:01; ip link set other address 02:11:22:33:44:55; exit 3")}}
	}
	for name, c := range map[string]struct {
		change []func(*specs.Spec)
		want   string
	}{
		"no such device":        {[]func(*specs.Spec){netDevices("v0", "c0", "v9", "c1")}, `the host has no network device named "v9"`},
		"the name is taken":     {[]func(*specs.Spec){netDevices("v0", "lo")}, `already has a device named "lo"`},
		"the loopback device":   {[]func(*specs.Spec){netDevices("lo", "c0", "v0", "c1")}, "the loopback device cannot leave"},
		"a bridge":              {[]func(*specs.Spec){netDevices("v0", "c0", "z0", "c1")}, `linux.netDevices.z0: move z0 into`},
		"the host's namespace":  {[]func(*specs.Spec){netDevices("v0", "c0"), testbundle.With(specs.NetworkNamespace, "/proc/thread-self/ns/net")}, "is the host's"},
		"no such program":       {[]func(*specs.Spec){netDevices("v0", "c0", "v1", "v0"), testbundle.Args("no-such-program")}, "no-such-program"},
		"in a user namespace":   {[]func(*specs.Spec){netDevices("v0", "c0"), testbundle.UserNS, testbundle.Args("no-such-program")}, "no-such-program"},
		"createRuntime hook":    {[]func(*specs.Spec){netDevices("v0", "c0"), failing("createRuntime")}, "exit status 3"},
		"createContainer hook":  {[]func(*specs.Spec){netDevices("v0", "c%d"), failing("createContainer")}, "exit status 3"},
		"startContainer hook":   {[]func(*specs.Spec){netDevices("v0", ""), failing("startContainer")}, "exit status 3"},
		"poststart hook":        {[]func(*specs.Spec){netDevices("v0", "c0"), failing("poststart")}, "exit status 3"},
		"renamed by a hook":     {[]func(*specs.Spec){netDevices("v0", "c0"), renaming}, "exit status 3"},
		"in a joined namespace": {[]func(*specs.Spec){netDevices("v0", "x0"), failing("createRuntime")}, "exit status 3"},
		"by another name":       {[]func(*specs.Spec){netDevices("a0", ""), failing("createRuntime")}, "exit status 3"},
		"twice":                 {[]func(*specs.Spec){netDevices("a0", "c0", "v0", "c1")}, "linux.netDevices.v0: v0 is already listed as linux.netDevices.a0"},
		"taken where it joins":  {[]func(*specs.Spec){netDevices("v1", "x0", "v0", "c0")}, `already has a device named "c0"`},
	} {
		t.Run(name, func(t *testing.T) {
			ownNetwork(t)
			if strings.Contains(name, "bridge") {
				ofBridge(t)
			}
			change := c.change
			inside := func(...string) string { return "" }
			if strings.Contains(name, "join") {
				var path string
				inside, path = joinedNetwork(t)
				change = append(slices.Clone(change), testbundle.With(specs.NetworkNamespace, path))
			}
			ip(t, "link", "property", "add", "dev", "v0", "altname", "a0")
			before, within := hostNetwork(t), inside("link")
			testbundle.New(t, change...).Run().Fails(t, c.want)
			if after := hostNetwork(t); after != before {
				t.Errorf("before:\n%s\nafter:\n%s", before, after)
			}
			if after := inside("link"); after != within {
				t.Errorf("in the joined namespace, before:\n%s\nafter:\n%s", within, after)
			}
		})
	}
}

// TestNetDeviceIsNotAnother: a device that cannot be moved is not confused with a device of the
// joined namespace that has the same name and hardware address.
func TestNetDeviceIsNotAnother(t *testing.T) {
	ownNetwork(t)
	inside, path := joinedNetwork(t)
	bridge := strings.Fields("link add z0 address 02:00:00:00:00:07 type bridge")
	ip(t, bridge...)
	inside(bridge...)
	before := hostNetwork(t)
	r := testbundle.New(t, netDevices("z0", "c1"), testbundle.With(specs.NetworkNamespace, path)).Run()
	r.Fails(t, "linux.netDevices.z0: move z0 into")
	if strings.Contains(r.Stderr, "back to the host") {
		t.Errorf("a device that has not left is brought back: %s", r.Stderr)
	}
	if after := hostNetwork(t); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

// ofBridge makes v0 a port of the bridge z0.
func ofBridge(t *testing.T) {
	t.Helper()
	ip(t, "link", "add", "z0", "type", "bridge")
	ip(t, "link", "set", "v0", "master", "z0")
}

// TestNetDeviceReturnsWithoutItsBridge: a device whose bridge is gone returns with everything else,
// and the container is removed completely.
func TestNetDeviceReturnsWithoutItsBridge(t *testing.T) {
	ownNetwork(t)
	before := hostNetwork(t)
	ofBridge(t)
	b := testbundle.New(t, netDevices("v0", "c0"))
	told := filepath.Join(b.Host, "told")
	b.Spec.Hooks = &specs.Hooks{
		CreateRuntime: []specs.Hook{shellHook("ip link del z0; exit 3")},
		Poststop:      []specs.Hook{shellHook("touch " + told)},
	}
	b.Run().Fails(t, "exit status 3", "bring v0 back to the host: make it a port of its bridge")
	if after := hostNetwork(t); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	if _, err := os.Stat(told); err != nil {
		t.Error("the poststop hook did not run")
	}
}

// TestNetDeviceDoesNotKeepItsContainer: delete reports a device that does not return as it was; with
// --force the container is deleted anyway.
func TestNetDeviceDoesNotKeepItsContainer(t *testing.T) {
	ownNetwork(t)
	_, path := joinedNetwork(t)
	ofBridge(t)
	b, sign := hanging(t, func(all *specs.Hooks, h specs.Hook) { all.CreateRuntime = []specs.Hook{h} }, false)
	netDevices("v0", "x0")(b.Spec)
	testbundle.With(specs.NetworkNamespace, path)(b.Spec)
	b.Write()
	cmd := b.Command("create", "--bundle", b.Dir, b.ID)
	b.Start(cmd)
	await(t, sign)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	ip(t, "link", "del", "z0")
	const lost = "bring v0 back to the host: make it a port of its bridge"
	b.Minirun("delete", b.ID).Fails(t, lost)
	r := b.Minirun("delete", "--force", b.ID)
	r.Exit(t, 0)
	if !strings.Contains(r.Stderr, lost) {
		t.Errorf("no warning: %q", r.Stderr)
	}
	if got := ip(t, "-o", "addr", "show", "v0"); !strings.Contains(got, "10.0.0.1/24") {
		t.Errorf("after delete: %s", got)
	}
}

// TestNetDeviceReturnsAfterSignal: after a signal while the container is created, the host has all
// its devices.
func TestNetDeviceReturnsAfterSignal(t *testing.T) {
	ownNetwork(t)
	before := hostNetwork(t)
	b, sign := hanging(t, func(all *specs.Hooks, h specs.Hook) { all.CreateRuntime = []specs.Hook{h} }, false)
	netDevices("v0", "c0")(b.Spec)
	b.Write()
	cmd := b.Command("run", "--bundle", b.Dir, b.ID)
	b.Start(cmd)
	await(t, sign)
	if now := hostNetwork(t); now == before {
		t.Error("the device is still with the host while the hook runs")
	}
	if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if after := hostNetwork(t); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

// TestNetDeviceReturnsAfterKill: delete returns the devices that a killed minirun has left in a
// network namespace that still exists.
func TestNetDeviceReturnsAfterKill(t *testing.T) {
	ownNetwork(t)
	inside, path := joinedNetwork(t)
	before, within := hostNetwork(t), inside("link")
	b, sign := hanging(t, func(all *specs.Hooks, h specs.Hook) { all.CreateRuntime = []specs.Hook{h} }, false)
	netDevices("v0", "x0")(b.Spec)
	testbundle.With(specs.NetworkNamespace, path)(b.Spec)
	b.Write()
	cmd := b.Command("create", "--bundle", b.Dir, b.ID)
	b.Start(cmd)
	await(t, sign)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	b.Minirun("delete", "--force", b.ID).Exit(t, 0)
	if after := hostNetwork(t); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	if after := inside("link"); after != within {
		t.Errorf("in the joined namespace, before:\n%s\nafter:\n%s", within, after)
	}
}

// TestNetDeviceStaysWithItsContainer: once the container is created, delete does not return the
// device; a joined namespace keeps it.
func TestNetDeviceStaysWithItsContainer(t *testing.T) {
	ownNetwork(t)
	inside, path := joinedNetwork(t)
	b := testbundle.New(t, testbundle.Sh("sleep 100"), netDevices("v0", "x0"), testbundle.With(specs.NetworkNamespace, path))
	b.Write()
	b.Detach().Exit(t, 0)
	b.Minirun("exec", b.ID, "sh", "-c", isUp("x0")).Prints(t, "up")
	b.Minirun("delete", "--force", b.ID).Exit(t, 0)
	if got := inside("-o", "link", "show", "x0"); !strings.Contains(got, ",UP") {
		t.Errorf("after delete: %s", got)
	}
}
