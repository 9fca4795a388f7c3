// Package needs finds out whether a machine has what labs need: programs, kernel features, space. A lab
// names its needs in lab.yaml.
package needs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups/host"
	"github.com/minirun/minirun/internal/helper"
	"github.com/minirun/minirun/internal/lab/words"
	"github.com/minirun/minirun/internal/newbundle"
)

// A Need is something that labs need.
type Need struct {
	Name string
	What words.Text
	Fix  string // a command, or ""
	// find returns what was found, and an error if that is not enough.
	find func() (string, error)
}

// A Finding is the answer for one need.
type Finding struct {
	Need
	Found string
	Err   error
}

// all lists the needs that lab.yaml may name.
var all = []Need{
	{"root", words.New("root, or sudo"), "su -c 'apt install sudo'", findRoot},
	{"busybox", words.New("a static busybox, for root file systems"), "apt install busybox-static", newbundle.FindBusybox},
	{"programs", words.New("minirun's helper programs"), "make build && sudo make install", findHelpers},
	{"cgroups", words.New("cgroups with the controllers memory, pids and cpu"), "", findControllers},
	{"overlay", words.New("overlay file systems"), "modprobe overlay", findOverlay},
	{"seccomp", words.New("seccomp filters"), "", fromFile("/proc/sys/kernel/seccomp/actions_avail")},
	{"userns", words.New("user namespaces"), "sysctl user.max_user_namespaces=15000", findUserNamespaces},
	{"idmap", words.New("ID-mapped mounts (Linux 5.12)"), "", findIDMappedMounts},
	{"space", words.New("200 MB of space below /var/lib"), "", findSpace},
	{"ip", words.New("the program ip"), "apt install iproute2", program("ip")},
	{"iptables", words.New("the program iptables"), "apt install iptables", program("iptables")},
	{"runc", words.New("runc, to compare with"), "apt install runc", program("runc")},
	{"go", words.New("Go, to write a runtime in"), "apt install golang-go", program("go")},
}

// Names returns the names of all needs.
func Names() (names []string) {
	for _, n := range all {
		names = append(names, n.Name)
	}
	return names
}

// Examine looks for some needs, in the order of Names. An unknown name is an error.
func Examine(names []string) (findings []Finding, err error) {
	for _, name := range names {
		if !slices.Contains(Names(), name) {
			return nil, fmt.Errorf("needs: unknown name %q (there are: %s)", name, strings.Join(Names(), ", "))
		}
	}
	for _, n := range all {
		if slices.Contains(names, n.Name) {
			found, err := n.find()
			findings = append(findings, Finding{n, found, err})
		}
	}
	return findings, nil
}

func program(name string) func() (string, error) {
	return func() (string, error) { return exec.LookPath(name) }
}

func fromFile(path string) func() (string, error) {
	return func() (string, error) {
		data, err := os.ReadFile(path)
		return strings.TrimSpace(string(data)), err
	}
}

func findRoot() (string, error) {
	if os.Geteuid() == 0 {
		return "root", nil
	}
	return exec.LookPath("sudo")
}

func findHelpers() (string, error) {
	for _, name := range []string{helper.Image, helper.Engine} {
		if _, err := helper.Find("labs need", name); err != nil {
			return "", err
		}
	}
	return helper.Runtime()
}

// controllers are those that labs set limits with.
var controllers = []string{"memory", "pids", "cpu"}

func findControllers() (string, error) {
	h, err := host.Detect()
	if err != nil {
		return "", err
	}
	for _, c := range controllers {
		if !h.HasV1(c) && !h.HasV2(c) {
			return h.Mode.String(), fmt.Errorf("the controller %s is missing", c)
		}
	}
	return h.Mode.String(), nil
}

func findOverlay() (string, error) {
	fd, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC) // loads the module
	if err == nil {
		return "fsopen(2)", unix.Close(fd)
	}
	data, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		return "", err
	}
	if !strings.Contains(string(data), "\toverlay\n") {
		return "", fmt.Errorf("/proc/filesystems has no overlay")
	}
	return "/proc/filesystems", nil
}

func findUserNamespaces() (string, error) {
	const path = "/proc/sys/user/max_user_namespaces"
	most, err := fromFile(path)()
	if err != nil {
		return "", err
	}
	if most == "0" {
		return most, fmt.Errorf("%s is 0", path)
	}
	return most, nil
}

// findIDMappedMounts calls mount_setattr(2), which is as old as ID-mapped mounts, with nothing to do.
func findIDMappedMounts() (string, error) {
	err := unix.MountSetattr(-1, "", unix.AT_EMPTY_PATH, &unix.MountAttr{})
	if errors.Is(err, unix.ENOSYS) {
		return "", fmt.Errorf("the kernel has no mount_setattr: %w", err)
	}
	return "mount_setattr(2)", nil
}

// leastSpace is what the labs' images and root file systems take, with room.
const leastSpace = 200 << 20

func findSpace() (string, error) {
	var st unix.Statfs_t
	if err := unix.Statfs("/var/lib", &st); err != nil {
		return "", err
	}
	free := st.Bavail * uint64(st.Bsize)
	found := fmt.Sprintf("%d MB", free>>20)
	if free < leastSpace {
		return found, fmt.Errorf("only %s are free", found)
	}
	return found, nil
}
