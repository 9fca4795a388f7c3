// The shapes of config.json that engines write, as far as they differ: the order and options of
// mounts, namespaces created or joined, capabilities, cgroup paths, annotations, hooks.
package compare

import (
	"encoding/json"
	"path/filepath"
	"strings"

	"github.com/moby/profiles/seccomp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// pauseFlags is the set of namespaces of a pod that its containers join.
const pauseFlags = unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS

// shapes maps engines to functions that return a config.json. $BUNDLE, $ID, $TAG, $PROBE and $PAUSE
// in it are replaced when it is run.
var shapes = map[string]func() string{
	"runc":       func() string { return shapeText(runcShape()) },
	"docker":     func() string { return shapeText(dockerShape()) },
	"podman":     func() string { return shapeText(podmanShape()) },
	"containerd": func() string { return shapeText(containerdShape()) },
	"kubernetes": func() string { return shapeText(kubernetesShape()) },
	"crio":       func() string { return shapeText(crioShape()) },
	"userns":     func() string { return shapeText(usernsShape()) },
}

var shapeNames = []string{"runc", "docker", "podman", "containerd", "kubernetes", "crio", "userns"}

func shapeText(s *specs.Spec) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // a bug in our own structures
	}
	return string(text)
}

// runcShape returns the output of `runc spec`, without a terminal.
func runcShape() *specs.Spec {
	s := new(specs.Spec)
	text, err := reference.defaultConfig()
	if err == nil {
		err = json.Unmarshal(text, s)
	}
	if err != nil {
		panic(err)
	}
	s.Process.Terminal = false
	s.Process.Args = []string{"/probe"}
	return s
}

var defaultCapabilities = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP",
	"CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE",
}

func mountOf(at, kind, source, options string) specs.Mount {
	m := specs.Mount{Destination: at, Type: kind, Source: source}
	if options != "" {
		m.Options = strings.Split(options, ",")
	}
	return m
}

// engineShape returns what the configs of all engines have in common.
func engineShape(namespaces ...specs.LinuxNamespaceType) *specs.Spec {
	s := runcShape()
	s.Root = &specs.Root{Path: "rootfs"}
	s.Process.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=box"}
	s.Process.Capabilities = &specs.LinuxCapabilities{Bounding: defaultCapabilities, Effective: defaultCapabilities, Permitted: defaultCapabilities}
	s.Process.NoNewPrivileges = false
	s.Process.Rlimits = nil
	s.Hostname = "box"
	s.Linux.Namespaces = nil
	for _, kind := range namespaces {
		s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: kind})
	}
	s.Linux.MaskedPaths = []string{"/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"}
	s.Linux.ReadonlyPaths = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
	profile, err := seccomp.GetDefaultProfile(s)
	if err != nil {
		panic(err)
	}
	s.Linux.Seccomp = profile
	return s
}

func deviceRule(allow bool, kind string, major, minor int64, access string) specs.LinuxDeviceCgroup {
	rule := specs.LinuxDeviceCgroup{Allow: allow, Type: kind, Access: access}
	if major >= 0 {
		rule.Major = &major
	}
	if minor >= 0 {
		rule.Minor = &minor
	}
	return rule
}

// engineDevices returns the rules that Docker and containerd write.
func engineDevices() []specs.LinuxDeviceCgroup {
	rules := []specs.LinuxDeviceCgroup{deviceRule(false, "", -1, -1, "rwm"), deviceRule(true, "c", -1, -1, "m"), deviceRule(true, "b", -1, -1, "m")}
	for _, d := range [][2]int64{{1, 3}, {1, 8}, {1, 7}, {5, 0}, {1, 5}, {1, 9}, {5, 1}, {136, -1}, {5, 2}, {10, 200}} {
		rules = append(rules, deviceRule(true, "c", d[0], d[1], "rwm"))
	}
	return rules
}

