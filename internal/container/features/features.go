// Package features describes what this build of minirun supports, as the document of
// the command `features`.
package features

import (
	"errors"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/runtime-spec/specs-go/features"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/seccomp"
	"github.com/minirun/minirun/internal/spec"
)

// Features of minirun outside config.json that the features document lists.
const (
	hasSystemd = true
	hasRestore = true // through criu(8)
)

// Features returns the document of `features` (features.md, features-linux.md): what
// this build supports, whatever the host. Every list is the one used for reading
// config.json.
func Features(version, commit string) *features.Features {
	yes, no := true, false
	is := func(b bool) *bool {
		if b {
			return &yes
		}
		return &no
	}
	return &features.Features{
		OCIVersionMin: "1.0.0",
		OCIVersionMax: specs.Version,
		Hooks:         spec.HookNames(),
		MountOptions:  spec.MountOptionNames(),
		Linux: &features.Linux{
			Namespaces:   spec.NamespaceNames(),
			Capabilities: spec.CapabilityNames(),
			Cgroup: &features.Cgroup{V1: &yes, V2: &yes, Systemd: is(hasSystemd), SystemdUser: is(hasSystemd),
				Rdma: &yes},
			Seccomp: &features.Seccomp{
				Enabled: &yes, Actions: seccomp.Actions(), Operators: seccomp.Operators(), Archs: seccomp.Archs(),
				KnownFlags: seccomp.Flags(), SupportedFlags: supportedFlags(),
			},
			Apparmor:        &features.Apparmor{Enabled: &yes},
			Selinux:         &features.Selinux{Enabled: &yes},
			IntelRdt:        &features.IntelRdt{Enabled: &yes, Schemata: &yes, Monitoring: &yes},
			MemoryPolicy:    &features.MemoryPolicy{Modes: spec.MemoryPolicyModes(), Flags: spec.MemoryPolicyFlags()},
			MountExtensions: &features.MountExtensions{IDMap: &features.IDMap{Enabled: &yes}},
			NetDevices:      &features.NetDevices{Enabled: &yes},
		},
		Annotations: map[string]string{
			"dev.minirun.version":            version,
			"dev.minirun.commit":             commit,
			"dev.minirun.checkpoint.enabled": strconv.FormatBool(hasRestore),
		},
		// They name directories of the host that the container gets, files of the host
		// that are written, groups of the caller, or options for criu(8).
		PotentiallyUnsafeConfigAnnotations: []string{
			spec.AnnotationLayers, spec.AnnotationUpper, spec.AnnotationKeepGroups,
			spec.AnnotationHooksStdout, spec.AnnotationHooksStderr, spec.AnnotationCRIUConfig,
		},
	}
}

// supportedFlags returns the filter flags that this kernel knows: seccomp(2) fails
// with EFAULT for a missing program, but first with EINVAL for an unknown flag.
func supportedFlags() []string {
	supported := []string{}
	for _, name := range seccomp.Flags() {
		bit, ok := seccomp.FlagBit(specs.LinuxSeccompFlag(name))
		if !ok {
			continue
		}
		if bit == unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV {
			bit |= unix.SECCOMP_FILTER_FLAG_NEW_LISTENER // only valid together with a listener
		}
		_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, uintptr(bit), 0)
		if errors.Is(errno, unix.EFAULT) {
			supported = append(supported, name)
		}
	}
	return supported
}
