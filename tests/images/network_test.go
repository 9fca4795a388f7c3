package images

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// Containers on one network reach each other by name and by alias, those on another one do not.
func TestContainersReachEachOtherByName(t *testing.T) {
	needBridge(t)
	s := loaded(t, runs("true"))
	in := testbundle.Network(t, s.Bundle)
	app, other := name("app"), name("other")
	for _, n := range []string{app, other} {
		in("minirun", "network", "create", n).Exit(t, 0)
		defer in("minirun", "network", "rm", n)
	}
	web, db, stranger := name("web"), name("db"), name("stranger")
	serve(t, in, db, "--network", app, "--network-alias", "database", "--hostname", "dbhost").Exit(t, 0)
	serve(t, in, web, "--network", app).Exit(t, 0)
	serve(t, in, stranger, "--network", other).Exit(t, 0)
	get := func(from, host string) string {
		return strings.TrimSpace(in("minirun", "exec", from, "busybox", "timeout", "3", "busybox", "wget", "-q", "-O", "-", "http://"+host+"/name").Stdout)
	}
	for _, host := range []string{db, "database"} {
		testbundle.Await(t, "the server of "+host, func() bool { return get(web, host) == "dbhost" })
	}
	if got := get(db, web); got != web {
		t.Errorf("the other direction, to one that started later: %q", got)
	}
	if got := get(stranger, db); got != "" {
		t.Errorf("another network resolves the name: %q", got)
	}
	address := strings.TrimSpace(in("minirun", "exec", db, "hostname", "-i").Stdout)
	if got := get(stranger, address); got != "" {
		t.Errorf("another network reaches %s: %q", address, got)
	}

	in("minirun", "network", "connect", "--alias", "guest", app, stranger).Exit(t, 0)
	if got := get(web, "guest"); got != stranger {
		t.Errorf("connected: %q", got)
	}
	if got := get(stranger, "database"); got != "dbhost" {
		t.Errorf("connected, the other direction: %q", got)
	}
	in("minirun", "network", "connect", app, stranger).Fails(t, "already on network "+app)
	in("minirun", "network", "disconnect", app, stranger).Exit(t, 0)
	if got := get(web, "guest"); got != "" {
		t.Errorf("disconnected: %q", got)
	}
	in("minirun", "network", "rm", app).Fails(t, "in use by", web, "hint: ")

	in("minirun", "stop", "-t", "0", db).Exit(t, 0)
	if got := in("minirun", "exec", web, "cat", "/etc/hosts").Stdout; strings.Contains(got, "database") || !strings.Contains(got, web) {
		t.Errorf("after the end of the other: %s", got)
	}
}