func dockerShape() *specs.Spec {
	s := engineShape(specs.MountNamespace, specs.NetworkNamespace, specs.UTSNamespace, specs.PIDNamespace, specs.IPCNamespace)
	s.Version = "1.2.0"
	s.Mounts = []specs.Mount{
		mountOf("/proc", "proc", "proc", "nosuid,noexec,nodev"), mountOf("/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k"),
		mountOf("/dev/pts", "devpts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5"),
		mountOf("/sys", "sysfs", "sysfs", "nosuid,noexec,nodev,ro"), mountOf("/sys/fs/cgroup", "cgroup", "cgroup", "ro,nosuid,noexec,nodev"),
		mountOf("/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev"), mountOf("/dev/shm", "tmpfs", "shm", "nosuid,noexec,nodev,mode=1777,size=67108864"),
		mountOf("/etc/resolv.conf", "bind", "$BUNDLE/resolv.conf", "rbind,rprivate"), mountOf("/etc/hostname", "bind", "$BUNDLE/hostname", "rbind,rprivate"),
		mountOf("/etc/hosts", "bind", "$BUNDLE/hosts", "rbind,rprivate"),
	}
	s.Hooks = &specs.Hooks{Prestart: []specs.Hook{{Path: "$PROBE", Args: []string{"libnetwork-setkey", "hook", "prestart", "$BUNDLE/hooks"}}}}
	s.Linux.CgroupsPath = "/$TAG/docker/$ID"
	s.Linux.Sysctl = map[string]string{"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647"}
	zero, swappiness := uint64(0), (*uint64)(nil)
	s.Linux.Resources = &specs.LinuxResources{Devices: engineDevices(), Memory: &specs.LinuxMemory{Swappiness: swappiness}, CPU: &specs.LinuxCPU{Shares: &zero}, BlockIO: &specs.LinuxBlockIO{}}
	s.Process.OOMScoreAdj = pointer(0)
	return s
}

func podmanShape() *specs.Spec {
	s := engineShape(specs.PIDNamespace, specs.NetworkNamespace, specs.IPCNamespace, specs.UTSNamespace, specs.MountNamespace, specs.CgroupNamespace)
	s.Version = "1.1.0+dev"
	s.Mounts = []specs.Mount{
		mountOf("/proc", "proc", "proc", "nosuid,noexec,nodev"), mountOf("/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k"),
		mountOf("/sys", "sysfs", "sysfs", "nosuid,noexec,nodev,ro"), mountOf("/dev/pts", "devpts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5"),
		mountOf("/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev"), mountOf("/etc/resolv.conf", "bind", "$BUNDLE/resolv.conf", "bind,rprivate"),
		mountOf("/etc/hosts", "bind", "$BUNDLE/hosts", "bind,rprivate"), mountOf("/dev/shm", "bind", "$BUNDLE/source", "bind,rprivate,nosuid,noexec,nodev"),
		mountOf("/run/.containerenv", "bind", "$BUNDLE/one-file", "bind,rprivate"), mountOf("/sys/fs/cgroup", "cgroup", "cgroup", "rprivate,nosuid,noexec,nodev,relatime,ro"),
	}
	s.Annotations = map[string]string{"org.opencontainers.image.stopSignal": "15", "io.podman.annotations.autoremove": "FALSE", "io.container.manager": "libpod"}
	s.Process.User.Umask = pointer(uint32(18))
	s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 1024, Hard: 1024}, {Type: "RLIMIT_NPROC", Soft: 4096, Hard: 4096}}
	s.Process.OOMScoreAdj = pointer(0)
	s.Linux.CgroupsPath = "/$TAG/libpod_parent/libpod-$ID"
	s.Linux.Sysctl = map[string]string{"net.ipv4.ping_group_range": "0 0"}
	s.Linux.Resources = &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{deviceRule(false, "", -1, -1, "rwm")}, Pids: &specs.LinuxPids{Limit: pointer(int64(2048))}}
	return s
}

func containerdShape() *specs.Spec {
	s := engineShape(specs.PIDNamespace, specs.IPCNamespace, specs.UTSNamespace, specs.MountNamespace, specs.NetworkNamespace)
	s.Version = "1.2.1"
	s.Root.Path = "rootfs"
	s.Mounts = []specs.Mount{
		mountOf("/proc", "proc", "proc", "nosuid,noexec,nodev"), mountOf("/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k"),
		mountOf("/dev/pts", "devpts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5"),
		mountOf("/dev/shm", "tmpfs", "shm", "nosuid,noexec,nodev,mode=1777,size=65536k"), mountOf("/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev"),
		mountOf("/sys", "sysfs", "sysfs", "nosuid,noexec,nodev,ro"), mountOf("/run", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k"),
	}
	s.Process.NoNewPrivileges = true
	s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 1024, Hard: 1024}}
	s.Linux.Seccomp = nil
	s.Linux.CgroupsPath = "/$TAG/default/$ID"
	s.Linux.Resources = &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{deviceRule(false, "", -1, -1, "rwm")}}
	s.Hostname = ""
	return s
}

