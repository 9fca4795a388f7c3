package spec

// This file validates process: the same for the first process of a container and, as a
// separate document, for exec.

import (
	"math"
	"path"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/spec/strictjson"
)

// validateProcess checks the process at prefix, "" if it is the whole document.
func validateProcess(p *problems, prefix string, proc *specs.Process) {
	in := func(field string) string { return field }
	if prefix != "" {
		in = func(field string) string { return prefix + "." + field }
	}
	if proc.ConsoleSize != nil {
		validateConsoleSize(p, in("consoleSize"), proc)
	}
	validateUser(p, in("user"), &proc.User)
	if len(proc.Args) == 0 {
		p.Bad(in("args"), "must have at least one entry, the program to run", "")
	}
	checkStrings(p, in("args"), proc.Args)
	if proc.CommandLine != "" {
		p.Warn(in("commandLine"), "is for Windows and has no effect on Linux")
	}
	for i, e := range proc.Env {
		if strings.IndexByte(e, '=') < 1 {
			p.Bad(entry(in("env"), i), "must be NAME=value", quote(e))
		}
	}
	checkStrings(p, in("env"), proc.Env)
	if !path.IsAbs(proc.Cwd) {
		p.Bad(in("cwd"), "must be an absolute path", quote(proc.Cwd))
	}
	checkPath(p, in("cwd"), proc.Cwd)
	if proc.Capabilities != nil {
		validateCapabilities(p, in("capabilities"), proc.Capabilities)
	}
	validateRlimits(p, in("rlimits"), proc.Rlimits)
	checkLine(p, in("apparmorProfile"), proc.ApparmorProfile)
	checkLine(p, in("selinuxLabel"), proc.SelinuxLabel)
	if v := proc.OOMScoreAdj; v != nil && (*v < -1000 || *v > 1000) {
		p.Bad(in("oomScoreAdj"), "must be from -1000 to 1000", itoa(*v))
	}
	if proc.Scheduler != nil {
		validateScheduler(p, in("scheduler"), proc.Scheduler)
	}
	if io := proc.IOPriority; io != nil {
		if _, ok := IOPriorityClass(io.Class); !ok {
			p.Bad(in("ioPriority.class"), "must be IOPRIO_CLASS_RT, IOPRIO_CLASS_BE or IOPRIO_CLASS_IDLE",
				quote(string(io.Class)))
		}
		if io.Priority < 0 || io.Priority > 7 {
			p.Bad(in("ioPriority.priority"), "must be from 0 to 7", itoa(io.Priority))
		}
	}
	if a := proc.ExecCPUAffinity; a != nil {
		if a.Initial != "" {
			checkList(p, in("execCPUAffinity.initial"), a.Initial, "CPU")
		}
		if a.Final != "" {
			checkList(p, in("execCPUAffinity.final"), a.Final, "CPU")
		}
	}
}

func validateConsoleSize(p *problems, prefix string, proc *specs.Process) {
	if !proc.Terminal {
		p.Note(prefix, "has no effect without process.terminal")
		return
	}
	const max = math.MaxUint16 // struct winsize has 16 bits for each
	if h := proc.ConsoleSize.Height; h > max {
		p.Bad(prefix+".height", "must be from 0 to 65535", utoa(h))
	}
	if w := proc.ConsoleSize.Width; w > max {
		p.Bad(prefix+".width", "must be from 0 to 65535", utoa(w))
	}
}

func validateUser(p *problems, prefix string, u *specs.User) {
	validateID(p, prefix+".uid", u.UID)
	validateID(p, prefix+".gid", u.GID)
	if u.Umask != nil && *u.Umask > 0o777 {
		p.Bad(prefix+".umask", "must be from 0 to 511 (octal 777)", utoa(*u.Umask))
	}
	for i, gid := range u.AdditionalGids {
		validateID(p, entry(prefix+".additionalGids", i), gid)
	}
	if u.Username != "" {
		p.Warn(prefix+".username", "is for Windows and has no effect on Linux")
	}
}

// validateID refuses the ID that the kernel treats as "no change" (setresuid(2)).
func validateID(p *problems, path string, id uint32) {
	if id == math.MaxUint32 {
		p.Bad(path, "must be from 0 to 4294967294", utoa(id))
	}
}

// validateProcessIDs checks that a new user namespace maps the IDs of the process:
// setresuid(2) and setgroups(2) would return EINVAL in the middle of the set-up.
func validateProcessIDs(p *problems, s *specs.Spec) {
	ns := namespace(s.Linux, specs.UserNamespace)
	if ns == nil || ns.Path != "" || len(s.Linux.UIDMappings) == 0 || len(s.Linux.GIDMappings) == 0 {
		return // no mappings, or reported with linux.uidMappings
	}
	u := &s.Process.User
	if !mapped(s.Linux.UIDMappings, u.UID) {
		p.Bad("process.user.uid", "must be mapped by linux.uidMappings", utoa(u.UID))
	}
	if !mapped(s.Linux.GIDMappings, u.GID) {
		p.Bad("process.user.gid", "must be mapped by linux.gidMappings", utoa(u.GID))
	}
	for i, gid := range u.AdditionalGids {
		if !mapped(s.Linux.GIDMappings, gid) {
			p.Bad(entry("process.user.additionalGids", i), "must be mapped by linux.gidMappings", utoa(gid))
		}
	}
}

