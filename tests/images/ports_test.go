package images

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// needBridge skips a test if there can be no bridge, and lets containers have one by default.
func needBridge(t *testing.T) {
	t.Helper()
	testbundle.Need(t)
	for _, plugin := range []string{"bridge", "host-local", "portmap", "firewall"} {
		if _, err := os.Stat("/usr/lib/cni/" + plugin); err != nil {
			t.Skipf("needs Debian's packages containernetworking-plugins and iptables: %v", err)
		}
	}
	need(t, "iptables", "iptables")
	t.Setenv("MINIRUN_NETWORK", "")
}

// serve runs a container with a web server that returns its name.
func serve(t *testing.T, in func(string, ...string) testbundle.Result, id string, flags ...string) testbundle.Result {
	t.Helper()
	t.Cleanup(func() { in("minirun", "rm", "-f", id) })
	args := append([]string{"run", "-d", "--name", id}, flags...)
	return in("minirun", append(args, "busybox", "sh", "-c", "mkdir -p /www; hostname >/www/name; exec busybox httpd -f -p 80 -h /www")...)
}

// fetch returns what the server at an address returns, or "" if it cannot be reached.
func fetch(in func(string, ...string) testbundle.Result, address string) string {
	return strings.TrimSpace(in("busybox", "timeout", "5", "busybox", "wget", "-q", "-O", "-", "http://"+address+"/name").Stdout)
}

// A published port belongs to one container: a second one, and another program, do not get it while
// the container runs, and do afterwards. Both are named.
func TestPublishedPortIsHeld(t *testing.T) {
	needBridge(t)
	s := loaded(t, runs("true"))
	in := testbundle.Network(t, s.Bundle)
	web, other := name("web"), name("other")
	serve(t, in, web, "-p", "8080:80").Exit(t, 0)
	for _, address := range []string{"127.0.0.1:8080", "[::1]:8080"} {
		testbundle.Await(t, "the server at "+address, func() bool { return fetch(in, address) == web })
	}
	if got := in("minirun", "ps").Stdout; !strings.Contains(got, "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp") {
		t.Errorf("ps: %s", got)
	}
	for _, port := range []string{"8080:80", "127.0.0.1:8080:81", "[::1]:8080:80"} {
		in("minirun", "run", "--name", other, "-p", port, "busybox", "true").Fails(t, "host port", "8080",
			"already in use by container "+web, "minirun stop "+web)
	}
	if r := in("busybox", "nc", "-l", "-p", "8080", "-w", "1"); !strings.Contains(r.Stderr, "in use") {
		t.Errorf("another program: %d %s", r.Status, r.Stderr)
	}
	in("minirun", "run", "--rm", "--name", other, "-p", "8080:80/udp", "busybox", "true").Exit(t, 0)
	in("minirun", "stop", "-t", "0", web).Exit(t, 0)
	serve(t, in, other, "-p", "8080:80").Exit(t, 0)
	testbundle.Await(t, "the other server", func() bool { return fetch(in, "127.0.0.1:8080") == other })
}

// A port that a process of the host has is refused before anything is created, with its name and PID.
func TestPortOfHostProcessIsRefused(t *testing.T) {
	needBridge(t)
	s := loaded(t, runs("true"))
	in := testbundle.Network(t, s.Bundle)
	id := name("web")
	// The shell prints the PID of nc.
	pid := strings.TrimSpace(in("sh", "-c", "busybox nc -l -p 8080 >/dev/null 2>&1 & echo $!").Stdout)
	defer in("kill", "-9", pid)
	testbundle.Await(t, "nc", func() bool { return strings.Contains(in("cat", "/proc/net/tcp6", "/proc/net/tcp").Stdout, ":1F90 ") })
	in("minirun", "run", "--name", id, "-p", "8080:80", "busybox", "true").Fails(t, "host port 8080",
		"already in use by busybox (pid "+pid+")", "hint: ")
	if got := in("minirun", "ps", "-a", "-q").Stdout; got != "" {
		t.Errorf("left: %s", got)
	}
	if entries, _ := os.ReadDir(filepath.Join(s.StoreDir, "containers")); len(entries) > 0 {
		t.Errorf("left: %v", entries)
	}
}

