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

// addSSHMount mounts a socket of the builder with the requested owner and mode, since only the
// agent's user may connect to the agent's own socket. Package sshagent restricts what a step
// may request from the agent.
func (r *stepRun) addSSHMount(i int, m *graph.Mount) error {
	id := m.ID
	if id == "" {
		id = "default"
	}
	agent, ok := r.step.SSH[id]
	if !ok {
		if m.Required {
			return fmt.Errorf(
				"the SSH agent %s is required but was not given\nhint: build with --ssh %s, --ssh %s=SOCKET or --ssh %s=KEY",
				id, id, id, id,
			)
		}
		return nil
	}
	// The thread has its own working directory: a socket address holds at most 107 bytes.
	if err := unix.Chdir(r.bundle("ssh")); err != nil {
		return &os.PathError{Op: "chdir", Path: r.bundle("ssh"), Err: err}
	}
	number := strconv.Itoa(i)
	socket, err := net.ListenUnix("unix", &net.UnixAddr{Name: number, Net: "unix"})
	if err != nil {
		return err
	}
	socket.SetUnlinkOnClose(false)
	r.agents = append(r.agents, socket)
	path := r.bundle("ssh", number)
	if err := setOwnerAndMode(path, m, 0o600); err != nil {
		return err
	}
	target := m.Target
	if target == "" {
		target = "/run/buildkit/ssh_agent." + strconv.Itoa(len(r.agents)-1)
	}
	r.addBind(bindSource{path: path, target: target, isFile: true})
	if !hasVariable(r.spec.Process.Env, "SSH_AUTH_SOCK") {
		r.spec.Process.Env = append(r.spec.Process.Env, "SSH_AUTH_SOCK="+target)
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
