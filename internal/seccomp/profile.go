// profile.go checks a profile and translates its keywords to the kernel's values.
// After that the only possible error in a profile is its size.

package seccomp

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// profile is a checked specs.LinuxSeccomp.
type profile struct {
	defaultRet uint32 // SECCOMP_RET_*
	archs      []*arch
	rules      []rule
	flags      uint
	notify     bool
}

// rule is one entry of syscalls.
type rule struct {
	ret   uint32 // SECCOMP_RET_*
	names []string
	// alternatives: the rule applies if all conditions of one of them hold. A rule
	// without args has none.
	alternatives [][]cond
}

type operator uint8

// The order is the order of precedence, see compareConds.
const (
	equal operator = iota
	notEqual
	maskedEqual
	less
	lessEqual
	greaterEqual
	greater
)

// cond compares one argument of a call with a value.
type cond struct {
	arg   uint8 // 0 to 5
	op    operator
	value uint64
	mask  uint64 // only for maskedEqual: (argument & mask) == value
}

// The largest errno that a system call can return (MAX_ERRNO), and the largest message
// that a tracer can receive (SECCOMP_RET_DATA).
const (
	maxErrno   = 4095
	maxMessage = 0xffff
)

func parse(p *specs.LinuxSeccomp, native specs.Arch) (*profile, error) {
	prof := &profile{}
	var err error
	if prof.defaultRet, err = verdict(p.DefaultAction, p.DefaultErrnoRet, "defaultAction",
		"defaultErrnoRet"); err != nil {
		return nil, fmt.Errorf("linux.seccomp.%w", err)
	}
	if p.DefaultAction == specs.ActNotify {
		// No agent could answer for the calls that hand over the listener.
		return nil, fmt.Errorf("linux.seccomp.defaultAction: %s cannot be used as default action: "+
			"the container would wait for an agent that is not connected yet", specs.ActNotify)
	}
	if prof.archs, err = parseArchs(p.Architectures, native); err != nil {
		return nil, err
	}
	prof.rules = make([]rule, len(p.Syscalls))
	for i := range p.Syscalls {
		if prof.rules[i], err = parseRule(&p.Syscalls[i], i); err != nil {
			return nil, err
		}
		prof.notify = prof.notify || p.Syscalls[i].Action == specs.ActNotify
	}
	if err := checkListener(p, prof.notify); err != nil {
		return nil, err
	}
	prof.flags, err = parseFlags(p.Flags, prof.notify)
	return prof, err
}

// checkListener requires an agent for SCMP_ACT_NOTIFY. Conversely, a listenerPath that
// no rule uses is ignored, as the specification requires.
func checkListener(p *specs.LinuxSeccomp, notify bool) error {
	if p.ListenerPath != "" {
		return nil
	}
	if notify {
		return fmt.Errorf("linux.seccomp.listenerPath: not set, but a rule has the action %s: "+
			"these calls would wait forever", specs.ActNotify)
	}
	if p.ListenerMetadata != "" {
		return fmt.Errorf("linux.seccomp.listenerMetadata: must not be set without listenerPath")
	}
	return nil
}

