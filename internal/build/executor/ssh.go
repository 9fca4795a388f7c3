package executor

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/build/graph"
)

// sshMount mounts a socket of the builder with the requested owner and mode, since only the
// agent's user may connect to the agent's own socket. Package sshagent restricts what a step
// may request from the agent.
func (j *job) sshMount(i int, m *graph.Mount) error {
	id := m.ID
	if id == "" {
		id = "default"
	}
	agent, ok := j.SSH[id]
	if !ok {
		if m.Required {
			return fmt.Errorf("the agent is required and was not given: give --ssh %s, or --ssh %s=SOCKET, or --ssh %s=KEY", id, id, id)
		}
		return nil
	}
	// The thread has its own working directory: a socket address holds at most 107 bytes.
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
	go agent.Serve(socket)
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
