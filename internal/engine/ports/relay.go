package ports

import (
	"errors"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A relay forwards the datagrams to one UDP port. Each client gets a separate socket, so that
// answers find their way back.
type relay struct {
	heldSocket
	target func() netip.Addr

	mutex   sync.Mutex
	clients map[netip.AddrPort]*os.File
}

const (
	relayIdle  = time.Minute // a client without datagrams is forgotten
	maxClients = 1024
	maxPacket  = 1 << 16
)

// run forwards datagrams until the socket is closed.
func (r *relay) run() {
	buffer := make([]byte, maxPacket)
	for {
		n, from, err := receive(r.file, buffer)
		if errors.Is(err, os.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(acceptPause)
			continue
		}
		if server := r.server(from); server != nil {
			_, _ = server.Write(buffer[:n]) // datagrams may be lost
		}
	}
}

// server returns the socket for a client's datagrams, or nil.
func (r *relay) server(client netip.AddrPort) *os.File {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if f := r.clients[client]; f != nil {
		return f
	}
	if len(r.clients) >= maxClients {
		return nil
	}
	f, err := connect(unix.SOCK_DGRAM, netip.AddrPortFrom(r.target(), r.Container))
	if err != nil {
		return nil
	}
	r.clients[client] = f
	go r.answer(client, f)
	return f
}

// answer sends the container's datagrams to a client.
func (r *relay) answer(client netip.AddrPort, server *os.File) {
	defer func() {
		r.mutex.Lock()
		delete(r.clients, client)
		r.mutex.Unlock()
		server.Close()
	}()
	buffer := make([]byte, maxPacket)
	for {
		if err := server.SetReadDeadline(time.Now().Add(relayIdle)); err != nil {
			return
		}
		n, err := server.Read(buffer)
		if err != nil {
			return
		}
		raw, err := r.file.SyscallConn()
		if err != nil {
			return
		}
		err = raw.Control(func(fd uintptr) {
			_ = unix.Sendto(int(fd), buffer[:n], unix.MSG_DONTWAIT, socketAddress(client))
		})
		if err != nil { // the container has exited
			return
		}
	}
}

// receive waits for a datagram.
func receive(f *os.File, buffer []byte) (n int, from netip.AddrPort, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, from, err
	}
	var name unix.Sockaddr
	var failure error
	err = raw.Read(func(fd uintptr) bool {
		n, name, failure = unix.Recvfrom(int(fd), buffer, 0)
		return !errors.Is(failure, unix.EAGAIN)
	})
	switch a := name.(type) {
	case *unix.SockaddrInet4:
		from = netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		from = netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port))
	}
	return n, from, errors.Join(err, failure)
}
