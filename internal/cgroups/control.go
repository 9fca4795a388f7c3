package cgroups

import (
	"context"
	"syscall"
	"time"
)

// State is what a group's processes are allowed to do.
type State int

const (
	Thawed State = iota + 1
	Freezing
	Frozen
	Deleted
)

func (g *Group) Procs() ([]int, error)                 { panic("in work") }
func (g *Group) AllProcs() ([]int, error)              { panic("in work") }
func (g *Group) Kill(sig syscall.Signal) error         { panic("in work") }
func (g *Group) Freeze(ctx context.Context) error      { panic("in work") }
func (g *Group) Thaw(ctx context.Context) error        { panic("in work") }
func (g *Group) State() (State, error)                 { panic("in work") }
func (g *Group) Delete(deadline time.Duration) error   { panic("in work") }
func (g *Group) Delegate(uid int) error                { panic("in work") }
func (g *Group) Mounts(h *Host, cgroupns bool) []Mount { panic("in work") }

// Mount is one mount a `cgroup` entry of config.json's mounts stands for.
type Mount struct {
	Name    string   // directory below the destination; "" is the destination itself (v2)
	Source  string   // directory to bind, below which the container's cgroup shows as the root; "" if FSType is mounted anew
	FSType  string   // "cgroup" or "cgroup2", if Source is ""
	Options string   // data of the new mount, e.g. "cpu,cpuacct"
	Aliases []string // symbolic links beside Name that point to it, e.g. "cpu" → "cpu,cpuacct"
}
