package cgroups

import specs "github.com/opencontainers/runtime-spec/specs-go"

// DeviceProgram is the File of a Value that carries a device program.
const DeviceProgram = "BPF_CGROUP_DEVICE"

// Insn is one eBPF instruction, see Documentation/bpf/standardization/instruction-set.rst.
type Insn struct {
	Op  uint8
	Dst uint8
	Src uint8
	Off int16
	Imm int32
}

// Compile says what is to be written, in order, for these resources on this kind of host.
func Compile(h *Host, r *specs.LinuxResources) ([]Value, error) { panic("in work") }
