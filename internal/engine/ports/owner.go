package ports

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// portOwner returns the name and the PID of the process that has a port, or "" if it cannot be
// found, for example because it is in another PID namespace.
func portOwner(m Mapping) string {
	var inodes []string
	for _, table := range []string{m.Protocol, m.Protocol + "6"} {
		text, err := os.ReadFile("/proc/net/" + table)
		if err == nil {
			inodes = append(inodes, matchingSockets(string(text), m)...)
		}
	}
	if len(inodes) == 0 {
		return ""
	}
	return socketOwner(inodes)
}

const listening = "0A" // TCP_LISTEN

// matchingSockets returns the inodes of the sockets in a table of /proc/net that have a port, see
// proc_net_tcp.rst of the kernel (pure).
func matchingSockets(table string, m Mapping) (inodes []string) {
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 10 || m.Protocol == "tcp" && fields[3] != listening {
			continue
		}
		local, err := parseLocal(fields[1])
		if err != nil || local.Port() != m.Host {
			continue
		}
		ip := local.Addr()
		// A socket of [::] usually has the port for IPv4, too.
		if ip == m.IP || ip.IsUnspecified() || m.IP.IsUnspecified() && (ip.Is4() == m.IP.Is4()) {
			inodes = append(inodes, fields[9])
		}
	}
	return inodes
}

// parseLocal parses an address of /proc/net: words of 32 bits in the byte order of the host, in
// hexadecimal, then the port.
func parseLocal(text string) (netip.AddrPort, error) {
	address, port, _ := strings.Cut(text, ":")
	var bytes []byte
	for ; len(address) >= 8; address = address[8:] {
		word, err := strconv.ParseUint(address[:8], 16, 32)
		if err != nil {
			return netip.AddrPort{}, err
		}
		bytes = binary.NativeEndian.AppendUint32(bytes, uint32(word))
	}
	ip, _ := netip.AddrFromSlice(bytes)
	n, err := strconv.ParseUint(port, 16, 16)
	return netip.AddrPortFrom(ip.Unmap(), uint16(n)), err
}

// socketOwner returns the first process that has one of the sockets open.
func socketOwner(inodes []string) string {
	var targets []string
	for _, inode := range inodes {
		targets = append(targets, "socket:["+inode+"]")
	}
	files, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, file := range files {
		target, err := os.Readlink(file)
		if err != nil || !slices.Contains(targets, target) {
			continue
		}
		pid := strings.Split(file, "/")[2]
		name, err := os.ReadFile("/proc/" + pid + "/comm")
		if err == nil {
			return fmt.Sprintf("%s (pid %s)", strings.TrimSpace(string(name)), pid)
		}
	}
	return ""
}