// -p 80 and -P choose free ports; port shows them.
func TestFreePortsAreChosen(t *testing.T) {
	needBridge(t)
	config := runs("true")
	config.ExposedPorts = map[string]struct{}{"80/tcp": {}, "53/udp": {}}
	s := loaded(t, config)
	in := testbundle.Network(t, s.Bundle)
	one, two := name("one"), name("two")
	serve(t, in, one, "-p", "127.0.0.1::80").Exit(t, 0)
	serve(t, in, two, "-P").Exit(t, 0)
	port := func(args ...string) string {
		return strings.TrimSpace(in("minirun", append([]string{"port"}, args...)...).Stdout)
	}
	for _, id := range []string{one, two} {
		address, _, _ := strings.Cut(port(id, "80"), "\n")
		address = strings.Replace(address, "0.0.0.0", "127.0.0.1", 1)
		testbundle.Await(t, "the server at "+address, func() bool { return fetch(in, address) == id })
	}
	if got := port(one); got != "80/tcp -> "+port(one, "80/tcp") || !strings.HasPrefix(got, "80/tcp -> 127.0.0.1:") {
		t.Errorf("port: %q", got)
	}
	if got := port(two); strings.Count(got, "80/tcp -> ") != 2 || strings.Count(got, "53/udp -> ") != 2 {
		t.Errorf("port of -P: %q", got)
	}
	in("minirun", "port", one, "53/udp").Fails(t, "does not publish port 53/udp", "hint: ")
	in("minirun", "port", one, "x").Fails(t, "must be PORT[/PROTOCOL]")
	in("minirun", "stop", "-t", "0", one).Exit(t, 0)
	in("minirun", "port", one).Fails(t, "is not running", "hint: ")
}

// Values are checked before anything happens: before the image is looked for.
func TestPortsAreCheckedFirst(t *testing.T) {
	s := newStore(t)
	for port, words := range map[string]string{"99999:80": "99999", "80:80:80:80": "not an IP address", "x": "not a port number",
		"80/sctp": `protocol "sctp" is not supported`, "80:http": "not a port number", "8000-8002:80-81": "3 ports"} {
		s.Minirun("run", "--rm", "-p", port, "no.such.registry.invalid/image", "true").Fails(t, fmt.Sprintf("--publish %q", port), words)
	}
	for _, flags := range [][]string{{"--ip", "x"}, {"--ip6", "1.2.3.4"}, {"--mac-address", "x"}, {"--network-alias", "a b"},
		{"--add-host", "x"}, {"--dns", "x"}, {"--dns-search", "a b"}, {"--dns-option", "a b"}, {"--expose", "x"},
		{"--network", "host", "-p", "80"}, {"--network", "none", "-P"}, {"--network", "host", "--ip", "10.0.0.1"},
		{"--network", "a", "--network", "host"}, {"--network", "container:x", "--dns", "1.1.1.1"}} {
		s.Minirun(append(append([]string{"run"}, flags...), "no.such.registry.invalid/image")...).Fails(t, "--"+strings.TrimLeft(flags[0], "-"))
	}
	if _, err := os.Stat(s.StoreDir); err == nil {
		t.Error("something was created")
	}
}

