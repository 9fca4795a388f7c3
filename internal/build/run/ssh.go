package run

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/build/graph"
)

// sshMount shows a socket of our own, with the owner and mode that are asked for,
// and forwards it to the agent's, which only its user may connect to.
func (j *job) sshMount(i int, m *graph.Mount) error {
	id := m.ID
	if id == "" {
		id = "default"
	}
	agent, ok := j.SSH[id]
	if !ok {
		if m.Required {
			return fmt.Errorf("the agent is required and was not given: give --ssh %s, or --ssh %s=SOCKET", id, id)
		}
		return nil
	}
	// The thread has a working directory of its own: a socket's name may have 107 bytes.
	if err := unix.Chdir(j.bundle("ssh")); err != nil {
		return &os.PathError{Op: "chdir", Path: j.bundle("ssh"), Err: err}
	}
	number := strconv.Itoa(i)
	socket, err := net.ListenUnix("unix", &net.UnixAddr{Name: number, Net: "unix"})
	if err != nil {
		return err
	}
	socket.SetUnlinkOnClose(false)
	j.agents = append(j.agents, socket)
	path := j.bundle("ssh", number)
	if err := owned(path, m, 0o600); err != nil {
		return err
	}
	target := m.Target
	if target == "" {
		target = "/run/buildkit/ssh_agent." + strconv.Itoa(len(j.agents)-1)
	}
	j.bind(path, target, false, true)
	if !hasVariable(j.spec.Process.Env, "SSH_AUTH_SOCK") {
		j.spec.Process.Env = append(j.spec.Process.Env, "SSH_AUTH_SOCK="+target)
	}
	go forward(socket, agent)
	return nil
}

func hasVariable(env []string, name string) bool {
	for _, e := range env {
		if strings.HasPrefix(e, name+"=") {
			return true
		}
	}
	return false
}

// forward connects whoever comes with the agent, until the listener is closed.
func forward(socket *net.UnixListener, agent string) {
	for {
		from, err := socket.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		to, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: agent, Net: "unix"})
		if err != nil { // the program sees that there is nobody
			_ = from.Close()
			continue
		}
		go splice(from, to)
	}
}

func splice(a, b *net.UnixConn) {
	var both sync.WaitGroup
	one := func(to, from *net.UnixConn) {
		_, _ = io.Copy(to, from)
		_ = to.CloseWrite()
	}
	both.Go(func() { one(a, b) })
	both.Go(func() { one(b, a) })
	both.Wait()
	_, _ = a.Close(), b.Close()
}