// verdict returns the value that a filter returns for an action. Its errors begin with
// the name of the field.
func verdict(action specs.LinuxSeccompAction, errnoRet *uint, actionField, errnoField string) (uint32, error) {
	var ret uint32
	var limit uint
	switch action {
	case specs.ActKill, specs.ActKillThread:
		ret = unix.SECCOMP_RET_KILL_THREAD
	case specs.ActKillProcess:
		ret = unix.SECCOMP_RET_KILL_PROCESS
	case specs.ActTrap:
		ret = unix.SECCOMP_RET_TRAP
	case specs.ActErrno:
		ret, limit = unix.SECCOMP_RET_ERRNO, maxErrno
	case specs.ActTrace:
		ret, limit = unix.SECCOMP_RET_TRACE, maxMessage
	case specs.ActNotify:
		ret = unix.SECCOMP_RET_USER_NOTIF
	case specs.ActLog:
		ret = unix.SECCOMP_RET_LOG
	case specs.ActAllow:
		ret = unix.SECCOMP_RET_ALLOW
	case "":
		return 0, fmt.Errorf("%s: not set", actionField)
	default:
		return 0, fmt.Errorf("%s: unknown action %q", actionField, action)
	}
	switch {
	case limit == 0 && errnoRet != nil:
		return 0, fmt.Errorf("%s: %s returns no errno", errnoField, action)
	case limit == 0:
		return ret, nil
	case errnoRet == nil:
		return ret | uint32(unix.EPERM), nil
	case *errnoRet > limit:
		return 0, fmt.Errorf("%s: %d is out of range, the largest is %d", errnoField, *errnoRet, limit)
	}
	return ret | uint32(*errnoRet), nil
}

// parseArchs returns the architectures of the filter, the native one first: most calls
// are made for it.
func parseArchs(names []specs.Arch, native specs.Arch) ([]*arch, error) {
	first := archNamed(native)
	if first == nil {
		return nil, fmt.Errorf("linux.seccomp: seccomp filters are not supported on this machine's architecture %q",
			native)
	}
	list := []*arch{first}
next:
	for i, name := range names {
		a := archNamed(name)
		if a == nil {
			return nil, fmt.Errorf("linux.seccomp.architectures[%d]: unknown architecture %q", i, name)
		}
		if a.isLittleEndian() != first.isLittleEndian() {
			return nil, fmt.Errorf("linux.seccomp.architectures[%d]: %s has another byte order than this machine's %s",
				i, name, native)
		}
		for _, b := range list {
			if a == b {
				continue next
			}
		}
		list = append(list, a)
	}
	return list, nil
}

func parseRule(s *specs.LinuxSyscall, i int) (r rule, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("linux.seccomp.syscalls[%d].%w", i, err)
		}
	}()
	if len(s.Names) == 0 {
		return r, fmt.Errorf("names: must have at least one entry")
	}
	for j, name := range s.Names {
		if name == "" {
			return r, fmt.Errorf("names[%d]: empty", j)
		}
		if name == "write" && s.Action == specs.ActNotify {
			// The container writes to its parent when the listener can be fetched.
			return r, fmt.Errorf("names[%d]: %s cannot be used for the write syscall: "+
				"the agent receives its descriptor only after a write", j, s.Action)
		}
	}
	r.names = s.Names
	if r.ret, err = verdict(s.Action, s.ErrnoRet, "action", "errnoRet"); err != nil {
		return r, err
	}
	r.alternatives, err = parseArgs(s.Args)
	return r, err
}

func parseArgs(args []specs.LinuxSeccompArg) ([][]cond, error) {
	if len(args) == 0 {
		return nil, nil
	}
	conds := make([]cond, len(args))
	var seen [6]bool
	repeated := false
	for i := range args {
		c, err := parseArg(&args[i])
		if err != nil {
			return nil, fmt.Errorf("args[%d].%w", i, err)
		}
		repeated = repeated || seen[c.arg]
		seen[c.arg] = true
		conds[i] = c
	}
	if !repeated {
		// The order of the comparisons has no meaning; a fixed order makes equal rules
		// look equal.
		slices.SortFunc(conds, func(x, y cond) int { return cmp.Compare(x.arg, y.arg) })
		return [][]cond{conds}, nil
	}
	// libseccomp accepts one comparison per argument and rule, so runc and crun
	// convert such an entry to one rule for each comparison: they are ORed.
	alternatives := make([][]cond, len(conds))
	for i := range conds {
		alternatives[i] = conds[i : i+1]
	}
	return alternatives, nil
}

