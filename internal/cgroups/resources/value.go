package resources

import (
	"github.com/minirun/minirun/internal/cgroups/devices"
	"github.com/minirun/minirun/internal/cgroups/group"
)

// Value is one thing to write to a file of the container's cgroup.
type Value struct {
	// Controller names the hierarchy: "memory", "cpu"…; "" is the v2 tree
	// itself (files that belong to no controller).
	Controller string `json:"controller"`
	// V2 means that the file is in the v2 tree rather than a v1 hierarchy.
	V2 bool `json:"v2,omitempty"`
	// File is the file's name, e.g. "memory.limit_in_bytes".
	File string `json:"file"`
	// Value is written in one write(2).
	Value string `json:"value"`
	// Source is the JSON path that requested it, e.g. linux.resources.memory.limit.
	Source string `json:"source"`
	// Verify is how the file, read back, is compared with Value.
	Verify Verify `json:"verify,omitempty"`
	// Unit is what VerifyBytes rounds down to, in bytes; 0 is a page.
	Unit uint64 `json:"unit,omitempty"`
	// Late values would prevent the runtime from forking into the cgroup (a pids limit
	// of 1); [ApplyLate] writes them once the process is in it.
	Late bool `json:"late,omitempty"`
	// Or is written instead if the kernel has no such file; it is another name for the
	// same thing (blkio.weight, blkio.bfq.weight). With VerifyDevices it is written if
	// the list does not match Value yet.
	Or *Value `json:"or,omitempty"`
	// Optional: a missing file is not an error, since the kernel already behaves as
	// requested.
	Optional bool `json:"optional,omitempty"`
	// SwapNext: the kernel may accept this value only after the next one
	// (memory limit and memory+swap limit, when both are raised).
	SwapNext bool `json:"swapNext,omitempty"`
	// Ceiling is a file whose number must not be above Value
	// (memory.checkBeforeUpdate); "" means no such check.
	Ceiling string `json:"ceiling,omitempty"`
	// Program is a device program (v2 has no device files); File is then
	// [DeviceProgram] and Value the rules in the syntax of devices.list.
	Program []devices.Instruction `json:"-"`
}

// setAlternative sets Or: the same value under another name.
func (v *Value) setAlternative(file, value string) {
	or := *v
	or.File, or.Value = file, value
	v.Or = &or
}

// Path returns the path of the file that the value is written to in a group, "" if it is
// not written to a file: a device program.
func (v *Value) Path(g *group.Group) string {
	dir := v.directory(g)
	if dir == "" || v.Program != nil {
		return ""
	}
	return dir + "/" + v.File
}

// directory returns the directory of the value's file, "" if the group has none for the
// controller.
func (v *Value) directory(g *group.Group) string {
	if v.V2 {
		return g.V2Directory()
	}
	return g.V1Directory(v.Controller)
}
