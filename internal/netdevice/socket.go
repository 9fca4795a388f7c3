package netdevice

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/ownthread"
)

// A socket speaks rtnetlink with the kernel, for the network namespace in which it was
// created.
type socket struct {
	fd        int
	namespace *os.File
	sequence  uint32
	changed   bool // the list changed while the kernel produced it
}

// answerSeconds limits how long the kernel may take to answer. It answers while the
// request is being sent.
const answerSeconds = 10

// openSocket creates a socket in the calling thread's network namespace.
func openSocket() (*socket, error) {
	namespace, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, err
	}
	s := &socket{fd: -1, namespace: namespace}
	if s.fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE); err == nil {
		err = unix.SetsockoptTimeval(s.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: answerSeconds})
	}
	if err != nil {
		s.close()
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	// Both are optional: the kernel then lists the addresses of one device only, and
	// describes the error in a request.
	_ = unix.SetsockoptInt(s.fd, unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1)
	_ = unix.SetsockoptInt(s.fd, unix.SOL_NETLINK, unix.NETLINK_EXT_ACK, 1)
	return s, nil
}

// openSocketIn creates a socket in the network namespace of a namespace file or a
// pidfd. The thread that enters it for this never runs other code.
func openSocketIn(namespace int) (s *socket, err error) {
	err = ownthread.Run(func() (err error) {
		if err = unix.Setns(namespace, unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter the container's network namespace: %w", err)
		}
		s, err = openSocket()
		return err
	})
	return s, err
}

func (s *socket) close() {
	if s.fd >= 0 {
		_ = unix.Close(s.fd)
	}
	s.namespace.Close()
}

// send makes one change.
func (s *socket) send(r request) error {
	flags := uint16(unix.NLM_F_ACK)
	if r.kind == unix.RTM_NEWADDR || r.kind == unix.RTM_NEWROUTE {
		flags |= unix.NLM_F_CREATE | unix.NLM_F_EXCL
	}
	err := s.exchange(r.kind, flags, r.body, nil)
	if r.optional || r.exists && errors.Is(err, unix.EEXIST) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", r.action, err)
	}
	return nil
}

// sendAll makes changes up to the first one that fails.
func (s *socket) sendAll(requests []request) error {
	for _, r := range requests {
		if err := s.send(r); err != nil {
			return err
		}
	}
	return nil
}

// sendEach makes all changes that can be made.
func (s *socket) sendEach(requests []request) error {
	var failed []error
	for _, r := range requests {
		failed = append(failed, s.send(r))
	}
	return errors.Join(failed...)
}

// link finds a device by its name. Without one the error is ENODEV.
func (s *socket) link(name string) (l link, err error) {
	return s.get(attributeText(linkBody(0, 0, 0), unix.IFLA_IFNAME, name))
}

// get finds the device that the body of a request names.
func (s *socket) get(body []byte) (l link, err error) {
	err = s.exchange(unix.RTM_GETLINK, unix.NLM_F_ACK, body, func(answer []byte) error {
		l, err = parseLink(answer)
		return err
	})
	return l, err
}

// listRounds limits how often a list that changes meanwhile is requested again.
const listRounds = 100

// dump calls each with every answer to a list request. The kernel returns a long list
// in several parts; if it changes between them, an entry may be missing.
func (s *socket) dump(kind uint16, body []byte, each func([]byte) error) error {
	for range listRounds {
		var answers [][]byte
		err := s.exchange(kind, unix.NLM_F_DUMP, body, func(answer []byte) error {
			answers = append(answers, slices.Clone(answer))
			return nil
		})
		if err != nil {
			return err
		}
		if s.changed {
			continue
		}
		for _, answer := range answers {
			if err := each(answer); err != nil {
				return err
			}
		}
		return nil
	}
	return errors.New("the list changes faster than it can be read")
}

// exchange sends a request and reads its answers until the last one.
func (s *socket) exchange(kind, flags uint16, body []byte, each func([]byte) error) error {
	s.sequence++
	s.changed = false
	message := binary.NativeEndian.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(body)))
	message = binary.NativeEndian.AppendUint16(message, kind)
	message = binary.NativeEndian.AppendUint16(message, flags|unix.NLM_F_REQUEST)
	message = binary.NativeEndian.AppendUint32(message, s.sequence)
	message = append(binary.NativeEndian.AppendUint32(message, 0), body...)
	// write(2) and read(2) instead of sendto(2) and recvmsg(2), with which the linker
	// keeps every kind of socket address: 100 KiB that each start of minirun would
	// map.
	if _, err := unix.Write(s.fd, message); err != nil {
		return fmt.Errorf("send to netlink: %w", err)
	}
	buffer := make([]byte, 64<<10) // the kernel's largest answer is half of it
	for {
		n, err := unix.Read(s.fd, buffer)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if n == len(buffer) {
			err = errMalformed // truncated
		}
		if err != nil {
			return fmt.Errorf("receive from netlink: %w", err)
		}
		if last, err := s.answers(buffer[:n], each); err != nil || last {
			return err
		}
	}
}

// answers processes the messages of one datagram, and reports whether the last one of
// the exchange is among them.
func (s *socket) answers(datagram []byte, each func([]byte) error) (last bool, err error) {
	for len(datagram) >= unix.SizeofNlMsghdr {
		size, kind := int(binary.NativeEndian.Uint32(datagram)), binary.NativeEndian.Uint16(datagram[4:])
		if size < unix.SizeofNlMsghdr || size > len(datagram) {
			return false, errMalformed
		}
		body := datagram[unix.SizeofNlMsghdr:size]
		flags, ours := binary.NativeEndian.Uint16(datagram[6:]), binary.NativeEndian.Uint32(datagram[8:]) == s.sequence
		datagram = datagram[min(align(size), len(datagram)):]
		s.changed = s.changed || ours && flags&unix.NLM_F_DUMP_INTR != 0
		switch {
		case !ours: // of an exchange that failed halfway
		case kind == unix.NLMSG_DONE, kind == unix.NLMSG_ERROR:
			return true, parseError(body, kind)
		case each != nil:
			if err := each(body); err != nil {
				return false, err
			}
		}
	}
	return false, nil
}

// parseError returns the error of a message that ends an exchange: an errno, 0 for
// success, and possibly the kernel's message for it.
func parseError(body []byte, kind uint16) error {
	if len(body) < 4 {
		return nil // an end without a status
	}
	errno := int32(binary.NativeEndian.Uint32(body))
	if errno == 0 || kind == unix.NLMSG_DONE && errno > 0 {
		return nil
	}
	text := ""
	if kind == unix.NLMSG_ERROR && len(body) >= 4+unix.SizeofNlMsghdr {
		rest := body[4+unix.SizeofNlMsghdr:]
		if own := int(binary.NativeEndian.Uint32(body[4:])) - unix.SizeofNlMsghdr; own > 0 && own <= len(rest) {
			rest = rest[min(align(own), len(rest)):] // after the request itself
		}
		_ = eachAttribute(rest, func(kind uint16, value []byte) {
			if kind == unix.NLMSGERR_ATTR_MSG {
				text = unix.ByteSliceToString(value)
			}
		})
	}
	if text != "" {
		return fmt.Errorf("%w (%s)", unix.Errno(-errno), text)
	}
	return unix.Errno(-errno)
}