// network create, ls, inspect, rm, prune: what they print, and what they leave.
func TestNetworkCommands(t *testing.T) {
	needBridge(t)
	s := loaded(t, runs("sleep", "1000"))
	in := testbundle.Network(t, s.Bundle)
	out := func(args ...string) string {
		t.Helper()
		r := in("minirun", append([]string{"network"}, args...)...)
		r.Exit(t, 0)
		return strings.TrimSpace(r.Stdout)
	}
	id := out("create", "--subnet", "10.5.0.0/24", "--gateway", "10.5.0.254", "--label", "a=b", "app")
	out("create", "--internal", "inner")
	if got := out("ls", "--format", "{{.Name}} {{.Driver}}"); got != "bridge bridge\nhost host\nnone null\napp bridge\ninner bridge" {
		t.Errorf("ls: %q", got)
	}
	if got := out("ls", "-q", "-f", "label=a=b"); got != id {
		t.Errorf("ls -q: %q, want %q", got, id)
	}
	c := name("c")
	in("minirun", "run", "-d", "--name", c, "--network", "app", "--ip", "10.5.0.77", "--mac-address", "02:42:ac:11:00:02", "busybox").Exit(t, 0)
	defer in("minirun", "rm", "-f", c)
	if got := out("inspect", "-f", "{{(index .Containers \""+c+"\").IPv4Address}} {{(index .IPAM.Config 0).Gateway}}", "app"); got != "10.5.0.77/24 10.5.0.254" {
		t.Errorf("inspect: %q", got)
	}
	if got := in("minirun", "inspect", c).Stdout; !strings.Contains(got, "network   app  eth0 10.5.0.77/24\n") {
		t.Errorf("inspect: %s", got)
	}
	if got := in("minirun", "exec", c, "cat", "/sys/class/net/eth0/address").Stdout; got != "02:42:ac:11:00:02\n" {
		t.Errorf("--mac-address: %q", got)
	}
	for words, args := range map[string][]string{
		"already exists":                    {"create", "app"},
		"predefined":                        {"create", "host"},
		"overlaps with 10.5.0.0/24":         {"create", "--subnet", "10.5.0.0/25", "x"},
		"must be bridge":                    {"create", "-d", "overlay", "x"},
		"CIDR":                              {"create", "--subnet", "x", "x"},
		"no such network: \"ap\"":           {"inspect", "ap"},
		"did you mean app?":                 {"rm", "APP"},
		"cannot be removed":                 {"rm", "bridge"},
		"no such container":                 {"connect", "app", "none-such"},
		"is not on network inner":           {"disconnect", "inner", c},
		"while they run":                    {"connect", "host", c},
		"unknown key":                       {"ls", "-f", "x=y"},
		"cannot ask":                        {"prune"},
		"unknown subcommand \"frobnicate\"": {"frobnicate"},
	} {
		in("minirun", append([]string{"network"}, args...)...).Fails(t, words)
	}
	in("minirun", "run", "--rm", "--network", "app", "--ip", "10.5.0.77", "busybox", "true").Fails(t, "already used by container "+c)
	in("minirun", "run", "--rm", "--network", "nope", "busybox", "true").Fails(t, "no such network: \"nope\"", "hint: ")
	in("minirun", "run", "--rm", "--network", "inner", "-p", "80", "busybox", "true").Fails(t, "is internal")
	if got := in("minirun", "run", "--rm", "--network", "inner", "busybox", "ip", "route").Stdout; strings.Contains(got, "default") {
		t.Errorf("an internal network: %s", got)
	}
	if got := out("prune", "-f"); got != "inner" {
		t.Errorf("prune: %q", got)
	}
	in("minirun", "rm", "-f", c).Exit(t, 0)
	out("rm", "app")
	out("rm", "--force", "app")
	if got := in("ip", "-br", "link").Stdout; strings.Contains(got, "mr-") {
		t.Errorf("left: %s", got)
	}
	if left, _ := filepath.Glob("/run/minirun-cni/addresses/minirun-" + id); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// The files in /etc and the addresses are those of each kind of network.
func TestNetworkKinds(t *testing.T) {
	needBridge(t)
	s := loaded(t, runs("sleep", "1000"))
	in := testbundle.Network(t, s.Bundle)
	web := name("web")
	in("minirun", "run", "-d", "--name", web, "--hostname", "webhost", "busybox").Exit(t, 0)
	defer in("minirun", "rm", "-f", web)
	run := func(args ...string) string {
		t.Helper()
		r := in("minirun", append([]string{"run", "--rm"}, args...)...)
		r.Exit(t, 0)
		return r.Stdout
	}
	for _, c := range []struct {
		what        string
		args        []string
		has, hasNot []string
	}{
		{"the default is a bridge", []string{"busybox", "sh", "-c", "ip -4 a; ip route; cat /etc/hosts"},
			[]string{"inet 10.89.", "default via 10.89.0.1", web}, []string{"127.0.1.1"}},
		{"none", []string{"--network", "none", "busybox", "sh", "-c", "ip -4 a; cat /etc/hosts"},
			[]string{"127.0.1.1"}, []string{"10.89.", "eth0", web}},
		{"host", []string{"--network", "host", "--add-host", "x:192.0.2.1", "busybox", "sh", "-c", "ip link; cat /etc/hosts"},
			[]string{"minirun0", "192.0.2.1\tx"}, []string{"127.0.1.1"}},
		{"container", []string{"--network", "container:" + web, "busybox", "sh", "-c", "ip -4 a; hostname; cat /etc/hosts"},
			[]string{"inet 10.89.", "webhost", web}, nil},
		{"names", []string{"--add-host", "x:192.0.2.1", "--add-host", "h:host-gateway", "--dns", "192.0.2.53", "--dns-search", "lan",
			"--dns-option", "ndots:2", "busybox", "cat", "/etc/hosts", "/etc/resolv.conf"},
			[]string{"192.0.2.1\tx", "10.89.0.1\th", "nameserver 192.0.2.53\nsearch lan\noptions ndots:2\n"}, nil},
	} {
		got := run(c.args...)
		for _, text := range c.has {
			if !strings.Contains(got, text) {
				t.Errorf("%s: no %q in %s", c.what, text, got)
			}
		}
		for _, text := range c.hasNot {
			if strings.Contains(got, text) {
				t.Errorf("%s: %q in %s", c.what, text, got)
			}
		}
	}
	in("minirun", "run", "--rm", "--network", "container:none-such", "busybox").Fails(t, "no such container", "hint: ")
	// The link to the namespace is renewed, and a container that does not run has none.
	in("minirun", "stop", "-t", "0", web).Exit(t, 0)
	in("minirun", "run", "--rm", "--network", "container:"+web, "busybox", "true").Fails(t, "is not running", "hint: ")
}

// Without the CNI plugins a container has no network by default, and minirun says so when it matters.
func TestWithoutPluginsNetworkIsNone(t *testing.T) {
	testbundle.Need(t)
	config := runs("true")
	config.ExposedPorts = map[string]struct{}{"80/tcp": {}}
	s := loaded(t, config)
	t.Setenv("MINIRUN_NETWORK", "")
	empty := t.TempDir()
	// A mount namespace in which the directories with plugins are empty.
	hidden := func(args ...string) testbundle.Result {
		script := "for d in /usr/lib/cni /opt/cni/bin /usr/libexec/cni; do [ ! -d $d ] || mount --bind " + empty + ` $d; done; exec "$@"`
		cmd := s.Command(args...)
		cmd.Args = append([]string{"unshare", "-m", "sh", "-c", script, "sh", cmd.Path}, cmd.Args[1:]...)
		cmd.Path = need(t, "unshare", "util-linux")
		return testbundle.Finish(t, cmd)
	}
	r := hidden("run", "--rm", "busybox", "ls", "/sys/class/net")
	r.Exit(t, 0)
	if r.Stdout != "lo\n" || !strings.Contains(r.Stderr, "listens on port 80/tcp") || !strings.Contains(r.Stderr, "hint: ") {
		t.Errorf("%q, %q", r.Stdout, r.Stderr)
	}
	hidden("run", "--rm", "-p", "80", "busybox", "true").Fails(t, "--publish", "CNI plugins", "apt-get install containernetworking-plugins")
	hidden("run", "--rm", "--network", "bridge", "busybox", "true").Fails(t, "--network bridge", "CNI plugins")
	hidden("network", "create", "x").Fails(t, "CNI plugins")
	if entries, _ := os.ReadDir(filepath.Join(s.StoreDir, "containers")); len(entries) > 0 {
		t.Errorf("left: %v", entries)
	}
}

// A container that cannot be connected does not start: the error has the reason, and nothing is left.
func TestFailureOfPluginsIsExplained(t *testing.T) {
	needBridge(t)
	s := loaded(t, runs("sleep", "1000"))
	in := testbundle.Network(t, s.Bundle)
	tiny, first, second := name("tiny"), name("first"), name("second")
	in("minirun", "network", "create", "--subnet", "10.77.0.0/30", tiny).Exit(t, 0) // one address besides the host's
	defer in("minirun", "network", "rm", tiny)
	in("minirun", "run", "-d", "--name", first, "--network", tiny, "busybox").Exit(t, 0)
	defer in("minirun", "rm", "-f", first)
	for _, flags := range [][]string{{"-d"}, {"--rm"}} {
		r := in("minirun", append(append([]string{"run", "--name", second, "--network", tiny}, flags...), "busybox")...)
		r.Fails(t, "cannot start container \""+second+"\"", "network "+tiny, "no IP addresses available")
		if strings.Contains(r.Stderr, "hooks") || strings.Count(r.Stderr, "\n") > 4 {
			t.Errorf("%q: %s", flags, r.Stderr)
		}
	}
	if got := strings.TrimSpace(in("minirun", "ps", "-a", "--format", "{{.Names}}").Stdout); got != first {
		t.Errorf("left: %q", got)
	}
	if left, _ := filepath.Glob("/run/minirun-cni/*/*" + second + "*"); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// A container has its networks and ports again after stop and start, and one that shares its network
// finds it again.
func TestNetworkAfterRestart(t *testing.T) {
	needBridge(t)
	s := loaded(t, runs("sleep", "1000"))
	in := testbundle.Network(t, s.Bundle)
	web, side := name("web"), name("side")
	serve(t, in, web, "-p", "8080:80").Exit(t, 0)
	in("minirun", "run", "-d", "--name", side, "--network", "container:"+web, "busybox").Exit(t, 0)
	defer in("minirun", "rm", "-f", side)
	in("minirun", "stop", "-t", "0", side, web).Exit(t, 0)
	if got := in("minirun", "ps", "-a", "--format", "{{.Ports}}").Stdout; strings.Contains(got, "8080") {
		t.Errorf("ports of a stopped container: %s", got)
	}
	in("minirun", "start", side).Fails(t, "container "+web+", whose network it shares, is not running", "minirun start "+web)
	in("minirun", "start", web).Exit(t, 0)
	in("minirun", "start", side).Exit(t, 0)
	testbundle.Await(t, "the server", func() bool { return fetch(in, "127.0.0.1:8080") == web })
	inside := func(id string) string { return in("minirun", "exec", id, "cat", "/proc/net/fib_trie").Stdout }
	if inside(web) != inside(side) || !strings.Contains(inside(side), "10.89.") {
		t.Errorf("%s and %s", inside(web), inside(side))
	}
	// A port that another program has in the meantime: the container stays.
	in("minirun", "stop", "-t", "0", web).Exit(t, 0)
	pid := strings.TrimSpace(in("sh", "-c", "busybox nc -l -p 8080 >/dev/null 2>&1 & echo $!").Stdout)
	defer in("kill", "-9", pid)
	testbundle.Await(t, "nc", func() bool { return strings.Contains(in("cat", "/proc/net/tcp6", "/proc/net/tcp").Stdout, ":1F90 ") })
	in("minirun", "start", web).Fails(t, "already in use by busybox (pid "+pid+")")
	in("kill", "-9", pid)
	in("minirun", "start", web).Exit(t, 0)
}

// A container on several networks has a device on each, and the names of both; only the first one has
// its default route and its ports.
func TestSeveralNetworks(t *testing.T) {
	needBridge(t)
	s := loaded(t, runs("sleep", "1000"))
	in := testbundle.Network(t, s.Bundle)
	front, back, web, db := name("front"), name("back"), name("web"), name("db")
	in("minirun", "network", "create", "--subnet", "10.5.0.0/24", front).Exit(t, 0)
	in("minirun", "network", "create", "--subnet", "10.6.0.0/24", "--internal", back).Exit(t, 0)
	defer in("minirun", "network", "rm", front, back)
	serve(t, in, db, "--network", back, "--network-alias", "database").Exit(t, 0)
	serve(t, in, web, "--network", front, "--network", "name="+back+",ip=10.6.0.9,alias=site", "-p", "8080:80").Exit(t, 0)
	defer in("minirun", "rm", "-f", web, db)
	got := in("minirun", "exec", web, "sh", "-c", "ip route; cat /etc/hosts").Stdout
	for _, want := range []string{"default via 10.5.0.1 dev eth0", "10.6.0.0/24 dev eth1", "src 10.6.0.9", "10.5.0.2\t" + web, "\t" + db + " database\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
	if got := in("minirun", "exec", db, "cat", "/etc/hosts").Stdout; !strings.Contains(got, "10.6.0.9\t"+web+" site") || strings.Contains(got, "10.5.0.2") {
		t.Errorf("the other container: %s", got)
	}
	testbundle.Await(t, "the server", func() bool { return fetch(in, "127.0.0.1:8080") == web })
	if got := strings.TrimSpace(in("minirun", "ps", "-f", "network="+back, "--format", "{{.Names}}").Stdout); got != web+"\n"+db {
		t.Errorf("ps -f network: %q", got)
	}
}
