package e2e

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// A manager plays the role of systemd and records the messages it receives, one per line. A barrier
// is released at once, or when the manager is closed.
type manager struct {
	t     *testing.T
	path  string
	lines chan string
	held  []int
	holds bool
}

func newManager(t *testing.T, b *testbundle.Bundle) *manager {
	t.Helper()
	m := &manager{t: t, path: filepath.Join(b.Host, "manager"), lines: make(chan string, 100)}
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	go func() {
		for {
			data, oob := make([]byte, 4096), make([]byte, 128)
			n, oobn, _, _, err := socket.ReadMsgUnix(data, oob)
			if err != nil {
				return
			}
			line := strings.TrimSuffix(string(data[:n]), "\n")
			if messages, _ := unix.ParseSocketControlMessage(oob[:oobn]); len(messages) == 1 {
				fds, _ := unix.ParseUnixRights(&messages[0])
				line += " with " + strconv.Itoa(len(fds)) + " descriptor"
				if m.holds {
					m.held = append(m.held, fds...)
				} else {
					closeFDs(fds)
				}
			}
			m.lines <- line
		}
	}()
	b.Env = append(b.Env, "NOTIFY_SOCKET="+m.path)
	return m
}

func closeFDs(fds []int) {
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}

// got returns what arrives within a short time.
func (m *manager) got() (lines []string) {
	for {
		select {
		case line := <-m.lines:
			lines = append(lines, line)
		case <-time.After(300 * time.Millisecond):
			return lines
		}
	}
}

// wants fails the test unless exactly one readiness message arrived.
func (m *manager) wants(pid string) {
	m.t.Helper()
	if got, want := m.got(), []string{"READY=1", "MAINPID=" + pid, "BARRIER=1 with 1 descriptor"}; !slices.Equal(got, want) {
		m.t.Errorf("the manager received %q, want %q", got, want)
	}
}

// notifying is a program that becomes ready when the host creates the file "ready", and that sends
// more messages than it is allowed to.
const notifying = `probe notify STATUS=begun "MAINPID=1" WATCHDOG=1 READY=0 XREADY=1 "READY=1x"
touch /host/begun; while [ ! -e /host/ready ]; do sleep 0.05; done
probe notify "STATUS=ready
READY=1
MAINPID=1"
touch /host/told; `

func notifyBundle(t *testing.T, end string) (*testbundle.Bundle, *manager) {
	t.Helper()
	b := testbundle.New(t, testbundle.Sh(notifying+end))
	addMount(specs.Mount{Destination: "/host", Source: b.Host, Options: []string{"bind"}})(b.Spec)
	b.Spec.Process.Env = append(b.Spec.Process.Env, "NOTIFY_SOCKET=/of/the/image")
	b.Write()
	return b, newManager(t, b)
}

func (m *manager) touch(b *testbundle.Bundle, name string) {
	m.t.Helper()
	if err := os.WriteFile(filepath.Join(b.Host, name), nil, 0o644); err != nil {
		m.t.Fatal(err)
	}
}

// TestRunForwardsReadinessOnce: run forwards readiness once, and no other message of the program; later
// messages do not block the program.
func TestRunForwardsReadinessOnce(t *testing.T) {
	b, m := notifyBundle(t, "i=0; while [ $i -lt 40 ]; do probe notify WATCHDOG=1 STOPPING=1 READY=1; i=$((i+1)); done; "+
		"[ $NOTIFY_SOCKET = /run/notify/notify.sock ] && touch /run/notify/x 2>/dev/null || exit 7")
	pidFile := filepath.Join(b.Host, "pid")
	cmd := b.Command("run", "--pid-file", pidFile, b.ID, b.Dir)
	b.Start(cmd)
	await(t, filepath.Join(b.Host, "begun"))
	if got := m.got(); len(got) > 0 {
		t.Errorf("before it is ready the manager received %q", got)
	}
	pid, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	m.touch(b, "ready")
	exits(t, cmd, 7)
	m.wants(string(pid))
}

