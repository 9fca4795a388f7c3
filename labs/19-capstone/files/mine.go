//go:build ignore

// mine is a container runtime. mine run BUNDLE starts the container and waits until it ends.
// Complete the parts with TODO. To try it: go build -o mine mine.go && sudo ./mine run bundle
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

type config struct {
	Root    map[string]any // path, readonly
	Process struct {
		Args, Env []string
		Cwd       string
	}
	Mounts []struct {
		Destination, Type, Source string
		Options                   []string
	}
	Linux struct {
		Namespaces  []struct{ Type string }
		CgroupsPath string
		Resources   struct{ Memory, Pids struct{ Limit int64 } }
	}
	Hostname    string
	Annotations map[string]string
}

// TODO (labs 1 and 2): the other namespaces of config.json
var namespaces = map[string]uintptr{"mount": syscall.CLONE_NEWNS}

var mountFlags = map[string]uintptr{"ro": syscall.MS_RDONLY, "nosuid": syscall.MS_NOSUID, "nodev": syscall.MS_NODEV,
	"noexec": syscall.MS_NOEXEC, "relatime": syscall.MS_RELATIME, "strictatime": syscall.MS_STRICTATIME,
	"bind": syscall.MS_BIND, "rbind": syscall.MS_BIND | syscall.MS_REC, "rw": 0, "rprivate": 0, "private": 0}

// must ends the runtime if a step failed.
func must(what string, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "mine: %s: %v\n", what, err)
		os.Exit(1)
	}
}

func main() {
	var c config
	must("usage: mine run BUNDLE", os.Chdir(os.Args[len(os.Args)-1]))
	data, err := os.ReadFile("config.json")
	must("read", err)
	must("config.json", json.Unmarshal(data, &c))
	if os.Args[1] == "inside" {
		inside(&c)
	}
	run(&c)
}

// run starts this program again in new namespaces, and ends as it does.
func run(c *config) {
	child := exec.Command("/proc/self/exe", "inside", ".")
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
	// Always in a new mount namespace: pivot_root would change the host.
	child.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	for _, n := range c.Linux.Namespaces {
		child.SysProcAttr.Cloneflags |= namespaces[n.Type]
	}
	must("start", child.Start())
	child.Wait() // the status says how it ended
	os.Exit(child.ProcessState.ExitCode())
}

// inside runs in the new namespaces: it becomes the container.
func inside(c *config) {
	joinCgroup(c)
	root, _ := filepath.Abs(c.Root["path"].(string))
	// TODO (lab 2): the host name
	must("private", syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""))
	mountRoot(c, root)
	for _, m := range c.Mounts {
		mount(m.Source, root+m.Destination, m.Type, m.Options)
	}
	// TODO: devices in /dev, such as null: character device 1, 3
	must("root", os.Chdir(root))
	// TODO (lab 4): pivot_root instead. syscall.PivotRoot(".", ".") mounts the host's root over the new one:
	// unmount it. Then / is read-only if config.json says so.
	must("chroot", syscall.Chroot("."))
	must("cwd", os.Chdir(c.Process.Cwd))
	for _, variable := range c.Process.Env {
		name, value, _ := strings.Cut(variable, "=")
		os.Setenv(name, value)
	}
	path, err := exec.LookPath(c.Process.Args[0])
	must("program", err)
	must(path, syscall.Exec(path, c.Process.Args, c.Process.Env))
}

// mountRoot makes the root directory a mount: of its layers, or of itself.
func mountRoot(c *config, root string) {
	must("root", syscall.Mount(root, root, "", syscall.MS_BIND|syscall.MS_REC, ""))
	// TODO (lab 5): if c.Annotations["dev.minirun.layers"] has a list of layers (JSON), the lowest first, an
	// overlay of them; c.Annotations["dev.minirun.upper"] is its upper directory
}

func mount(from, to, kind string, options []string) {
	flags, data := uintptr(0), []string{}
	for _, o := range options {
		if flag, ok := mountFlags[o]; ok {
			flags |= flag
		} else {
			data = append(data, o)
		}
	}
	_ = strings.Join(data, ",") // TODO (lab 1): create the mount point, and mount. Leave out the type cgroup.
	// A new bind mount ignores the other flags: a second call with MS_REMOUNT sets them.
}

// joinCgroup creates the cgroup with its limits, and moves this process into it.
func joinCgroup(c *config) {
	// TODO (lab 6): version 2 has one tree, /sys/fs/cgroup + c.Linux.CgroupsPath; version 1 one for each
	// controller, /sys/fs/cgroup/memory + c.Linux.CgroupsPath. Create the directory, write the limit into
	// memory.max or memory.limit_in_bytes, and join it: write 0 into cgroup.procs.
}