// The ports are free again after every end, and no rule or address is left: rm -f, a program that
// exits, and a monitor that is killed.
func TestPortsAreReleased(t *testing.T) {
	needBridge(t)
	s := loaded(t, runs("true"))
	in := testbundle.Network(t, s.Bundle)
	listening := func() bool { return strings.Contains(in("cat", "/proc/net/tcp").Stdout, ":1F90 ") }
	for what, end := range map[string]func(id string){
		"rm -f": func(id string) { in("minirun", "rm", "-f", id).Exit(t, 0) },
		"exit": func(id string) {
			in("minirun", "kill", id, "KILL").Exit(t, 0)
			testbundle.Await(t, "its end", func() bool { return strings.Contains(in("minirun", "ps", "-a").Stdout, "Exited") })
			in("minirun", "rm", id).Exit(t, 0)
		},
		"killed monitor": func(id string) {
			in("pkill", "-9", "-f", "monitor.* "+id)
			testbundle.Await(t, "the kernel", func() bool { return !listening() })
			// The packets still go to the container, so its port is not free yet.
			in("minirun", "run", "--name", name("second"), "-p", "8080:80", "busybox", "true").Fails(t, "in use by container "+id)
			in("minirun", "rm", "-f", id).Exit(t, 0)
		},
	} {
		id := name("web")
		serve(t, in, id, "-p", "8080:80").Exit(t, 0)
		if !listening() {
			t.Errorf("%s: the port is not held", what)
		}
		end(id)
		if listening() {
			t.Errorf("%s: the port is still held", what)
		}
		if rules := in("iptables-save").Stdout; strings.Contains(rules, id) {
			t.Errorf("%s: left: %s", what, rules)
		}
		if left, _ := filepath.Glob("/run/minirun-cni/*/*" + id + "*"); len(left) > 0 {
			t.Errorf("%s: left: %q", what, left)
		}
	}
}

// One of several containers that start at the same time with the same port gets it. Nothing is left of
// the others.
func TestConcurrentStartsWithOnePort(t *testing.T) {
	needBridge(t)
	s := loaded(t, runs("sleep", "1000"))
	in := testbundle.Network(t, s.Bundle)
	const count = 5
	results := make([]testbundle.Result, count)
	var all sync.WaitGroup
	for i := range count {
		all.Go(func() {
			results[i] = in("minirun", "run", "-d", "--name", name(fmt.Sprint("c", i)), "-p", "8080:80", "busybox")
		})
	}
	all.Wait()
	started := 0
	for i, r := range results {
		defer in("minirun", "rm", "-f", name(fmt.Sprint("c", i)))
		if r.Status == 0 {
			started++
		} else if !strings.Contains(r.Stderr, "host port 8080 is already in use by ") {
			t.Errorf("%d: %s", i, r.Stderr)
		}
	}
	if left := strings.Fields(in("minirun", "ps", "-a", "-q").Stdout); started != 1 || len(left) != 1 {
		t.Errorf("%d started, %q", started, left)
	}
}

// A container with an IPv6 address gets IPv6 packets from other hosts by rules, and those from ::1 too.
func TestPublishedPortOverIPv6(t *testing.T) {
	needBridge(t)
	s := loaded(t, runs("true"))
	in := testbundle.Network(t, s.Bundle)
	if _, err := os.Stat("/proc/net/if_inet6"); err != nil {
		t.Skip("needs IPv6: ", err)
	}
	six, web := name("six"), name("web")
	in("minirun", "network", "create", "--ipv6", six).Exit(t, 0)
	defer in("minirun", "network", "rm", six)
	in("ip", "address", "add", "fd77::1/64", "dev", "lo").Exit(t, 0)
	serve(t, in, web, "--network", six, "-p", "8080:80", "-p", "[::1]:8081:80").Exit(t, 0)
	defer in("minirun", "rm", "-f", web)
	for _, address := range []string{"127.0.0.1:8080", "[::1]:8080", "[fd77::1]:8080", "[::1]:8081"} {
		testbundle.Await(t, "the server at "+address, func() bool { return fetch(in, address) == web })
	}
	if got := fetch(in, "127.0.0.1:8081"); got != "" {
		t.Errorf("[::1]:8081 is also published on 127.0.0.1: %q", got)
	}
}
