package sshagent

import (
	"encoding/binary"
	"fmt"
	"io"

	"golang.org/x/crypto/ssh"
)

// Message types: draft-ietf-sshm-ssh-agent, section 6.1.
const (
	failure     = 5
	listRequest = 11
	listAnswer  = 12
	signRequest = 13
	signAnswer  = 14
	extension   = 27
	maxMessage  = 256 << 10 // as in OpenSSH
)

// sessionBind reports to an agent which host a connection is to. Keys that ssh-add -h
// restricted to some hosts need it. It affects only the connection.
const sessionBind = "session-bind@openssh.com"

// isAllowed reports whether a build may send a message to an agent. Messages that add, remove
// or lock keys are not allowed.
func isAllowed(message []byte) bool {
	switch message[0] {
	case listRequest, signRequest:
		return true
	case extension:
		var e struct {
			Name string
			Rest []byte `ssh:"rest"`
		}
		return ssh.Unmarshal(message[1:], &e) == nil && e.Name == sessionBind
	}
	return false
}

// relayMessages answers a client's messages until the client closes the connection. Messages that are
// not allowed get a failure, the others the result of request.
func relayMessages(client io.ReadWriter, request func(message []byte) ([]byte, error)) error {
	for {
		message, err := readMessage(client)
		if err != nil {
			return err
		}
		answer := []byte{failure}
		if isAllowed(message) {
			if answer, err = request(message); err != nil {
				return err
			}
		}
		if err := writeMessage(client, answer); err != nil {
			return err
		}
	}
}

// readMessage reads a message, which has at least a type byte.
func readMessage(r io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n == 0 || n > maxMessage {
		return nil, fmt.Errorf("a message of %d bytes", n)
	}
	message := make([]byte, n)
	_, err := io.ReadFull(r, message)
	return message, err
}

func writeMessage(w io.Writer, message []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(message))), message...))
	return err
}

// newForwarder returns a function that sends requests to the agent at the other end.
func newForwarder(server io.ReadWriter) func([]byte) ([]byte, error) {
	return func(message []byte) ([]byte, error) {
		if err := writeMessage(server, message); err != nil {
			return nil, err
		}
		return readMessage(server)
	}
}
