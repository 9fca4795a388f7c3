package predicate

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/minirun/minirun/internal/lab/scene"
	"github.com/minirun/minirun/internal/lab/words"
)

// arrives connects to the container's address or to a port of the host, and asks whether the connection
// reaches the container: its table of TCP sockets has a new one, and the answer has a text.
type arrives struct {
	scene.Of `yaml:",inline"`
	At       string     `yaml:"at"` // container: an address that it has; host: an address of the host
	Port     portNumber `yaml:"port"`
	Listens  portNumber `yaml:"listens"` // the port in the container; the same one without it
	Returns  string     `yaml:"returns"`
}

// A portNumber is also read from a text, as a random value is.
type portNumber int

// UnmarshalYAML implements yaml.Unmarshaler.
func (n *portNumber) UnmarshalYAML(node *yaml.Node) error {
	value, err := strconv.ParseUint(node.Value, 10, 16)
	if err != nil {
		return fmt.Errorf("%q is not a port", node.Value)
	}
	*n = portNumber(value)
	return nil
}

// connectPatience is how long a connection, and an answer, may take.
const connectPatience = 2 * time.Second

func (a *arrives) Holds(ctx context.Context, s *scene.Scene) (*scene.Failure, error) {
	p, failure := a.Find(s)
	if failure != nil {
		return failure, nil
	}
	if a.Listens == 0 {
		a.Listens = a.Port
	}
	addresses, err := a.addresses(p)
	if err != nil {
		return nil, err
	}
	port := strconv.Itoa(int(a.Port))
	expected := words.New("a connection to port %s of the host reaches the container, and returns %q", port, a.Returns)
	if a.At == "container" {
		expected = words.New("a connection to port %s of the container's address reaches it, and returns %q", port, a.Returns)
	}
	if len(addresses) == 0 {
		return scene.Fail(expected, words.New("the container has no address except 127.0.0.1"),
			"nsenter -t %d -n ip addr", p.PID)
	}
	var first words.Text
	for _, ip := range addresses {
		found, err := a.attempt(ctx, p, net.JoinHostPort(ip, port))
		if err != nil || found.Format == "" {
			return nil, err
		}
		if first.Format == "" {
			first = found
		}
	}
	return scene.Fail(expected, first, "busybox wget -O - http://%s", net.JoinHostPort(addresses[0], port))
}

// addresses returns the IPv4 addresses to which to connect.
func (a *arrives) addresses(p *scene.Process) (list []string, err error) {
	switch a.At {
	case "container":
		text, err := os.ReadFile(p.Proc("net/fib_trie"))
		if err != nil {
			return nil, err
		}
		return parseLocalAddresses(string(text)), nil
	case "host":
		text, err := os.ReadFile("/proc/thread-self/net/fib_trie")
		if err != nil {
			return nil, err
		}
		return append([]string{"127.0.0.1"}, parseLocalAddresses(string(text))...), nil
	}
	return nil, fmt.Errorf("arrives: at: %q is not container or host", a.At)
}

// parseLocalAddresses returns the local addresses in a /proc/net/fib_trie, without those of the loopback
// network: a line "|-- ADDRESS" that is followed by "/32 host LOCAL".
func parseLocalAddresses(text string) (list []string) {
	address, seen := "", map[string]bool{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if ip, ok := strings.CutPrefix(line, "|-- "); ok {
			address = ip
		}
		if line == "/32 host LOCAL" && !strings.HasPrefix(address, "127.") && !seen[address] {
			seen[address] = true
			list = append(list, address)
		}
	}
	return list
}

// attempt connects once. It returns no text if the connection reached the container.
func (a *arrives) attempt(ctx context.Context, p *scene.Process, where string) (found words.Text, err error) {
	before, err := connections(p, int(a.Listens))
	if err != nil {
		return found, err
	}
	d := net.Dialer{Timeout: connectPatience}
	c, err := d.DialContext(ctx, "tcp4", where)
	if err != nil {
		return words.New("%v", err), nil
	}
	defer func() { _ = c.Close() }()
	for deadline := time.Now().Add(connectPatience); ; time.Sleep(scene.PollInterval) {
		now, err := connections(p, int(a.Listens))
		if err != nil {
			return found, err
		}
		if hasNew(before, now) {
			break
		}
		if time.Now().After(deadline) {
			return words.New("%s accepts it, but nothing arrives at port %d of the container", where, int(a.Listens)), nil
		}
	}
	_ = c.SetDeadline(time.Now().Add(connectPatience))
	if _, err := io.WriteString(c, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		return words.New("%v", err), nil
	}
	data, _ := io.ReadAll(io.LimitReader(c, scene.LongestFile)) // what arrived before an error counts
	if !strings.Contains(string(data), a.Returns) {
		return words.New("%s returns %q", where, scene.Shorten(string(data))), nil
	}
	return found, nil
}

// connections returns the TCP connections of a process's network namespace that have this port at their
// local end (proc_pid_net(5)).
func connections(p *scene.Process, port int) (map[string]bool, error) {
	all := map[string]bool{}
	for _, name := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile(p.Proc(path.Join("net", name)))
		if err != nil && !(name == "tcp6" && errors.Is(err, os.ErrNotExist)) {
			return nil, err
		}
		parseConnections(string(text), port, all)
	}
	return all, nil
}

// listening is the state of a socket that has no other end.
const listening = "0A"

// parseConnections adds the two ends of each connection in a /proc/net/tcp to a set.
func parseConnections(text string, port int, to map[string]bool) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 4 || fields[3] == listening {
			continue
		}
		_, local, _ := strings.Cut(fields[1], ":")
		number, err := hex.DecodeString(local)
		if err == nil && len(number) == 2 && int(number[0])<<8|int(number[1]) == port {
			to[fields[1]+" "+fields[2]] = true
		}
	}
}

func hasNew(before, now map[string]bool) bool {
	for c := range now {
		if !before[c] {
			return true
		}
	}
	return false
}
