// This file owns Value, one write into a cgroup, and the comparison of what
// was asked for with what the kernel says it has (pure).

package cgroups

// Value is one thing to write into a file of the container's cgroup.
type Value struct {
	// Controller names the hierarchy: "memory", "cpu"…; "" is the v2 tree
	// itself (files that belong to no controller).
	Controller string `json:"controller"`
	// V2 says that the file is in the v2 tree rather than a v1 hierarchy.
	V2 bool `json:"v2,omitempty"`
	// File is the file's name, e.g. "memory.limit_in_bytes".
	File string `json:"file"`
	// Value is written in one write(2).
	Value string `json:"value"`
	// Source is the JSON path that asked for it, e.g. linux.resources.memory.limit.
	Source string `json:"source"`
	// Verify is how the file, read back, is compared with Value.
	Verify Verify `json:"verify,omitempty"`
	// Late values would stop the runtime from forking into the cgroup (a
	// pids limit of 1); [Group.ApplyLate] writes them once the process is in.
	Late bool `json:"late,omitempty"`
	// Or is written instead if the kernel has no such file; it is for another
	// name of the same thing (blkio.weight, blkio.bfq.weight).
	Or *Value `json:"or,omitempty"`
	// Optional: a missing file is no error, since the kernel then already
	// behaves as asked.
	Optional bool `json:"optional,omitempty"`
	// SwapNext: the kernel may accept this value only after the next one
	// (memory limit and memory+swap limit, when both are raised).
	SwapNext bool `json:"swapNext,omitempty"`
	// Ceiling names a file whose number must not be above Value
	// (memory.checkBeforeUpdate); "" means no such check.
	Ceiling string `json:"ceiling,omitempty"`
	// Program is a device program (v2 has no device files); File is then
	// [DeviceProgram].
	Program []Insn `json:"-"`
}

// Verify is how a value read back is compared with the one written.
type Verify int

const (
	// VerifyText: equal but for surrounding white space.
	VerifyText Verify = iota
	// VerifyBytes: equal as numbers of bytes, rounded to pages as the kernel
	// does; -1, "max" and the v1 maximum are one value.
	VerifyBytes
	// VerifyList: equal as sets of CPUs or memory nodes ("0-1" is "0,1").
	VerifyList
	// VerifyLine: the file has a line per device or interface; the line with
	// the first word of Value has the remaining words of Value.
	VerifyLine
	// VerifyDevices: devices.list has exactly the rules of Value, one a line.
	// Nothing is written.
	VerifyDevices
	// VerifyNone: the file cannot be read, or reading it says nothing.
	VerifyNone
)
