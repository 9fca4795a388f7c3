package spec

// This file validates linux.sysctl: which kernel parameters belong to a namespace. Any
// other one would change the host.

import (
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// SysctlPath translates a key of linux.sysctl to a path below /proc/sys. Keys are
// written with dots, or with slashes as in the path; whichever comes first is the
// separator and the other one is its counterpart (sysctl.d(5)):
// net.ipv4.conf.eth0/1.forwarding and net/ipv4/conf/eth0.1/forwarding are the same. ok
// is false for a key that does not name a file there.
func SysctlPath(k string) (path string, ok bool) {
	if i := strings.IndexAny(k, "./"); i >= 0 && k[i] == '.' {
		k = strings.Map(func(r rune) rune {
			switch r {
			case '.':
				return '/'
			case '/':
				return '.'
			}
			return r
		}, k)
	}
	for part := range strings.SplitSeq(k, "/") {
		if part == "" || part == "." || part == ".." || strings.IndexByte(part, 0) >= 0 {
			return "", false
		}
	}
	return k, true
}

// sysctlNamespace returns the type of the namespace that a kernel parameter belongs
// to.
func sysctlNamespace(path string) (t specs.LinuxNamespaceType, ok bool) {
	switch path {
	case "kernel/msgmax", "kernel/msgmnb", "kernel/msgmni", "kernel/sem", "kernel/shmall",
		"kernel/shmmax", "kernel/shmmni", "kernel/shm_rmid_forced":
		return specs.IPCNamespace, true
	case "kernel/domainname":
		return specs.UTSNamespace, true
	}
	switch {
	case strings.HasPrefix(path, "fs/mqueue/"):
		return specs.IPCNamespace, true
	case strings.HasPrefix(path, "net/"):
		return specs.NetworkNamespace, true
	case strings.HasPrefix(path, "user/"): // limits for the namespace and those below it
		return specs.UserNamespace, true
	}
	return "", false
}

// NetworkSysctl returns the first key of linux.sysctl that sets a parameter of the
// network namespace, or "".
func NetworkSysctl(l *specs.Linux) string {
	for _, k := range sortedKeys(l.Sysctl) {
		path, _ := SysctlPath(k)
		if t, _ := sysctlNamespace(path); t == specs.NetworkNamespace {
			return k
		}
	}
	return ""
}

func validateSysctl(p *problems, s *specs.Spec) {
	l := s.Linux
	for _, k := range sortedKeys(l.Sysctl) {
		at := Key("linux.sysctl", k)
		checkText(p, at, l.Sysctl[k])
		path, ok := SysctlPath(k)
		if !ok {
			p.Bad(at, "must be the name of a kernel parameter such as net.ipv4.ip_forward", quote(k))
			continue
		}
		if path == "kernel/hostname" {
			p.Bad(at, "must not be given: use hostname", "")
			continue
		}
		if path == "kernel/domainname" && s.Domainname != "" {
			p.Bad(at, "must not be given together with domainname, which sets the same parameter", "")
			continue
		}
		t, ok := sysctlNamespace(path)
		switch {
		case !ok:
			p.Bad(at, "must be a kernel parameter of a namespace: this one would change the host", "")
		case namespace(l, t) == nil:
			p.Bad(at, "needs "+article(t)+" "+string(t)+" namespace in linux.namespaces: it would change the host", "")
		}
	}
}

func article(t specs.LinuxNamespaceType) string {
	if t == specs.IPCNamespace {
		return "an"
	}
	return "a"
}
