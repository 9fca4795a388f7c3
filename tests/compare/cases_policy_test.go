// Cases: memory policies and personalities.
package compare

import specs "github.com/opencontainers/runtime-spec/specs-go"

func memoryPolicy(mode specs.MemoryPolicyModeType, nodes string, flags ...specs.MemoryPolicyFlagType) func(*bundle) {
	return func(b *bundle) {
		b.spec.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: mode, Nodes: nodes, Flags: flags}
	}
}

// refusedPolicy configures a memory policy with which the container cannot be created.
func refusedPolicy(mode specs.MemoryPolicyModeType, nodes string, flags ...specs.MemoryPolicyFlagType) func(*bundle) {
	return func(b *bundle) {
		memoryPolicy(mode, nodes, flags...)(b)
		b.spec.Process.Args = []string{"true"}
	}
}

var refused = map[string]string{"exit": "1", "stderr.empty": "false"}

var policyCases = []testCase{
	{name: "memory-policy-bind", set: memoryPolicy(specs.MpolBind, "0"), want: map[string]string{"in.mempolicy": "mode 2 nodes 0x1 errno 0"}},
	{name: "memory-policy-bind-static", set: memoryPolicy(specs.MpolBind, "0", specs.MpolFStaticNodes), want: map[string]string{"in.mempolicy": "mode 32770 nodes 0x1 errno 0"}},
	{name: "memory-policy-preferred-many", set: memoryPolicy(specs.MpolPreferredMany, "0"), want: map[string]string{"in.mempolicy": "mode 5 nodes 0x1 errno 0"}},
	{name: "memory-policy-local", set: memoryPolicy(specs.MpolLocal, ""), want: map[string]string{"in.mempolicy": "mode 4 nodes 0x0 errno 0"}},
	{name: "memory-policy-default", set: memoryPolicy(specs.MpolDefault, ""), want: map[string]string{"in.mempolicy": "mode 0 nodes 0x0 errno 0"}},
	{name: "memory-policy-of-absent-node", plain: true, set: refusedPolicy(specs.MpolBind, "1000"), want: refused},
	{name: "memory-policy-above-all-nodes", plain: true, set: refusedPolicy(specs.MpolBind, "0,2000"), want: refused},
	{name: "memory-policy-default-with-nodes", plain: true, set: refusedPolicy(specs.MpolDefault, "0"), want: refused},
	{name: "memory-policy-bind-without-nodes", plain: true, set: refusedPolicy(specs.MpolBind, ""), want: refused},
	{name: "memory-policy-two-meanings", plain: true, set: refusedPolicy(specs.MpolBind, "0", specs.MpolFStaticNodes, specs.MpolFRelativeNodes), want: refused},
	{name: "memory-policy-unknown", plain: true, set: refusedPolicy("MPOL_FOO", "0"), want: refused},
	{
		name: "personality-flag", plain: true, set: func(b *bundle) {
			b.spec.Linux.Personality = &specs.LinuxPersonality{Domain: specs.PerLinux, Flags: []specs.LinuxPersonalityFlag{"ADDR_NO_RANDOMIZE"}}
			b.spec.Process.Args = []string{"true"}
		},
		allowed: refusedByMinirun("the specification defines no flag: runc warns of it and ignores it"),
	},
}
