// The state shown by /proc, the terminal and the namespaces.
package main

import (
	"fmt"
	"net"
	"sort"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

func (r report) kernelFiles() {
	for _, name := range []string{
		"cgroup", "uid_map", "gid_map", "setgroups", "oom_score_adj", "loginuid", "coredump_filter", "timens_offsets", "comm", "attr/current",
	} {
		text, err := readFile("/proc/self/" + name)
		if err != nil {
			text = outcome(err)
		}
		if name == "cgroup" {
			for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
				parts := strings.SplitN(line, ":", 3)
				if len(parts) == 3 {
					r.set("cgroup."+parts[1], parts[2])
				}
			}
			continue
		}
		r.set("proc."+name, strings.Join(strings.Fields(text), " "))
	}
	r.set("proc.exe", readlink("/proc/self/exe"))
	r.set("proc.root", readlink("/proc/self/root"))
	if auxv, err := readFile("/proc/self/auxv"); err == nil {
		for i := 0; i+16 <= len(auxv); i += 16 {
			entry := [2]uint64{word(auxv[i:]), word(auxv[i+8:])}
			if entry[0] == 23 { // AT_SECURE
				r.set("auxv.secure", entry[1])
			}
		}
	}
}

func word(s string) (w uint64) {
	for i := 7; i >= 0; i-- {
		w = w<<8 | uint64(s[i])
	}
	return w
}

func waitForSize() {
	for range 100 {
		if size, err := unix.IoctlGetWinsize(0, unix.TIOCGWINSZ); err == nil && size.Col != 0 {
			return
		}
		unix.Nanosleep(&unix.Timespec{Nsec: 1e7}, nil)
	}
}

func (r report) terminal() {
	for fd := range 3 {
		key := fmt.Sprintf("tty.%d", fd)
		termios, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		if err != nil {
			r.set(key, outcome(err))
			continue
		}
		r.set(key, fmt.Sprintf("iflag %o oflag %o cflag %o lflag %o", termios.Iflag, termios.Oflag, termios.Cflag, termios.Lflag))
		if size, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ); err == nil {
			r.set(key+".size", fmt.Sprintf("%dx%d", size.Col, size.Row))
		}
		group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
		r.set(key+".foreground", relative(group, unix.Getpid())+" "+outcome(err))
	}
	fd, err := unix.Open("/dev/tty", unix.O_RDWR|unix.O_CLOEXEC, 0)
	r.set("tty.controlling", outcome(err))
	if err == nil {
		unix.Close(fd)
	}
	if stat, err := readFile("/proc/self/stat"); err == nil {
		fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
		tty, _ := strconv.Atoi(fields[4])
		r.set("tty.nr", fmt.Sprintf("major %d has %v", tty>>8&0xfff, tty != 0))
	}
}

// namespaces reports the inode of each namespace; the harness converts it to "host", "own" or
// "joined".
func (r report) namespaces() {
	names, err := listDir("/proc/self/ns")
	if err != nil {
		r.set("ns", outcome(err))
	}
	for _, name := range names {
		r.set("ns."+name, readlink("/proc/self/ns/"+name))
	}
}

// networkDevices describes devices of the network namespace, given by name.
func (r report) networkDevices(names []string) {
	for _, name := range names {
		device, err := net.InterfaceByName(name)
		if err != nil {
			r.set("net.device."+name, "none")
			continue
		}
		state := "down"
		if device.Flags&net.FlagUp != 0 {
			state = "up"
		}
		r.set("net.device."+name, fmt.Sprintf("%s mtu %d %s", state, device.MTU, device.HardwareAddr))
		addresses, err := device.Addrs()
		if err != nil {
			r.set("net.addresses."+name, outcome(err))
			continue
		}
		var texts []string
		for _, a := range addresses {
			if text := a.String(); !strings.HasPrefix(text, "fe80:") { // added some time after the device is up
				texts = append(texts, text)
			}
		}
		sort.Strings(texts)
		r.set("net.addresses."+name, strings.Join(texts, " "))
	}
}

func (r report) identity() {
	var name unix.Utsname
	unix.Uname(&name)
	r.set("uts.nodename", unix.ByteSliceToString(name.Nodename[:]))
	r.set("uts.domainname", unix.ByteSliceToString(name.Domainname[:]))
	r.set("uts.machine", unix.ByteSliceToString(name.Machine[:]))

	interfaces, err := readFile("/proc/self/net/dev")
	if err != nil {
		r.set("net.interfaces", outcome(err))
		return
	}
	var names []string
	for _, line := range strings.Split(interfaces, "\n") {
		if name, _, ok := strings.Cut(line, ":"); ok {
			names = append(names, strings.TrimSpace(name))
		}
	}
	sort.Strings(names)
	r.set("net.interfaces", strings.Join(names, " "))
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		r.set("net.lo", outcome(err))
		return
	}
	defer unix.Close(socket)
	request, _ := unix.NewIfreq("lo")
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(socket), unix.SIOCGIFFLAGS, uintptr(unsafe.Pointer(request)))
	if errno != 0 {
		r.set("net.lo", outcome(errno))
		return
	}
	r.set("net.lo", fmt.Sprintf("flags %#x", request.Uint16()))
}