// kubernetesShape returns a container of a pod as containerd's CRI plugin writes it: it joins the
// namespaces of the sandbox.
func kubernetesShape() *specs.Spec {
	s := containerdShape()
	s.Linux.Namespaces = []specs.LinuxNamespace{
		{Type: specs.PIDNamespace}, {Type: specs.IPCNamespace, Path: "$PAUSE/ipc"}, {Type: specs.UTSNamespace, Path: "$PAUSE/uts"},
		{Type: specs.MountNamespace}, {Type: specs.NetworkNamespace, Path: "$PAUSE/net"}, {Type: specs.CgroupNamespace},
	}
	s.Mounts = append(s.Mounts[:len(s.Mounts)-1],
		mountOf("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid,noexec,nodev,relatime,ro"), mountOf("/etc/hosts", "bind", "$BUNDLE/hosts", "rbind,rprivate,rw"),
		mountOf("/dev/termination-log", "bind", "$BUNDLE/one-file", "rbind,rprivate,rw"), mountOf("/etc/hostname", "bind", "$BUNDLE/hostname", "rbind,rprivate,rw"),
		mountOf("/etc/resolv.conf", "bind", "$BUNDLE/resolv.conf", "rbind,rprivate,rw"),
		mountOf("/var/run/secrets/kubernetes.io/serviceaccount", "bind", "$BUNDLE/source", "rbind,rprivate,ro"))
	s.Annotations = map[string]string{
		"io.kubernetes.cri.container-type": "container", "io.kubernetes.cri.container-name": "c", "io.kubernetes.cri.sandbox-id": strings.Repeat("a", 64),
		"io.kubernetes.cri.image-name": "registry.example/image:tag", "io.kubernetes.cri.sandbox-namespace": "default",
	}
	s.Process.OOMScoreAdj = pointer(1000)
	s.Linux.CgroupsPath = "/$TAG/kubepods/besteffort/pod1/$ID"
	s.Linux.Resources.CPU = &specs.LinuxCPU{Shares: pointer(uint64(2)), Quota: pointer(int64(0)), Period: pointer(uint64(100000))}
	s.Linux.Resources.Memory = &specs.LinuxMemory{}
	s.Linux.RootfsPropagation = ""
	return s
}

func crioShape() *specs.Spec {
	s := kubernetesShape()
	s.Version = "1.2.1"
	s.Root.Path = "$BUNDLE/rootfs"
	s.Mounts = append(s.Mounts, mountOf("/dev/shm", "bind", "$BUNDLE/source", "rw,bind"), mountOf("/run/.containerenv", "bind", "$BUNDLE/one-file", "rw,rbind,rprivate"))
	s.Annotations["io.kubernetes.cri-o.TTY"], s.Annotations["org.systemd.property.TimeoutStopUSec"] = "false", "uint64 30000000"
	s.Linux.Resources.HugepageLimits = nil
	s.Linux.Resources.Memory = &specs.LinuxMemory{Limit: pointer(int64(128 * mib)), Swap: pointer(int64(128 * mib))}
	s.Linux.Resources.Pids = &specs.LinuxPids{Limit: pointer(int64(1024))}
	s.Process.User.AdditionalGids = []uint32{0}
	return s
}

// usernsShape returns a container with a new user namespace.
func usernsShape() *specs.Spec {
	s := podmanShape()
	s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	maps := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 65536}}
	s.Linux.UIDMappings, s.Linux.GIDMappings = maps, maps
	return s
}

// furnish adds to the bundle the files that values in fuzz_values_test.go refer to.
func furnish(b *bundle) {
	empty, text := "", "text\n"
	for _, name := range []string{"resolv.conf", "hostname", "hosts", "one-file"} {
		b.addSource(name, &text)
	}
	b.addSource("hooks", &empty)
	b.addSource("source", nil)
	b.addSource("source/file", &text)
	b.addSource("process.json", pointer(`{"args":["sh","-c","id"],"cwd":"/","env":["PATH=/bin"],"user":{"uid":9,"gid":9}}`))
	b.file("data", "data\n", 0o640)
	b.file("dir/file", "file\n", 0o644)
	b.file("script", "#!/bin/sh\nexec /probe\n", 0o755)
	b.mkdir("closed", 0o700)
	b.symlink("link-to-data", "data")
	b.symlink("link-to-dir", "/dir")
	b.symlink("link-out", "../../../../dir")
	b.symlink("bin/probe", "/probe")
	b.check(unix.Symlink("rootfs", filepath.Join(b.dir, "link-to-rootfs")))
	b.spec.Linux = &specs.Linux{}
}
