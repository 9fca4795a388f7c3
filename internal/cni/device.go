package cni

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// RemoveDevice removes a network device of this host, such as a bridge. It is not an error if it
// does not exist.
func RemoveDevice(name string) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, removeMessage(name), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	buffer := make([]byte, unix.Getpagesize())
	n, _, err := unix.Recvfrom(fd, buffer, 0)
	if err != nil {
		return err
	}
	const errorCode = unix.SizeofNlMsghdr // where struct nlmsgerr begins
	if n < errorCode+4 {
		return fmt.Errorf("remove device %s: short answer of rtnetlink", name)
	}
	code := int32(binary.NativeEndian.Uint32(buffer[errorCode:]))
	if code == 0 || errors.Is(unix.Errno(-code), unix.ENODEV) {
		return nil
	}
	return fmt.Errorf("remove device %s: %w", name, unix.Errno(-code))
}

// removeMessage returns RTM_DELLINK for a device, see rtnetlink(7) (pure).
func removeMessage(name string) []byte {
	order := binary.NativeEndian
	value := append([]byte(name), 0)
	attribute := order.AppendUint16(nil, uint16(unix.SizeofRtAttr+len(value)))
	attribute = append(order.AppendUint16(attribute, unix.IFLA_IFNAME), value...)
	for len(attribute)%unix.RTA_ALIGNTO != 0 {
		attribute = append(attribute, 0)
	}
	body := append(make([]byte, unix.SizeofIfInfomsg), attribute...)
	m := order.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(body)))
	m = order.AppendUint16(m, unix.RTM_DELLINK)
	m = order.AppendUint16(m, unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	m = order.AppendUint32(m, 1) // sequence number
	m = order.AppendUint32(m, 0) // for the kernel
	return append(m, body...)
}
