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
	"runtime"
	"strings"
	"syscall"
)

type config struct {
	Root struct {
		Path     string
		Readonly bool
	}
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
		Resources   struct {
			Memory struct{ Limit int64 }
			Pids   struct{ Limit int64 }
		}
	}
	Hostname string
}

// TODO (lab 2): the other namespaces of config.json
var namespaces = map[string]uintptr{"pid": syscall.CLONE_NEWPID}

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
	runtime.LockOSThread()
	if len(os.Args) != 3 {
		must("usage: mine run BUNDLE", syscall.EINVAL)
	}
	var c config
	must("bundle", os.Chdir(os.Args[2]))
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
	child.Env = []string{}
	child.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
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
	root, err := filepath.Abs(c.Root.Path)
	must("root", err)
	// TODO (lab 2): the host name
	must("private", syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""))
	must("root", syscall.Mount(root, root, "", syscall.MS_BIND|syscall.MS_REC, ""))
	for _, m := range c.Mounts {
		mount(m.Source, root+m.Destination, m.Type, m.Options)
	}
	// TODO: devices in /dev, such as null: character device 1, 3
	// TODO (lab 4): make root the root of the mount namespace. syscall.PivotRoot(".", ".") mounts the
	// host's root over the new one: unmount it. Then / is read-only if config.json says so.
	must("chroot", syscall.Chroot(root))
	must("cwd", os.Chdir(c.Process.Cwd))
	for _, variable := range c.Process.Env {
		name, value, _ := strings.Cut(variable, "=")
		os.Setenv(name, value)
	}
	path, err := exec.LookPath(c.Process.Args[0])
	must("program", err)
	must(path, syscall.Exec(path, c.Process.Args, c.Process.Env))
}

func mount(from, to, kind string, options []string) {
	var flags uintptr
	var data []string
	for _, o := range options {
		if flag, ok := mountFlags[o]; ok {
			flags |= flag
		} else {
			data = append(data, o)
		}
	}
	_ = strings.Join(data, ",") // TODO (lab 5): create the mount point, and mount. Leave out the type cgroup.
	// A new bind mount ignores the other flags: a second call with MS_REMOUNT sets them.
}

// joinCgroup creates the cgroup with its limits, and moves this process into it.
func joinCgroup(c *config) {
	// TODO (lab 6): version 2 has one tree, /sys/fs/cgroup + c.Linux.CgroupsPath; version 1 one for each
	// controller, /sys/fs/cgroup/memory + c.Linux.CgroupsPath. Create the directory, write the limit into
	// memory.max or memory.limit_in_bytes, and join it: write 0 into cgroup.procs.
}
