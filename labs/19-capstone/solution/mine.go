//go:build ignore

// mine is a container runtime. mine run BUNDLE starts the container and waits until it ends.
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

var namespaces = map[string]uintptr{"mount": syscall.CLONE_NEWNS, "pid": syscall.CLONE_NEWPID,
	"uts": syscall.CLONE_NEWUTS, "ipc": syscall.CLONE_NEWIPC, "network": syscall.CLONE_NEWNET, "cgroup": 0x02000000}

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
	if c.Hostname != "" {
		must("hostname", syscall.Sethostname([]byte(c.Hostname)))
	}
	must("private", syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""))
	mountRoot(c, root)
	for _, m := range c.Mounts {
		if m.Type != "cgroup" {
			mount(m.Source, root+m.Destination, m.Type, m.Options)
		}
	}
	for name, minor := range map[string]int{"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9} {
		syscall.Mknod(root+"/dev/"+name, syscall.S_IFCHR|0o666, 1<<8|minor) // it may exist
		os.Chmod(root+"/dev/"+name, 0o666)
	}
	for name, to := range map[string]string{"fd": "", "stdin": "/0", "stdout": "/1", "stderr": "/2"} {
		os.Symlink("/proc/self/fd"+to, root+"/dev/"+name)
	}
	must("root", os.Chdir(root))
	must("pivot_root", syscall.PivotRoot(".", ".")) // the host's root is now mounted over the new one
	must("unmount", syscall.Unmount(".", syscall.MNT_DETACH))
	if c.Root["readonly"] == true {
		must("read-only", syscall.Mount("", "/", "", syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_RDONLY, ""))
	}
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
	var layers []string
	if json.Unmarshal([]byte(c.Annotations["dev.minirun.layers"]), &layers) != nil {
		must("root", syscall.Mount(root, root, "", syscall.MS_BIND|syscall.MS_REC, ""))
		return
	}
	lower := ""
	for _, name := range layers {
		dir, _ := filepath.Abs(name)
		lower = dir + ":" + lower // overlay wants the highest one first
	}
	upper, _ := filepath.Abs(c.Annotations["dev.minirun.upper"])
	must("upper directory", os.MkdirAll(upper, 0o755))
	must("work directory", os.MkdirAll(upper+".work", 0o755))
	data := "lowerdir=" + strings.Trim(lower, ":") + ",upperdir=" + upper + ",workdir=" + upper + ".work"
	must("overlay", syscall.Mount("overlay", root, "overlay", 0, data))
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
	os.MkdirAll(to, 0o755) // it may be a file
	must("mount "+to, syscall.Mount(from, to, kind, flags, strings.Join(data, ",")))
	if flags&syscall.MS_BIND != 0 { // a new bind mount ignores the other flags
		must("mount "+to, syscall.Mount("", to, "", flags|syscall.MS_REMOUNT, ""))
	}
}

// joinCgroup creates the cgroup with its limits, and moves this process into it.
func joinCgroup(c *config) {
	// Version 2 has one tree, version 1 one for each controller.
	for _, dir := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids"} {
		if _, err := os.Stat(dir + "/cgroup.procs"); err != nil {
			continue
		}
		for _, name := range strings.Split(strings.Trim(c.Linux.CgroupsPath, "/"), "/") {
			os.WriteFile(dir+"/cgroup.subtree_control", []byte("+memory +pids"), 0) // version 2
			dir = filepath.Join(dir, name)
			must("cgroup", os.MkdirAll(dir, 0o755))
		}
		for _, file := range []string{"memory.max", "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"} {
			limit(dir+"/"+file, c.Linux.Resources.Memory.Limit)
		}
		limit(dir+"/pids.max", c.Linux.Resources.Pids.Limit)
		must("cgroup", os.WriteFile(dir+"/cgroup.procs", []byte("0"), 0)) // 0: the process that writes
	}
}

func limit(file string, value int64) {
	if _, err := os.Stat(file); err == nil && value > 0 {
		must(file, os.WriteFile(file, []byte(fmt.Sprint(value)), 0))
	}
}
