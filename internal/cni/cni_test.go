package cni

import (
	"encoding/binary"
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParseResult(t *testing.T) {
	const answer = `{"cniVersion":"0.4.0","interfaces":[{"name":"br","mac":"a"},{"name":"veth1","mac":"b"},
		{"name":"eth0","mac":"02:00:00:00:00:01","sandbox":"/run/x"}],
		"ips":[{"version":"4","interface":2,"address":"10.5.0.7/24","gateway":"10.5.0.1"},
		{"version":"6","interface":2,"address":"fd00::2/64","gateway":"fd00::1"}]}`
	r, err := parseResult([]byte(answer), "eth0")
	if err != nil || r.MAC != "02:00:00:00:00:01" || len(r.Addresses) != 2 || r.Addresses[0].String() != "10.5.0.7/24" ||
		r.Gateway.String() != "10.5.0.1" {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := parseResult([]byte(`{"ips":[{"address":"10.5.0.7"}]}`), "eth0"); err == nil {
		t.Errorf("%+v", r)
	}
}

func TestRemoveMessage(t *testing.T) {
	m := removeMessage("mr-0123456789ab")
	if len(m)%unix.RTA_ALIGNTO != 0 || int(binary.NativeEndian.Uint32(m)) != len(m) {
		t.Errorf("%d bytes: % x", len(m), m)
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root: it asks the kernel to remove a device")
	}
	if err := RemoveDevice("mr-none-such"); err != nil {
		t.Errorf("a device that does not exist: %v", err)
	}
	if err := RemoveDevice("lo"); !errors.Is(err, unix.EOPNOTSUPP) {
		t.Errorf("lo: %v", err)
	}
}