// TestDetachedRunWaitsForReadiness: run --detach and start return when the program is ready and systemd
// has processed the message.
func TestDetachedRunWaitsForReadiness(t *testing.T) {
	for _, verb := range []string{"run", "start"} {
		t.Run(verb, func(t *testing.T) {
			b, m := notifyBundle(t, "exec sleep 1000")
			m.holds = true
			pidFile := filepath.Join(b.Host, "pid")
			cmd := b.Command("run", "--detach", "--pid-file", pidFile, b.ID, b.Dir)
			if verb == "start" {
				quiet(t, b.Command("create", "--pid-file", pidFile, b.ID, b.Dir))
				cmd = b.Command("start", b.ID)
			}
			b.Start(cmd)
			await(t, filepath.Join(b.Host, "begun"))
			m.touch(b, "ready")
			await(t, filepath.Join(b.Host, "told"))
			pid, _ := os.ReadFile(pidFile)
			m.wants(string(pid))
			if unix.Kill(cmd.Process.Pid, 0) != nil || ended(cmd.Process.Pid) {
				t.Error("minirun has not waited for the barrier")
			}
			closeFDs(m.held)
			exits(t, cmd, 0)
			b.Minirun("delete", "--force", b.ID).Exit(t, 0)
			testbundle.Reap()
		})
	}
}

// ended reports whether a child has exited and has not been reaped yet.
func ended(pid int) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(text), ") Z ")
}

// TestNotifyEndsWithContainer: a program that exits without being ready ends the wait, and a missing
// manager causes a warning.
func TestNotifyEndsWithContainer(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("exit 3"))
	newManager(t, b)
	b.Run().Exit(t, 3)
	b.Detach().Exit(t, 0)
	b.Minirun("delete", "--force", b.ID).Exit(t, 0)
	b.Env = append(b.Env, "NOTIFY_SOCKET=/no/such/socket")
	b.Spec.Process.Args = []string{"sh", "-c", "probe notify READY=1; sleep 0.3; exit 4"}
	r := b.Run()
	r.Exit(t, 4)
	if !strings.Contains(r.Stderr, "/no/such/socket") {
		t.Errorf("no warning of the missing socket: %s", r.Stderr)
	}
	testbundle.Reap()
}

// TestStartNeedsNotifySocketOfCreate: the container has no socket on which to report readiness.
func TestStartNeedsNotifySocketOfCreate(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("sleep", "1000"))
	b.Write()
	quiet(t, b.Command("create", b.ID, b.Dir))
	newManager(t, b)
	b.Minirun("start", b.ID).Fails(t, "NOTIFY_SOCKET", "created without it")
	if got := stateOf(t, b); got != specs.StateCreated {
		t.Errorf("the container is %s, want created", got)
	}
	b.Minirun("delete", "--force", b.ID).Exit(t, 0)
	testbundle.Reap()
}

// TestNotifyWithoutMountNamespace: a container in which the socket cannot be mounted starts as it
// does without a manager, with a warning from each command.
func TestNotifyWithoutMountNamespace(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("sleep", "1000"), without(specs.MountNamespace), testbundle.Writable, func(s *specs.Spec) {
		s.Mounts, s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = nil, nil, nil
	})
	newManager(t, b)
	b.Write()
	const warning = "NOTIFY_SOCKET has no effect"
	if r := b.Detach(); r.Status != 0 || !strings.Contains(r.Stderr, warning) {
		t.Errorf("run: status %d: %s", r.Status, r.Stderr)
	}
	b.Minirun("delete", "--force", b.ID).Exit(t, 0)
	createBundle(t, b)
	if r := b.Minirun("start", b.ID); r.Status != 0 || !strings.Contains(r.Stderr, warning) {
		t.Errorf("start: status %d: %s", r.Status, r.Stderr)
	}
	if got := stateOf(t, b); got != specs.StateRunning {
		t.Errorf("the container is %s", got)
	}
}

// TestNotifyInUserNamespace: users in the container can reach the socket, whose directory belongs to
// root.
func TestNotifyInUserNamespace(t *testing.T) {
	b := testbundle.New(t, userns, user(1000, 1000), testbundle.Args("probe", "notify", "READY=1"))
	if err := os.MkdirAll(b.Path("/run/notify"), 0o755); err != nil { // the container's root may not create it
		t.Fatal(err)
	}
	m := newManager(t, b)
	b.Run().Prints(t, "")
	if got := m.got(); len(got) != 3 {
		t.Errorf("the manager received %q", got)
	}
}
