package cgroups

import (
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
)

type Mode int

const V2 Mode = 3

type Host struct{ Mode Mode }
type Value struct{}
type Group struct{ paths map[string]string }
type Mount struct {
	Controller, Name, Source string
	Aliases                  []string
}

func Detect() (*Host, error)                                    { return &Host{}, nil }
func Path(h *Host, p, id string) (string, error)                { return "/" + id, nil }
func Compile(h *Host, r *specs.LinuxResources) ([]Value, error) { return nil, nil }
func (h *Host) Group(p string) *Group {
	g := &Group{map[string]string{}}
	for _, c := range []string{"cpu", "cpuacct", "devices", "freezer", "blkio", "pids"} {
		g.paths[c] = "/sys/fs/cgroup/" + c + p
	}
	return g
}
func Open(p map[string]string) *Group     { return &Group{p} }
func (g *Group) Paths() map[string]string { return g.paths }
func (g *Group) Create() error {
	for _, p := range g.paths {
		if err := os.Mkdir(p, 0o755); err != nil {
			return err
		}
	}
	return nil
}
func (g *Group) Apply(v []Value) error { return nil }
func (g *Group) Add(pid int) error {
	for _, p := range g.paths {
		if err := os.WriteFile(filepath.Join(p, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0); err != nil {
			return err
		}
	}
	return nil
}
func (g *Group) Dir() (*os.File, error) { return nil, nil }
func (g *Group) Delete(d time.Duration) error {
	for _, p := range g.paths {
		os.Remove(p)
	}
	return nil
}
func (g *Group) Mounts() []Mount {
	var out []Mount
	for _, c := range []string{"cpu", "cpuacct", "devices", "freezer", "blkio", "pids"} {
		out = append(out, Mount{c, c, g.paths[c], nil})
	}
	return out
}

func (g *Group) Tasks() []string {
	var out []string
	for _, p := range g.paths {
		out = append(out, p+"/tasks")
	}
	return out
}
