package testbundle

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// This file evaluates the description that the probe's word "seize" prints of a process that it has
// stopped.

// CapNames lists the names of the capabilities by their numbers.
var CapNames = strings.Fields(`CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID CAP_SETPCAP
	CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_ADMIN CAP_NET_RAW CAP_IPC_LOCK CAP_IPC_OWNER CAP_SYS_MODULE CAP_SYS_RAWIO
	CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_NICE CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD
	CAP_LEASE CAP_AUDIT_WRITE CAP_AUDIT_CONTROL CAP_SETFCAP CAP_MAC_OVERRIDE CAP_MAC_ADMIN CAP_SYSLOG CAP_WAKE_ALARM CAP_BLOCK_SUSPEND
	CAP_AUDIT_READ CAP_PERFMON CAP_BPF CAP_CHECKPOINT_RESTORE`)

// Excess compares what a stopped process had with what it may have: capabilities in caps, IDs in ids,
// the container's root, and no descriptors except the socket to minirun and the working directory,
// which is the root.
func Excess(found string, caps []string, ids ...string) (out []string) {
	var allowed uint64
	for _, name := range caps {
		allowed |= 1 << slices.Index(CapNames, name)
	}
	for _, word := range strings.Fields(strings.TrimPrefix(found, "in the set-up: ")) {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb":
			if mask, err := strconv.ParseUint(value, 16, 64); err != nil || mask&^allowed != 0 {
				out = append(out, word)
			}
		case "Uid", "Gid":
			for id := range strings.SplitSeq(value, ",") {
				if !slices.Contains(ids, id) {
					out = append(out, word)
				}
			}
		case "Groups", "Seccomp", "NoNewPrivs":
		case "fd":
			if value != "socket" && value != "root" {
				out = append(out, word)
			}
		default:
			out = append(out, word) // "another root", descriptors that cannot be read
		}
	}
	return out
}

// SpiedOn returns for how many processes a test lets a spy watch: MINIRUN_SPY, or a sample.
func SpiedOn(t testing.TB) int {
	n, err := strconv.Atoi(os.Getenv("MINIRUN_SPY"))
	if err != nil {
		n = 60
	}
	if testing.Short() {
		n = 10
	}
	t.Logf("%d processes for each spy (set MINIRUN_SPY to change the number)", n)
	return n
}
