// Package system describes and tidies everything that minirun manages on this machine: info, system
// df and system prune.
//
//	info.go   versions, directories, the machine and counts
//	usage.go  disk usage of images, containers, volumes and the build cache
//	prune.go  removing what is not used
package system

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/apparmor"
	"github.com/minirun/minirun/internal/cgroups/host"
	"github.com/minirun/minirun/internal/engine"
	"github.com/minirun/minirun/internal/version"
)

// A Version identifies a build.
type Version struct {
	Version string `json:"Version"`
	Commit  string `json:"Commit"`
	Spec    string `json:"Spec"` // of the OCI runtime specification
	Go      string `json:"GoVersion"`
	OS      string `json:"Os"`
	Arch    string `json:"Arch"`
}

// CurrentVersion returns the version of this build.
func CurrentVersion() Version {
	return Version{version.Number(), version.Revision(), specs.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH}
}

// An Info describes this installation, with docker's names where docker has them.
type Info struct {
	ServerVersion     string
	Commit            string
	Containers        int
	ContainersRunning int
	ContainersPaused  int
	ContainersStopped int
	Images            int
	Volumes           int
	Store             string // of images, and of containers created from them
	Root              string // of the state of containers
	Rootless          bool
	CgroupDriver      string
	CgroupVersion     string // 1, 2 or hybrid
	KernelVersion     string
	OperatingSystem   string
	Architecture      string
	NCPU              int
	MemTotal          int64
	SecurityOptions   []string
	Name              string // of the host
}

// Describe collects an Info. It needs no privileges: what cannot be read is empty.
func Describe(e *engine.Engine) (*Info, error) {
	i := &Info{
		ServerVersion: version.Number(), Commit: version.Revision(), Store: e.Store.Dir, Root: e.Root,
		Rootless: os.Geteuid() != 0, NCPU: runtime.NumCPU(), OperatingSystem: operatingSystem(),
		SecurityOptions: securityOptions(), CgroupDriver: "cgroupfs",
	}
	switch {
	case e.Systemd:
		i.CgroupDriver = "systemd"
	case e.NoCgroup:
		i.CgroupDriver = "disabled"
	}
	if h, err := host.Detect(); err == nil {
		i.CgroupVersion = cgroupVersion(h)
	}
	var name unix.Utsname
	if err := unix.Uname(&name); err == nil {
		i.KernelVersion, i.Architecture = unix.ByteSliceToString(name.Release[:]), unix.ByteSliceToString(name.Machine[:])
		i.Name = unix.ByteSliceToString(name.Nodename[:])
	}
	var memory unix.Sysinfo_t
	if err := unix.Sysinfo(&memory); err == nil {
		i.MemTotal = int64(memory.Totalram) * int64(memory.Unit)
	}
	return i, i.count(e)
}

func (i *Info) count(e *engine.Engine) error {
	list, err := e.List(true)
	if err != nil {
		return err
	}
	i.Containers = len(list)
	for _, l := range list {
		switch l.State {
		case string(specs.StateRunning):
			i.ContainersRunning++
		case "paused":
			i.ContainersPaused++
		default:
			i.ContainersStopped++
		}
	}
	images, err := e.Store.NamedImages()
	if err != nil {
		return err
	}
	i.Images = len(groupImages(images))
	volumes, err := volumeNames(e.Store.Dir)
	i.Volumes = len(volumes)
	return err
}

func cgroupVersion(h *host.Host) string {
	switch {
	case h.IsV2Only():
		return "2"
	case h.V2 != nil && len(h.V1) > 0:
		return "hybrid"
	}
	return "1"
}

// operatingSystem returns the name of the distribution (os-release(5)).
func operatingSystem() string {
	for _, path := range []string{"/etc/os-release", "/usr/lib/os-release"} {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			if name, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
				return strings.Trim(name, `"'`)
			}
		}
	}
	return "Linux"
}

func securityOptions() []string {
	options := []string{}
	if _, err := os.Stat("/proc/sys/kernel/seccomp/actions_avail"); err == nil {
		options = append(options, "name=seccomp,profile=builtin")
	}
	if apparmor.Enabled() {
		options = append(options, "name=apparmor")
	}
	if _, err := os.Stat("/sys/fs/selinux/enforce"); err == nil {
		options = append(options, "name=selinux")
	}
	if os.Geteuid() != 0 {
		options = append(options, "name=rootless")
	}
	return options
}

// volumeNames lists the named volumes of a store.
func volumeNames(store string) (names []string, err error) {
	list, err := os.ReadDir(filepath.Join(store, "volumes"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, d := range list {
		if d.IsDir() && !strings.HasPrefix(d.Name(), ".") {
			names = append(names, d.Name())
		}
	}
	return names, err
}