// parseArg's errors begin with the name of the field.
func parseArg(a *specs.LinuxSeccompArg) (cond, error) {
	c := cond{arg: uint8(a.Index), value: a.Value}
	if a.Index > 5 {
		return c, fmt.Errorf("index: %d is out of range, a system call has the arguments 0 to 5", a.Index)
	}
	switch a.Op {
	case specs.OpEqualTo:
		c.op = equal
	case specs.OpNotEqual:
		c.op = notEqual
	case specs.OpLessThan:
		c.op = less
	case specs.OpLessEqual:
		c.op = lessEqual
	case specs.OpGreaterEqual:
		c.op = greaterEqual
	case specs.OpGreaterThan:
		c.op = greater
	case specs.OpMaskedEqual:
		// Bits outside the mask are ignored, on either side (seccomp_rule_add(3)).
		c.op, c.mask, c.value = maskedEqual, a.Value, a.ValueTwo&a.Value
	case "":
		return c, fmt.Errorf("op: not set")
	default:
		return c, fmt.Errorf("op: unknown operator %q", a.Op)
	}
	return c, nil
}

// flagTSYNC is not one of the constants of runtime-spec, but is in its text.
const flagTSYNC specs.LinuxSeccompFlag = "SECCOMP_FILTER_FLAG_TSYNC"

// FlagBit returns the SECCOMP_FILTER_FLAG_* bit of a flag that a profile can name.
func FlagBit(name specs.LinuxSeccompFlag) (bit uint, ok bool) {
	switch name {
	case flagTSYNC:
		return unix.SECCOMP_FILTER_FLAG_TSYNC, true
	case specs.LinuxSeccompFlagLog:
		return unix.SECCOMP_FILTER_FLAG_LOG, true
	case specs.LinuxSeccompFlagSpecAllow:
		return unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, true
	case specs.LinuxSeccompFlagWaitKillableRecv:
		return unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, true
	}
	return 0, false
}

func parseFlags(names []specs.LinuxSeccompFlag, notify bool) (uint, error) {
	var flags uint
	if names == nil {
		// As in crun and newer runc: without the flag, a filter enables the SSB
		// mitigation on some processors and slows down every thread. An empty list
		// means no flag at all.
		flags = unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW
	}
	for i, name := range names {
		bit, ok := FlagBit(name)
		if !ok {
			return 0, fmt.Errorf("linux.seccomp.flags[%d]: unknown flag %q", i, name)
		}
		// It determines how a call waits for the agent. The kernel refuses it without
		// a listener (EINVAL), where nothing ever waits.
		if bit == unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV && !notify {
			continue
		}
		flags |= bit
	}
	if notify {
		flags |= unix.SECCOMP_FILTER_FLAG_NEW_LISTENER
		if flags&unix.SECCOMP_FILTER_FLAG_TSYNC != 0 {
			// Both return a value, a descriptor and a thread: the kernel accepts them
			// together only if a failure to synchronize is ESRCH instead.
			flags |= unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH
		}
	}
	return flags, nil
}

// Actions lists the actions that a profile can name, sorted.
func Actions() []string {
	return []string{string(specs.ActAllow), string(specs.ActErrno), string(specs.ActKill),
		string(specs.ActKillProcess), string(specs.ActKillThread),
		string(specs.ActLog), string(specs.ActNotify), string(specs.ActTrace), string(specs.ActTrap)}
}

// Operators lists the comparisons that a profile can name, sorted.
func Operators() []string {
	return []string{string(specs.OpEqualTo), string(specs.OpGreaterEqual), string(specs.OpGreaterThan),
		string(specs.OpLessEqual),
		string(specs.OpLessThan), string(specs.OpMaskedEqual), string(specs.OpNotEqual)}
}

// Flags lists the filter flags that a profile can name, sorted.
func Flags() []string {
	return []string{string(specs.LinuxSeccompFlagLog), string(specs.LinuxSeccompFlagSpecAllow), string(flagTSYNC),
		string(specs.LinuxSeccompFlagWaitKillableRecv)}
}
