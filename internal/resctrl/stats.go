package resctrl

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Stats are what `events` reports about a container's group, with runc's names.
// Without a group it is empty.
type Stats struct {
	L3Cache             *L3Cache    `json:"l3_cache_info,omitempty"`
	L3SchemaRoot        string      `json:"l3_cache_schema_root,omitempty"`
	L3Schema            string      `json:"l3_cache_schema,omitempty"`
	Bandwidth           *Bandwidth  `json:"mem_bw_info,omitempty"`
	BandwidthSchemaRoot string      `json:"mem_bw_schema_root,omitempty"`
	BandwidthSchema     string      `json:"mem_bw_schema,omitempty"`
	Traffic             []Traffic   `json:"mbm_stats,omitempty"`
	Occupancy           []Occupancy `json:"cmt_stats,omitempty"`
}

// L3Cache describes how the processor can divide its caches.
type L3Cache struct {
	Mask      string `json:"cbm_mask,omitempty"`
	MinBits   uint64 `json:"min_cbm_bits,omitempty"`
	NumGroups uint64 `json:"num_closids,omitempty"`
}

// Bandwidth describes how the processor can divide memory bandwidth.
type Bandwidth struct {
	Granularity uint64 `json:"bandwidth_gran,omitempty"`
	Linear      uint64 `json:"delay_linear,omitempty"`
	Min         uint64 `json:"min_bandwidth,omitempty"`
	NumGroups   uint64 `json:"num_closids,omitempty"`
}

// Traffic is the memory traffic through one cache.
type Traffic struct {
	Total uint64 `json:"mbm_total_bytes"`
	Local uint64 `json:"mbm_local_bytes"`
}

// Occupancy is the usage of one cache.
type Occupancy struct {
	Bytes uint64 `json:"llc_occupancy"`
}

// Stats samples the group. The counters are those of the container's own monitoring
// group, or of a group that has no other processes.
func (g *Group) Stats() (Stats, error) {
	r := &reader{}
	var s Stats
	info := filepath.Join(g.Root, "info")
	cache := filepath.Join(info, "L3")
	if !isDirectory(cache) {
		cache = filepath.Join(info, "L3CODE") // with code and data prioritization
	}
	if isDirectory(cache) {
		s.L3Cache = &L3Cache{r.text(cache, "cbm_mask"), r.number(cache, "min_cbm_bits"), r.number(cache, "num_closids")}
	}
	if dir := filepath.Join(info, "MB"); isDirectory(dir) {
		s.Bandwidth = &Bandwidth{
			r.number(dir, "bandwidth_gran"), r.number(dir, "delay_linear"),
			r.number(dir, "min_bandwidth"), r.number(dir, "num_closids"),
		}
	}
	s.L3SchemaRoot, s.BandwidthSchemaRoot = splitSchemata(r.text(g.Root, "schemata"))
	s.L3Schema, s.BandwidthSchema = splitSchemata(r.text(g.Control, "schemata"))
	counted := g.Monitor
	if counted == "" && g.Private {
		counted = g.Control
	}
	if counted != "" {
		s.readCounters(r, counted)
	}
	if r.err != nil {
		return Stats{}, fmt.Errorf("read the statistics of the resctrl group: %w", r.err)
	}
	return s, nil
}

// readCounters reads the counters, one directory for each cache.
func (s *Stats) readCounters(r *reader, group string) {
	data := filepath.Join(group, "mon_data")
	entries, err := os.ReadDir(data) // sorted
	if err != nil && !errors.Is(err, fs.ErrNotExist) && r.err == nil {
		r.err = err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "mon_L3_") {
			continue
		}
		cache := filepath.Join(data, e.Name())
		if isFile(cache, "mbm_total_bytes") || isFile(cache, "mbm_local_bytes") {
			s.Traffic = append(s.Traffic, Traffic{r.number(cache, "mbm_total_bytes"), r.number(cache, "mbm_local_bytes")})
		}
		if isFile(cache, "llc_occupancy") {
			s.Occupancy = append(s.Occupancy, Occupancy{r.number(cache, "llc_occupancy")})
		}
	}
}

func isFile(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name))
	return err == nil
}

// splitSchemata finds the lines of the caches and of the bandwidth.
func splitSchemata(file string) (cache, bandwidth string) {
	var caches []string
	for line := range strings.Lines(file) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "L3"):
			caches = append(caches, line)
		case strings.HasPrefix(line, "MB:"):
			bandwidth = line
		}
	}
	return strings.Join(caches, "\n"), bandwidth
}

// reader records the first error. A missing file is one that this processor does not
// have.
type reader struct{ err error }

func (r *reader) text(dir, name string) string {
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) && r.err == nil {
		r.err = err
	}
	return strings.TrimSpace(string(data))
}

// number reads a counter. The kernel shows "Unavailable" or "Error" for one that has
// no value now.
func (r *reader) number(dir, name string) uint64 {
	text := r.text(dir, name)
	if text == "" || text == "Unavailable" || text == "Error" {
		return 0
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("%s: %q is not a number", filepath.Join(dir, name), text)
	}
	return n
}
