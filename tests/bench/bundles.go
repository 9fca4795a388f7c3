// The two configs: the output of `runc spec`, and what Docker would request.
package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/minirun/minirun/tests/testrootfs"
	"github.com/moby/profiles/seccomp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

//go:embed floor/floor.c
var floorSource []byte

type bundle struct {
	name   string
	dir    string
	root   string
	filter string // a file with Docker's seccomp filter as instructions, for floor
}

func makeBundle(dir, name string) (*bundle, error) {
	spec, err := config(name)
	if err != nil {
		return nil, err
	}
	b := &bundle{name: name, dir: filepath.Join(dir, name), root: filepath.Join(dir, name, "rootfs")}
	if reason := testrootfs.Unavailable(); reason != "" {
		return nil, fmt.Errorf("%s", reason)
	}
	if err := testrootfs.Make(b.root); err != nil {
		return nil, err
	}
	return b, b.write(spec)
}

func (b *bundle) write(spec *specs.Spec) error {
	text, err := json.MarshalIndent(spec, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.dir, "config.json"), text, 0o644)
}

// config is written here and not taken from `runc spec`, so that floor.c's constants can be compared
// with it by eye.
func config(name string) (*specs.Spec, error) {
	caps := []string{"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"}
	safe := []string{"nosuid", "noexec", "nodev"}
	with := func(more ...string) []string { return append(append([]string{}, safe...), more...) }
	spec := &specs.Spec{
		Version: "1.0.2", // crun 1.8.1 supports no later version
		Process: &specs.Process{
			Args: []string{"true"}, Cwd: "/", NoNewPrivileges: true,
			Env:     []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"},
			Rlimits: []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 1024, Hard: 1024}},
		},
		Root:     &specs.Root{Path: "rootfs", Readonly: true},
		Hostname: "runc",
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc"},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
			{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
			{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: with("mode=1777", "size=65536k")},
			{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: safe},
			{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: with("ro")},
			{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: with("relatime", "ro")},
		},
		Linux: &specs.Linux{
			Resources:     &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}},
			Namespaces:    []specs.LinuxNamespace{{Type: specs.PIDNamespace}, {Type: specs.NetworkNamespace}, {Type: specs.IPCNamespace}, {Type: specs.UTSNamespace}, {Type: specs.MountNamespace}},
			MaskedPaths:   []string{"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"},
			ReadonlyPaths: []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"},
		},
	}
	switch name {
	case "default", "cycle":
	case "exec", "memory", "scale":
		spec.Process.Args = []string{"sleep", "100000"}
	case "docker":
		caps = []string{
			"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP",
			"CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE",
		}
		spec.Process.NoNewPrivileges, spec.Process.Rlimits, spec.Root.Readonly = false, nil, false
		spec.Linux.MaskedPaths = []string{
			"/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
			"/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap",
		}
	default:
		return nil, fmt.Errorf("no case %q: there are default, docker, cycle, exec, memory and scale", name)
	}
	spec.Process.Capabilities = &specs.LinuxCapabilities{Bounding: caps, Permitted: caps, Effective: caps}
	if name == "docker" {
		profile, err := seccomp.GetDefaultProfile(spec)
		if err != nil {
			return nil, err
		}
		spec.Linux.Seccomp = profile
	}
	return spec, nil
}