// validateCapabilities applies the rules of capset(2). A name that is not a capability
// is a warning, as the specification requires, and is ignored.
func validateCapabilities(p *problems, prefix string, c *specs.LinuxCapabilities) {
	warnUnknown(p, prefix+".bounding", c.Bounding)
	warnUnknown(p, prefix+".effective", c.Effective)
	warnUnknown(p, prefix+".inheritable", c.Inheritable)
	warnUnknown(p, prefix+".permitted", c.Permitted)
	warnUnknown(p, prefix+".ambient", c.Ambient)
	subset := func(set string, names []string, of uint64, why string) {
		for i, name := range names {
			if n, known := Capability(name); known && of&(1<<n) == 0 {
				p.Bad(entry(prefix+"."+set, i), why, quote(name))
			}
		}
	}
	subset("effective", c.Effective, capabilitySet(c.Permitted), "must also be in permitted")
	subset("inheritable", c.Inheritable, capabilitySet(c.Bounding), "must also be in bounding")
	raisable := capabilitySet(c.Permitted) & capabilitySet(c.Inheritable)
	for i, name := range c.Ambient {
		if n, known := Capability(name); known && raisable&(1<<n) == 0 {
			// runc and crun start such a container without it.
			p.Warn(entry(prefix+".ambient", i), name+" is not raised: it must also be in permitted and inheritable")
		}
	}
}

// capabilitySet returns the bits of the known capabilities.
func capabilitySet(names []string) (set uint64) {
	for _, name := range names {
		if n, ok := Capability(name); ok {
			set |= 1 << n
		}
	}
	return set
}

func warnUnknown(p *problems, list string, names []string) {
	for i, name := range names {
		checkText(p, entry(list, i), name)
		if _, ok := Capability(name); !ok {
			p.Warn(entry(list, i), quote(name)+" is not a capability known here and is not granted")
		}
	}
}

func validateRlimits(p *problems, list string, limits []specs.POSIXRlimit) {
	var seen strictjson.KeySet
	for i, r := range limits {
		if _, ok := Rlimit(r.Type); !ok {
			p.Bad(entry(list, i)+".type", "must be a resource of getrlimit(2) such as RLIMIT_NOFILE", quote(r.Type))
		}
		if !seen.Add(r.Type) {
			p.Bad(entry(list, i)+".type", "must not be given twice", quote(r.Type))
		}
		if r.Soft > r.Hard {
			p.Bad(entry(list, i)+".soft", "must not be greater than hard, "+utoa(r.Hard), utoa(r.Soft))
		}
	}
}

// validateScheduler applies the rules of sched_setattr(2).
func validateScheduler(p *problems, prefix string, s *specs.Scheduler) {
	if _, ok := SchedulerPolicy(s.Policy); !ok {
		p.Bad(prefix+".policy", "must be a policy of sched(7) such as SCHED_OTHER", quote(string(s.Policy)))
		return
	}
	if s.Policy == specs.SchedISO {
		p.Bad(prefix+".policy", "must be a policy that Linux implements", quote(string(s.Policy)))
	}
	if s.Nice < -20 || s.Nice > 19 {
		p.Bad(prefix+".nice", "must be from -20 to 19", itoa(s.Nice))
	}
	realtime := s.Policy == specs.SchedFIFO || s.Policy == specs.SchedRR
	if realtime && (s.Priority < 1 || s.Priority > 99) {
		p.Bad(prefix+".priority", "must be from 1 to 99 for "+string(s.Policy), itoa(s.Priority))
	}
	if !realtime && s.Priority != 0 {
		p.Bad(prefix+".priority", "must be 0 for "+string(s.Policy)+": only SCHED_FIFO and SCHED_RR have one",
			itoa(s.Priority))
	}
	for i, f := range s.Flags {
		if _, ok := SchedulerFlag(f); !ok {
			p.Bad(entry(prefix+".flags", i), "must be a flag of sched_setattr(2) such as SCHED_FLAG_RESET_ON_FORK",
				quote(string(f)))
		}
	}
	if s.Policy == specs.SchedDeadline {
		validateDeadline(p, prefix, s)
		return
	}
	for _, f := range []struct {
		name  string
		value uint64
	}{{"runtime", s.Runtime}, {"deadline", s.Deadline}, {"period", s.Period}} {
		if f.value != 0 {
			p.Bad(prefix+"."+f.name, "must be 0 for "+string(s.Policy)+": only SCHED_DEADLINE has one", utoa(f.value))
		}
	}
}

// validateDeadline checks runtime <= deadline <= period, in nanoseconds; a period of 0
// means the deadline. Values of 2^63 and more would be negative in the kernel, and a
// runtime below 1024 ns is below its resolution.
func validateDeadline(p *problems, prefix string, s *specs.Scheduler) {
	const limit = 1 << 63
	switch {
	case s.Runtime < 1024 || s.Runtime >= limit:
		p.Bad(prefix+".runtime", "must be from 1024 to 9223372036854775807 for SCHED_DEADLINE", utoa(s.Runtime))
	case s.Deadline < s.Runtime || s.Deadline >= limit:
		p.Bad(prefix+".deadline", "must be from runtime, "+utoa(s.Runtime)+", to 9223372036854775807", utoa(s.Deadline))
	case s.Period != 0 && (s.Period < s.Deadline || s.Period >= limit):
		p.Bad(prefix+".period", "must be 0 or from deadline, "+utoa(s.Deadline)+", to 9223372036854775807",
			utoa(s.Period))
	}
}
