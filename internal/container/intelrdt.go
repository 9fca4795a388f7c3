package container

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/resctrl"
)

// planIntelRdt decides the container's resctrl group, without a side effect.
func (c *Container) planIntelRdt() error {
	r := c.spec.Linux.IntelRdt
	if r == nil || c.purpose.otherHost != nil {
		return nil
	}
	find := c.purpose.findResctrl
	if find == nil {
		find = resctrl.Find
	}
	root, err := find()
	if err == nil {
		c.rdt, err = resctrl.Look(root, c.options.ID, r)
	}
	if err != nil {
		return fmt.Errorf("config.json: %s: %w", rdtSource(err), err)
	}
	return nil
}

// rdtSource returns the JSON path that an error is about.
func rdtSource(err error) string {
	var missing *resctrl.MissingError
	if errors.As(err, &missing) {
		return "linux.intelRdt.closID"
	}
	return "linux.intelRdt"
}

// makeRdt creates the container's resctrl group.
func (c *Container) makeRdt() error {
	if c.rdt == nil {
		return nil
	}
	begin := c.began()
	if err := c.rdt.Apply(); err != nil {
		c.IntelRdt = nil // Apply has removed what it made
		return fmt.Errorf("config.json: linux.intelRdt: %w", err)
	}
	c.did(begin, "prepare the resctrl group "+c.rdt.Control, "it divides the processor's caches and memory bandwidth", "linux.intelRdt")
	return nil
}

// joinRdt moves the container's first process into its group, before it has children.
func (c *Container) joinRdt() error {
	if c.IntelRdt == nil {
		return nil
	}
	if err := c.IntelRdt.Join(c.Pid); err != nil {
		return fmt.Errorf("config.json: linux.intelRdt: %w", err)
	}
	return nil
}

// joinRdt moves a process of exec into the container's group: it is a child of
// minirun, which is in another one.
func (e *execution) joinRdt() error {
	if e.record.IntelRdt == nil {
		return nil
	}
	if err := e.record.IntelRdt.Join(e.proc.Pid); err != nil {
		return fmt.Errorf("exec: join the container's resctrl group: %w", err)
	}
	return nil
}

// joinRdtRestored moves all processes that criu(8) has restored into the group.
func (c *Container) joinRdtRestored() error {
	if c.IntelRdt == nil {
		return nil
	}
	return c.joinAll(c.IntelRdt)
}

// removeUnusedRdt removes the group of a container that could not be created, if it
// has a closID and this process has created it.
func (c *Container) removeUnusedRdt() error {
	if c.rdt == nil || c.IntelRdt == nil || !c.rdt.Make || c.IntelRdt.Own {
		return nil
	}
	return c.IntelRdt.RemoveUnused()
}

// removeRdt removes what was created only for the container.
func (r *Record) removeRdt() error {
	if r.IntelRdt == nil {
		return nil
	}
	return r.IntelRdt.Remove()
}

// joinAll moves all processes of the container, with all their threads, into a group.
// New ones are created in their parent's, so the last round finds none.
func (r *Record) joinAll(g *resctrl.Group) error {
	joined := map[int]bool{}
	for range 100 {
		pids, err := r.processes()
		if err != nil {
			return err
		}
		found := false
		for _, tid := range threads(append(pids, r.Pid)) {
			if joined[tid] {
				continue
			}
			joined[tid], found = true, true
			if err := g.Join(tid); err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
		}
		if !found {
			return nil
		}
	}
	return errors.New("the container creates processes faster than they can be moved into its resctrl group")
}

// threads lists the threads of processes. A process that exited has none.
func threads(pids []int) (tids []int) {
	for _, pid := range pids {
		entries, _ := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/task")
		for _, e := range entries {
			if tid, err := strconv.Atoi(e.Name()); err == nil {
				tids = append(tids, tid)
			}
		}
	}
	return tids
}

// RdtSchemas are the values of `update` for a container's resctrl group; "" leaves one
// unchanged.
type RdtSchemas struct{ L3Cache, MemoryBandwidth string }

// flag returns the name of the flag for a schema.
func (s RdtSchemas) flag() string {
	if s.L3Cache != "" {
		return "--l3-cache-schema"
	}
	return "--mem-bw-schema"
}

// updateRdt writes schemas. A container without a group gets its own, as in runc. undo
// restores the old ones, if a later part of `update` fails.
func (h *held) updateRdt(s RdtSchemas, find func() (string, error)) (undo func() error, err error) {
	if s == (RdtSchemas{}) {
		return func() error { return nil }, nil
	}
	if h.IntelRdt != nil {
		return h.IntelRdt.Update(s.L3Cache, s.MemoryBandwidth)
	}
	root, err := find()
	if err != nil {
		return nil, err
	}
	p, err := resctrl.Look(root, h.ID, &specs.LinuxIntelRdt{L3CacheSchema: s.L3Cache, MemBwSchema: s.MemoryBandwidth})
	if err != nil {
		return nil, err
	}
	h.IntelRdt = &p.Group
	undo = func() error {
		h.IntelRdt = nil
		return errors.Join(p.Remove(), h.write(h.options().directory()))
	}
	if err := h.write(h.options().directory()); err != nil {
		return nil, err
	}
	if err := p.Apply(); err != nil {
		return nil, errors.Join(err, undo())
	}
	if err := h.joinAll(&p.Group); err != nil {
		return nil, errors.Join(err, undo())
	}
	return undo, nil
}

// options returns the options that identify the container.
func (h *held) options() *Options { return &Options{Root: h.root, ID: h.ID} }
