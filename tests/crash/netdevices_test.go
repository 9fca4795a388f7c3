package crash

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/crash/tracer"
	"github.com/minirun/minirun/tests/testbundle"
)

// TestKillKeepsNetworkDevices kills create before and after each of its messages to the kernel about
// a network device, and each update of its record. The namespace to which the device is moved
// outlives the container. After `delete --force` the device must be on the host again as it was,
// unless the container was created: in that case it belongs to its namespace.
func TestKillKeepsNetworkDevices(t *testing.T) {
	testbundle.Need(t)
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("needs ip(8) of iproute2")
	}
	runtime.LockOSThread() // never unlocked: the thread ends with the test
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	n := newNetworks(t)
	h := newHost(t, func(s *specs.Spec) {
		s.Linux.NetDevices = map[string]specs.LinuxNetDevice{"v0": {Name: "x0"}}
		testbundle.With(specs.NetworkNamespace, n.joined.Path())(s)
	})
	v, step := verbCalled("create"), 5
	if full {
		step = 1
	}
	killed, created := 0, 0
	for at := 1; ; at += step {
		where := h.killAtCall(v, at, unix.SYS_WRITE, unix.SYS_READ, unix.SYS_SETNS)
		record, _ := os.ReadFile(filepath.Join(h.State(), "state.json"))
		handedOver := strings.Contains(string(record), `"socket"`) && !strings.Contains(string(record), `"networkNamespace"`)
		h.gone(fmt.Sprintf("create killed at boundary %d, %s", at, where))
		if handedOver {
			created++
			n.bringBack()
		}
		if after := n.facts(); after != n.before {
			t.Fatalf("killed at boundary %d, %s: before:\n%s\nafter:\n%s", at, where, n.before, after)
		}
		if where == "" {
			break
		}
		killed++
	}
	if killed < 10 || created == 0 {
		t.Errorf("killed at %d boundaries; %d times after the container was created and before the device was returned", killed, created)
	}
	t.Logf("killed at %d boundaries, %d of them after the container was created", killed, created)
}

// killAtCall is like killAt, but counts only the boundaries of some system calls.
func (h *host) killAtCall(v *verb, n int, calls ...uint64) (where string) {
	h.t.Helper()
	boundaries := 0
	outcome, text := h.traced(false, func(s *tracer.Stop) tracer.Verdict {
		counts := false
		for _, c := range calls {
			counts = counts || c == s.Call
		}
		if s.Init || !counts {
			return tracer.Verdict{}
		}
		if boundaries++; boundaries != n {
			return tracer.Verdict{}
		}
		where = boundary(s)
		return tracer.Verdict{Kill: true}
	}, h.words(v.args)...)
	if where == "" && (!outcome.Status.Exited() || outcome.Status.ExitStatus() != 0) {
		h.t.Errorf("%s, traced but not killed: %v: %s", v.name, describe(outcome.Status), text)
	}
	return where
}

// networks holds the network namespace of the test, which represents the host's and has the device
// v0, and that of a process, which a container joins.
type networks struct {
	t      *testing.T
	joined *testbundle.NetworkNamespace
	before string
}

var deviceSetUp = []string{
	"addr add 10.0.0.1/24 dev v0", "addr add 10.0.0.2/24 dev v0", "addr add 10.3.0.1/24 scope link dev v0", "addr add fd00::1/64 nodad dev v0",
	"link set v0 up", "route add 192.168.7.0/24 via 10.0.0.9",
}

func newNetworks(t *testing.T) *networks {
	t.Helper()
	n := &networks{t: t, joined: testbundle.NewNetworkNamespace(t)}
	n.ip("link add v0 type veth peer name v1")
	n.ip("link set v1 up")
	n.setUp()
	n.before = n.facts()
	return n
}

func (n *networks) setUp() {
	for _, command := range deviceSetUp {
		n.ip(command)
	}
}

func (n *networks) ip(command string) string {
	n.t.Helper()
	out, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput()
	if err != nil {
		n.t.Fatalf("ip %s: %v: %s", command, err, out)
	}
	return string(out)
}

// carrier matches what the kernel sets some time after both ends of a pair are up.
var carrier = regexp.MustCompile(`NO-CARRIER,|,LOWER_UP| (state|qdisc) \S+`)

// facts describes the contents of both namespaces, without what changes over time.
func (n *networks) facts() string {
	var lines []string
	for _, text := range []string{n.ip("-o link"), n.ip("-o addr show scope global"), n.ip("-o addr show scope link"), n.ip("route"), n.joined.IP("-o", "link")} {
		for line := range strings.Lines(text) {
			if !strings.Contains(line, "fe80::") {
				line, _, _ = strings.Cut(line, "link-netns")
				lines = append(lines, strings.TrimSpace(carrier.ReplaceAllString(line, "")))
			}
		}
	}
	return strings.Join(lines, "\n")
}

// bringBack restores the host's side.
func (n *networks) bringBack() {
	n.t.Helper()
	n.joined.IP("link", "set", "x0", "netns", fmt.Sprint(unix.Gettid()), "name", "v0")
	n.setUp()
	n.before = n.facts() // the index has changed
}
