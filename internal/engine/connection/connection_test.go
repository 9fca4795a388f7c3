package connection

import (
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/engine/network"
	"github.com/minirun/minirun/internal/engine/ports"
)

// Flags that have no effect are refused before the host is looked at.
func TestPlanRefusesContradictions(t *testing.T) {
	port := []string{"80"}
	on := func(networks ...string) network.Request { return network.Request{Networks: networks} }
	for words, c := range map[string]struct {
		flags    Flags
		hostname string
	}{
		"--publish needs a bridge, not --network host\nhint: leave --publish out": {Flags{Request: on("host"), Publish: port}, ""},
		"--publish needs a bridge, not --network none\nhint: leave --network out": {Flags{Request: on("none"), PublishAll: true}, ""},
		"--network container:web: --hostname":                                     {Flags{Request: on("container:web")}, "h"},
		"give them to the container":                                              {Flags{Request: on("container:web"), AddHosts: []string{"a:1.2.3.4"}}, ""},
		"--network container:web: --ip":                                           {Flags{Request: network.Request{Networks: []string{"container:web"}, IP: "10.0.0.1"}}, ""},
		"--publish \"x\"":                                                         {Flags{Publish: []string{"x"}}, ""},
		"--expose \"x\"":                                                          {Flags{Expose: []string{"x"}}, ""},
		"--add-host \"x\"":                                                        {Flags{AddHosts: []string{"x"}}, ""},
		"--dns \"x\"":                                                             {Flags{DNS: network.DNS{Servers: []string{"x"}}}, ""},
	} {
		if _, err := c.flags.Plan(c.hostname); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%+v: %v, want %s", c.flags, err, words)
		}
	}
	for _, f := range []Flags{{}, {Publish: port}, {Request: on("bridge"), Publish: port}, {Request: on("host"), AddHosts: []string{"a:1.2.3.4"}}} {
		if _, err := f.Plan("h"); err != nil {
			t.Errorf("%+v: %v", f, err)
		}
	}
}

// The network without --network: the variable, or else a bridge if there can be one; published ports
// always need one.
func TestStandardNetwork(t *testing.T) {
	for _, c := range []struct {
		variable  string
		hasBridge bool
		publish   []string
		want      string
	}{
		{"", true, nil, "bridge"}, {"", false, nil, "none"}, {"", false, []string{"80"}, "bridge"},
		{"none", true, nil, "none"}, {"host", true, nil, "host"}, {"none", true, []string{"80"}, "bridge"},
		{"app", true, []string{"80"}, "app"},
	} {
		t.Setenv(network.Variable, c.variable)
		p, err := (&Flags{Publish: c.publish}).Plan("")
		if err == nil {
			err = p.chooseStandard(c.hasBridge)
		}
		if err != nil || p.Names() != c.want || !p.IsStandard {
			t.Errorf("%+v: %s, %v", c, p.Names(), err)
		}
	}
	t.Setenv(network.Variable, "name=a,nothing=b")
	if err := (&Plan{}).chooseStandard(true); err == nil || !strings.Contains(err.Error(), network.Variable) {
		t.Error(err)
	}
}

func host(name string) (*Host, *[]string) {
	var warnings []string
	return &Host{Name: name, Exposed: map[string]struct{}{"80/tcp": {}, "53/udp": {}, "nonsense": {}},
		Running: func() ([]Published, error) {
			m, err := ports.Parse("8080:80")
			return []Published{{"web", []ports.Mapping{{IP: m[0].IP, Host: 8080, Container: 80, Protocol: "tcp"}}}}, err
		},
		FindRunning: func(text string) (string, error) {
			if text != "we" {
				return "", errors.New("is not running")
			}
			return "web", nil
		},
		Warn: func(text any) { warnings = append(warnings, text.(string)) },
	}, &warnings
}

func TestCompleteWithoutBridge(t *testing.T) {
	t.Setenv(network.Variable, "none")
	h, warnings := host("c")
	p, err := (&Flags{Expose: []string{"80", "90"}}).Plan("")
	if err == nil {
		err = p.Complete(h)
	}
	if err != nil || strings.Join(p.ExposedTexts(), " ") != "53/udp 80/tcp 90/tcp" {
		t.Errorf("%q, %v", p.ExposedTexts(), err)
	}
	if len(*warnings) != 1 || !strings.Contains((*warnings)[0], "listens on port 53/udp\nhint: ") {
		t.Errorf("%q", *warnings)
	}
	p, err = (&Flags{Request: network.Request{Networks: []string{"none"}}, AddHosts: []string{"x:host-gateway"}}).Plan("")
	if err == nil {
		err = p.Complete(h)
	}
	if err == nil || !strings.Contains(err.Error(), "--add-host x:host-gateway") {
		t.Errorf("a gateway without a network: %v", err)
	}
}

