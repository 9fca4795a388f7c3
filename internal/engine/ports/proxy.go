package ports

import (
	"errors"
	"io"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// This file forwards what the firewall's rules do not: connections over IPv6 to a container that
// only has an IPv4 address, and those that come from ::1, for which the kernel has no
// route_localnet. It does not use package net, which cmd/minirun does not link.

// Serve forwards connections to the address that target returns, until the sockets are closed.
func (h *Held) Serve(target func() netip.Addr) {
	for _, s := range h.sockets {
		if s.Protocol == "tcp" {
			go h.accept(s, target)
		} else {
			go (&relay{heldSocket: s, target: target, clients: map[netip.AddrPort]*os.File{}}).run()
		}
	}
}

// accept forwards the connections to one port.
func (h *Held) accept(s heldSocket, target func() netip.Addr) {
	for {
		client, err := acceptOne(s.file)
		if err == nil {
			go forward(client, netip.AddrPortFrom(target(), s.Container))
			continue
		}
		select {
		case <-h.done:
			return
		case <-time.After(acceptPause): // too many open files, for example
		}
	}
}

const (
	acceptPause = 100 * time.Millisecond
	dialLimit   = 30 * time.Second
)

// acceptOne waits for a connection.
func acceptOne(listener *os.File) (*os.File, error) {
	raw, err := listener.SyscallConn()
	if err != nil {
		return nil, err
	}
	var fd int
	var failure error
	err = raw.Read(func(l uintptr) bool {
		fd, _, failure = unix.Accept4(int(l), unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
		return !errors.Is(failure, unix.EAGAIN)
	})
	if err = errors.Join(err, failure); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "client"), nil
}

// forward copies between a client and a container until both directions end.
func forward(client *os.File, to netip.AddrPort) {
	defer client.Close()
	server, err := connect(unix.SOCK_STREAM, to)
	if err != nil {
		return
	}
	defer server.Close()
	finished := make(chan struct{})
	go func() {
		copyUntilEnd(client, server)
		close(finished)
	}()
	copyUntilEnd(server, client)
	<-finished
}

// copyUntilEnd copies one direction of a connection, and passes its end on.
func copyUntilEnd(to, from *os.File) {
	_, err := io.Copy(to, from)
	how := unix.SHUT_WR
	if err != nil { // one side is gone: end the other direction, too
		how = unix.SHUT_RDWR
	}
	shutdown(to, how)
	if err != nil {
		shutdown(from, how)
	}
}

func shutdown(f *os.File, how int) {
	if raw, err := f.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), how) })
	}
}

// connect connects to an address.
func connect(kind int, to netip.AddrPort) (*os.File, error) {
	if !to.Addr().IsValid() { // the container is not connected
		return nil, unix.EHOSTUNREACH
	}
	family := unix.AF_INET
	if to.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	err = unix.Connect(fd, socketAddress(to))
	f := os.NewFile(uintptr(fd), to.String())
	if errors.Is(err, unix.EINPROGRESS) {
		err = awaitConnection(f)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// awaitConnection waits until connect(2) has finished.
func awaitConnection(f *os.File) error {
	if err := f.SetDeadline(time.Now().Add(dialLimit)); err != nil {
		return err
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failure error
	err = raw.Write(func(fd uintptr) bool {
		var code int
		code, failure = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		if failure == nil && code != 0 {
			failure = unix.Errno(code)
		}
		_, unconnected := unix.Getpeername(int(fd))
		return failure != nil || unconnected == nil
	})
	return errors.Join(err, failure, f.SetDeadline(time.Time{}))
}
