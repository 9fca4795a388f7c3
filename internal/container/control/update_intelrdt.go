package control

import (
	"errors"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/resctrl"
)

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

// UpdateRdt writes schemas. A container without a group gets its own, as in runc. undo
// restores the old ones, if a later part of `update` fails.
func UpdateRdt(h *record.Locked, s RdtSchemas, find func() (string, error)) (undo func() error, err error) {
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
	p, err := resctrl.NewPlan(root, h.ID, &specs.LinuxIntelRdt{L3CacheSchema: s.L3Cache,
		MemBwSchema: s.MemoryBandwidth})
	if err != nil {
		return nil, err
	}
	h.IntelRdt = &p.Group
	undo = func() error {
		h.IntelRdt = nil
		return errors.Join(p.Remove(), h.Write(h.Dir()))
	}
	if err := h.Write(h.Dir()); err != nil {
		return nil, err
	}
	if err := p.Apply(); err != nil {
		return nil, errors.Join(err, undo())
	}
	if err := h.JoinAll(&p.Group); err != nil {
		return nil, errors.Join(err, undo())
	}
	return undo, nil
}