// Published ports of the image and of --expose are not published twice.
func TestPublishAll(t *testing.T) {
	p, err := (&Flags{Publish: []string{"8080:80"}, PublishAll: true, Expose: []string{"80", "90"}}).Plan("")
	if err != nil {
		t.Fatal(err)
	}
	p.publishExposed()
	if len(p.requests) != 2 || p.requests[1].Container != 90 || p.requests[1].First != 0 {
		t.Errorf("%+v", p.requests)
	}
}

// The error of a hook is replaced by what the hook left, only after a failure of this start.
func TestExplainReplacesErrorOfHook(t *testing.T) {
	dir := t.TempDir()
	s := &Start{Name: "web", Network: "bridge", Failure: filepath.Join(dir, "failure")}
	hook := errors.New("hooks.createRuntime[0]: exit status 1")
	if err := os.WriteFile(s.Failure, []byte("no addresses\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Explain(hook); err.Error() != `cannot start container "web": no addresses` || !errors.Is(err, hook) {
		t.Error(err)
	}
	held, err := s.Hold() // the next start
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := s.Explain(hook); !errors.Is(err, hook) || err.Error() != hook.Error() {
		t.Error(err)
	}
	if s.Explain(nil) != nil {
		t.Error("no error is explained")
	}
}

// The link of a container that shares a network is renewed at each start.
func TestHoldLinksToNamespace(t *testing.T) {
	dir := t.TempDir()
	pid := 41
	s := &Start{Name: "side", Network: "container:web", Failure: filepath.Join(dir, "failure"), Link: filepath.Join(dir, "netns"),
		PID: func(string) (int, error) { return pid, nil }}
	for _, want := range []string{"/proc/41/ns/net", "/proc/42/ns/net"} {
		held, err := s.Hold()
		if err != nil {
			t.Fatal(err)
		}
		held.Close()
		if got, err := os.Readlink(s.Link); err != nil || got != want {
			t.Errorf("%s, %v; want %s", got, err, want)
		}
		pid++
	}
	s.Ports = []ports.Mapping{{IP: netip.MustParseAddr("127.0.0.1"), Host: port(t), Container: 80, Protocol: "tcp"}}
	s.Running = func() ([]Published, error) { return []Published{{"side", s.Ports}, {"other", s.Ports}}, nil }
	if _, err := s.Hold(); err == nil || !strings.Contains(err.Error(), "in use by container other\nhint: ") {
		t.Errorf("a port of another container: %v", err)
	}
	pid = 0
	if _, err := s.Hold(); err == nil || !strings.Contains(err.Error(), "minirun start web") {
		t.Errorf("one that does not run: %v", err)
	}
}

// port returns a port that is in use until the end of the test.
func port(t *testing.T) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

// Sharing a network adds no hooks, shares the files in /etc, and sets no values of the other container.
func TestApplySharedNetwork(t *testing.T) {
	store := t.TempDir()
	h, _ := host("side")
	p, err := (&Flags{Request: network.Request{Networks: []string{"container:we"}}}).Plan("")
	if err != nil {
		t.Fatal(err)
	}
	if p.target, err = h.FindRunning("we"); err != nil {
		t.Fatal(err)
	}
	file := func(container, name string) string { return filepath.Join(store, "containers", container, name) }
	for _, name := range []string{"hostname", "hosts"} {
		if err := os.MkdirAll(file("web", ""), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file("web", name), []byte("webhost\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c := &specs.Spec{Linux: &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: specs.NetworkNamespace}},
		Sysctl: map[string]string{"net.ipv4.x": "0", "kernel.x": "1"}}}
	if err := p.Apply(c, &Directory{Networks: network.Store{Dir: store}, Name: "side", File: file, Warn: h.Warn}); err != nil {
		t.Fatal(err)
	}
	if c.Hostname != "webhost" || c.Linux.Namespaces[0].Path != file("side", LinkName) || len(c.Linux.Sysctl) != 1 || c.Hooks != nil ||
		len(c.Mounts) != 2 || c.Mounts[1].Source != file("web", "hosts") {
		text, _ := json.Marshal(c)
		t.Errorf("%s", text)
	}
}
