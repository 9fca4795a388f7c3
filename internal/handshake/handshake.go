// Package handshake defines the conversation between minirun and the new process:
// which questions a plan may ask its parent, and in which order.
//
//	new process                         parent (package container)
//	-----------                         --------------------------
//	Scope ──────────────────────────▶   has systemd create the cgroup for it
//	unshare(CLONE_NEWUSER)
//	MapIDs ─────────────────────────▶   writes uid_map, gid_map, setgroups
//	unshare(CLONE_NEWTIME)
//	TimeOffsets ────────────────────▶   writes timens_offsets
//	clone(CLONE_PARENT)
//	Cloned(pid) ────────────────────▶   continues with that process
//	NetDevices ─────────────────────▶   moves network devices of the host in
//	mounts …
//	Target(root, question) ─────────▶   reads the links that a mount's target leads through
//	CopyUp(from, to) ───────────────▶   copies a directory into a new tmpfs
//	Console(master) ────────────────▶   fetches the terminal's descriptor
//	Mounted ────────────────────────▶   hooks: prestart, createRuntime
//	hooks: createContainer
//	pivot_root …
//	Ready ──────────────────────────▶   rlimits, HOME; the container is created
//	(waits for start, if that is a separate command)
//	hooks: startContainer
//	SeccompListener(fd) ────────────▶   hands it to the profile's listenerPath
//	execve
//
// A process of exec asks Scope, Cloned, Console, Ready and SeccompListener.
//
// HookFailed is sent after any hook inside the container fails, and then the process
// exits. NoProgram is sent if the program cannot be executed, before Ready or after
// it. A plan asks only what its configuration needs. Every question waits for an
// answer of one byte (Ready: of HOME; Target: rootfs.TargetAnswer), so when the parent
// dies the process exits instead of continuing unprepared.
package handshake

import "github.com/minirun/minirun/internal/plan"

// The points of the conversation.
const (
	MapIDs uint32 = iota + 1
	TimeOffsets
	Cloned // A: pid of the sibling that continues
	NetDevices
	CopyUp // A: descriptor of the directory, B: descriptor of the tmpfs's mount
	Mounted
	Console // A: descriptor of the terminal's master
	Ready
	SeccompListener // A: descriptor of the listener
	HookFailed      // A: its wait status or TimedOut, B: which; the process exits, no answer is awaited
	Scope
	Full      // the cgroup accepts no more processes: the parent moves this one out of it
	NoProgram // A: minus the errno; the process waits to be killed, no answer is awaited
	Target    // A: descriptor of the root, B: rootfs.TargetQuestion
)

// TimedOut is what HookFailed reports for a hook that exceeded its timeout. No wait
// status has this bit.
const TimedOut = 1 << 32

// Name returns a point's name for error messages and traces.
func Name(point uint32) string {
	names := [...]string{
		"", "map ids", "time offsets", "cloned", "network devices", "copy up", "mounted", "console", "ready",
		"seccomp listener", "hook failed", "scope", "full", "no program", "target",
	}
	if int(point) < len(names) {
		return names[point]
	}
	return "unknown"
}

// Parent adds questions to a plan.
type Parent struct {
	b    *plan.Builder
	ack  plan.Arg
	gone plan.Label
}

// New returns a Parent for the plan that b builds.
func New(b *plan.Builder) *Parent {
	return &Parent{b: b, ack: b.Room(8), gone: b.Label()}
}

// Ask adds the steps that send m and wait for the answer.
func (p *Parent) Ask(why string, m plan.Message) {
	p.AskInto(why, m, p.ack, 8)
}

// AskInto is Ask with room for an answer of up to size bytes.
func (p *Parent) AskInto(why string, m plan.Message, room plan.Arg, size int) {
	name := Name(m.Point)
	p.b.Tell("tell the parent: "+name, why, m)
	p.b.Await("wait for the parent: "+name, "without an answer the process must not continue", room, size, p.gone)
}

// Gone is the label to which a step jumps when the parent has died.
func (p *Parent) Gone() plan.Label { return p.gone }

// End adds the step that exits the process when its parent has died. It is the last
// step of a plan, after execve.
func (p *Parent) End() {
	p.b.In(plan.Sync, "")
	p.b.Place(p.gone)
	p.b.Add(plan.Op{Name: "exit: the parent is gone"}, plan.ExitGroup, plan.Int(1))
}
