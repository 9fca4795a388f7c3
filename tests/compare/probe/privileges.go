// The privileges of the process: credentials, capabilities, seccomp, securebits, keyring,
// personality, scheduling.
package main

import (
	"fmt"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// statusFields lists the lines of /proc/self/status that do not change from run to run.
var statusFields = map[string]bool{
	"Name": true, "Umask": true, "TracerPid": true, "Uid": true, "Gid": true, "Groups": true, "NSpid": true, "NSpgid": true, "NSsid": true, "NStgid": true,
	"SigPnd": true, "ShdPnd": true, "SigBlk": true, "SigIgn": true, "SigCgt": true, "CapInh": true, "CapPrm": true, "CapEff": true, "CapBnd": true, "CapAmb": true,
	"NoNewPrivs": true, "Seccomp": true, "Seccomp_filters": true, "Speculation_Store_Bypass": true, "SpeculationIndirectBranch": true,
	"Cpus_allowed_list": true, "Mems_allowed_list": true, "CoreDumping": true, "THP_enabled": true,
}

func (r report) privileges() {
	n := max(0, earlyStatusLen)
	for _, line := range strings.Split(string(earlyStatus[:n]), "\n") {
		name, value, _ := strings.Cut(line, ":")
		if !statusFields[name] {
			continue
		}
		if strings.HasPrefix(name, "NS") {
			value = processNumbers(value)
		}
		r.set("status."+name, strings.TrimSpace(value))
	}
	if n == 0 {
		r.set("status", "not read: /proc is not mounted or this architecture has no early entry")
	}
	r.set("uid", fmt.Sprint(unix.Getresuid()))
	r.set("gid", fmt.Sprint(unix.Getresgid()))
	groups, err := unix.Getgroups()
	r.set("groups", fmt.Sprint(groups, " ", outcome(err)))

	for name, option := range map[string]int{
		"dumpable": unix.PR_GET_DUMPABLE, "keepcaps": unix.PR_GET_KEEPCAPS, "securebits": unix.PR_GET_SECUREBITS,
		"timerslack": unix.PR_GET_TIMERSLACK, "thp_disable": unix.PR_GET_THP_DISABLE, "mce_kill": unix.PR_MCE_KILL_GET, "no_new_privs": unix.PR_GET_NO_NEW_PRIVS,
	} {
		value, err := unix.PrctlRetInt(option, 0, 0, 0, 0)
		r.set("prctl."+name, fmt.Sprint(value, " ", outcome(err)))
	}
	for name, option := range map[string]int{"pdeathsig": unix.PR_GET_PDEATHSIG, "child_subreaper": unix.PR_GET_CHILD_SUBREAPER} {
		var value int32
		err := unix.Prctl(option, uintptr(unsafe.Pointer(&value)), 0, 0, 0)
		r.set("prctl."+name, fmt.Sprint(value, " ", outcome(err)))
	}
	persona, _, errno := unix.RawSyscall(unix.SYS_PERSONALITY, 0xffffffff, 0, 0)
	r.set("personality", fmt.Sprintf("%#x errno %d", persona, errno))

	if ring, err := unix.KeyctlString(unix.KEYCTL_DESCRIBE, unix.KEY_SPEC_SESSION_KEYRING); err != nil {
		r.set("keyring.session", outcome(err))
	} else {
		r.set("keyring.session", strings.TrimRight(ring, "\x00"))
	}
}

// processNumbers returns how many PID namespaces deep the process is and the innermost PID if that is
// 1 or 0.
func processNumbers(value string) string {
	fields := strings.Fields(value)
	for i, f := range fields {
		if f != "0" && f != "1" {
			fields[i] = "N"
		}
	}
	return strings.Join(fields, " ")
}

func (r report) scheduling() {
	attr, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		r.set("sched.attr", outcome(err))
	} else {
		r.set("sched.policy", attr.Policy)
		r.set("sched.flags", attr.Flags)
		r.set("sched.nice", attr.Nice)
		r.set("sched.priority", attr.Priority)
		r.set("sched.deadline", fmt.Sprint(attr.Runtime, " ", attr.Deadline, " ", attr.Period))
	}
	ioprio, _, errno := unix.RawSyscall(unix.SYS_IOPRIO_GET, 1 /* IOPRIO_WHO_PROCESS */, 0, 0)
	r.set("ioprio", fmt.Sprintf("class %d level %d errno %d", ioprio>>13, ioprio&0x1fff, errno))
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		r.set("affinity", outcome(err))
	} else {
		var cpus []string
		for i := range 1024 {
			if set.IsSet(i) {
				cpus = append(cpus, fmt.Sprint(i))
			}
		}
		r.set("affinity", strings.Join(cpus, " "))
	}
	var mode int32
	var nodes [16]uint64
	_, _, errno = unix.RawSyscall6(unix.SYS_GET_MEMPOLICY, uintptr(unsafe.Pointer(&mode)), uintptr(unsafe.Pointer(&nodes)), 1024, 0, 0, 0)
	r.set("mempolicy", fmt.Sprintf("mode %d nodes %#x errno %d", mode, nodes[0], errno))
}

// calls tries system calls that a seccomp profile may filter; each is harmless and, without a filter,
// fails for a different reason.
func (r report) calls(names []string) {
	for _, name := range names {
		var errno unix.Errno
		switch name {
		case "getcwd-null":
			_, _, errno = unix.RawSyscall(unix.SYS_GETCWD, 0, 0, 0)
		case "mkdir-null":
			_, _, errno = unix.RawSyscall(sysMkdir, 0, 0, 0)
		case "chmod-null":
			_, _, errno = unix.RawSyscall(sysChmod, 0, 0, 0)
		case "mount-null":
			_, _, errno = unix.RawSyscall6(unix.SYS_MOUNT, 0, 0, 0, 0, 0, 0)
		case "unshare-user":
			_, _, errno = unix.RawSyscall(unix.SYS_UNSHARE, unix.CLONE_NEWUSER, 0, 0) // EINVAL: the process has threads
		case "personality-8":
			_, _, errno = unix.RawSyscall(unix.SYS_PERSONALITY, 8, 0, 0)
		case "personality-9":
			_, _, errno = unix.RawSyscall(unix.SYS_PERSONALITY, 9, 0, 0)
		case "setuid-0":
			_, _, errno = unix.RawSyscall(unix.SYS_SETUID, 0, 0, 0)
		case "unknown-nr":
			_, _, errno = unix.RawSyscall(9999, 0, 0, 0)
		default:
			fail("calls", fmt.Errorf("unknown %q", name))
		}
		if errno == 0 {
			r.set("call."+name, "ok")
		} else {
			r.set("call."+name, outcome(errno))
		}
	}
}
