// Package sshagent gives a build access to the keys of --ssh: those of a running agent, or
// those of key files, which it serves itself.
//
//	sshagent.go  Open, Agent: the agent of an --ssh, and connections to it
//	protocol.go  the messages, and which of them a build may send
//	keys.go      keys from files
//	socket.go    a socket for git and ssh
//
// A build may list keys and sign with them. It may not add, remove or lock keys: the agent
// belongs to the user, and the Dockerfile may be untrusted.
package sshagent

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
)

// An Agent is the agent for one --ssh.
type Agent struct {
	path string  // the socket of a running agent, or of another program if raw is set
	raw  bool    // bytes are forwarded unchanged
	keys keyring // from files; none if path is set

	mutex   sync.Mutex
	private *privateSocket // created by Socket
}

// Open returns an agent for the socket if that is the only path, or for the keys in the files.
// raw is for the sockets of programs that are not agents.
func Open(paths []string, raw bool) (*Agent, error) {
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if info.Mode()&os.ModeSocket == 0 {
			continue
		}
		if len(paths) > 1 {
			return nil, fmt.Errorf("%s is a socket, which must be the only path", path)
		}
		return &Agent{path: path, raw: raw}, nil
	}
	if raw {
		return nil, errors.New("raw=true needs a socket, not key files")
	}
	a := &Agent{}
	for _, path := range paths {
		key, err := readKey(path)
		if err != nil {
			return nil, fmt.Errorf("private key %s: %w", path, err)
		}
		a.keys = append(a.keys, key)
	}
	return a, nil
}

// Serve answers connections on a listener until it is closed.
func (a *Agent) Serve(l *net.UnixListener) {
	for {
		conn, err := l.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			go a.serveConn(conn)
		}
	}
}

// serveConn answers one connection. If there is no agent, it closes the connection, as if no
// process was listening.
func (a *Agent) serveConn(conn *net.UnixConn) {
	defer func() { _ = conn.Close() }()
	if a.keys != nil {
		// the error means that the client disconnected, or is not an SSH client
		_ = relayMessages(conn, a.keys.answer)
		return
	}
	server, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: a.path, Net: "unix"})
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	if a.raw {
		splice(conn, server)
		return
	}
	_ = relayMessages(conn, newForwarder(server))
}

// splice forwards data in both directions, each until its sender closes.
func splice(a, b *net.UnixConn) {
	var both sync.WaitGroup
	one := func(to, from *net.UnixConn) {
		_, _ = io.Copy(to, from)
		_ = to.CloseWrite()
	}
	both.Go(func() { one(a, b) })
	both.Go(func() { one(b, a) })
	both.Wait()
}
