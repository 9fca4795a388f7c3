// Package usage implements `stats`: what containers use, as numbers and as a live table.
//
//	sample.go  one sample of all containers, and what was used since the one before
//	table.go   the placeholders of --format
//	screen.go  the live table on a terminal
package usage

import (
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups/stats"
	"github.com/minirun/minirun/internal/container/control"
	"github.com/minirun/minirun/internal/engine"
)

// A Usage is what one container uses.
type Usage struct {
	Container engine.Listed
	Counted   bool // false if it does not run, or has no cgroup

	CPU                   float64 // in percent of one CPU
	Memory, MemoryLimit   uint64
	Received, Transmitted uint64 // on all network devices but lo
	Read, Written         uint64 // on block devices
	PIDs                  uint64
}

// A sampler takes samples of the same containers again and again.
type sampler struct {
	engine *engine.Engine
	names  []string // of containers; nil: those that run
	all    bool     // without names: all containers

	last map[string]reading
}

// A reading is the CPU time of a container's first process and its children at one moment.
type reading struct {
	pid int
	cpu uint64 // nanoseconds
	at  time.Time
}

// newSampler checks the options and takes the first sample.
func newSampler(e *engine.Engine, o *Options) (*sampler, error) {
	s := &sampler{engine: e, names: o.Names, all: o.All}
	if o.Format != "table" && o.Format != "json" {
		if err := o.table([]Usage{{}}).Write(io.Discard, o.Format); err != nil {
			return nil, err
		}
	}
	_, err := s.sample()
	return s, err
}

// sample takes a sample.
func (s *sampler) sample() ([]Usage, error) {
	list, err := s.containers()
	if err != nil {
		return nil, err
	}
	now := map[string]reading{}
	out := []Usage{}
	for _, l := range list {
		u := Usage{Container: l}
		if event, err := control.Sample(s.engine.Root, l.Container); err == nil && l.IsRunning() {
			r := reading{l.Pid, event.Data.CPU.Usage.Total, time.Now()}
			u.fill(&event.Data.Stats, hostMemory())
			u.CPU = r.since(s.last[l.Container])
			u.Received, u.Transmitted = network(l.Pid)
			now[l.Container] = r
		}
		out = append(out, u)
	}
	s.last = now
	return out, nil
}

// containers returns the containers that are shown.
func (s *sampler) containers() ([]engine.Listed, error) {
	if s.names == nil {
		return s.engine.List(s.all)
	}
	var out []engine.Listed
	for _, name := range s.names {
		l, err := s.engine.Status(name)
		if errors.Is(err, engine.ErrNoContainer) && s.last != nil {
			continue // removed since
		}
		if err != nil {
			return nil, err
		}
		out = append(out, *l)
	}
	return out, nil
}

// since returns the use of CPUs since the reading before, in percent of one CPU; 0 if there is none.
func (r reading) since(before reading) float64 {
	elapsed := r.at.Sub(before.at)
	if before.pid != r.pid || elapsed <= 0 || r.cpu < before.cpu {
		return 0
	}
	return float64(r.cpu-before.cpu) / float64(elapsed) * 100
}

// fill takes the numbers from a sample of the cgroup. As in docker, files that the kernel may drop at
// any time are not used memory.
func (u *Usage) fill(s *stats.Stats, hostMemory uint64) {
	u.Counted = true
	inactive, ok := s.Memory.Raw["total_inactive_file"] // version 1
	if !ok {
		inactive = s.Memory.Raw["inactive_file"]
	}
	u.Memory, u.MemoryLimit = s.Memory.Usage.Usage, s.Memory.Usage.Limit
	if inactive < u.Memory {
		u.Memory -= inactive
	}
	if u.MemoryLimit == 0 || u.MemoryLimit > hostMemory {
		u.MemoryLimit = hostMemory
	}
	for _, entry := range s.Blkio.ServiceBytes {
		switch strings.ToLower(entry.Op) {
		case "read":
			u.Read += entry.Value
		case "write":
			u.Written += entry.Value
		}
	}
	u.PIDs = s.Pids.Current
}

// hostMemory returns the size of the host's memory.
func hostMemory() uint64 {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0
	}
	return info.Totalram * uint64(info.Unit)
}

// network returns what a process's network devices have received and transmitted. The host's are not
// the container's.
func network(pid int) (received, transmitted uint64) {
	proc := "/proc/" + strconv.Itoa(pid)
	own, err := os.Readlink("/proc/self/ns/net")
	if its, errIts := os.Readlink(proc + "/ns/net"); err != nil || errIts != nil || its == own {
		return 0, 0
	}
	text, err := os.ReadFile(proc + "/net/dev")
	if err != nil {
		return 0, 0
	}
	return parseNetDev(string(text))
}

// parseNetDev adds up the devices in a file like /proc/net/dev (proc_pid_net(5)).
func parseNetDev(text string) (received, transmitted uint64) {
	for line := range strings.Lines(text) {
		name, numbers, ok := strings.Cut(line, ":")
		fields := strings.Fields(numbers)
		if !ok || strings.TrimSpace(name) == "lo" || len(fields) < 9 {
			continue
		}
		in, errIn := strconv.ParseUint(fields[0], 10, 64)
		out, errOut := strconv.ParseUint(fields[8], 10, 64)
		if errIn == nil && errOut == nil {
			received, transmitted = received+in, transmitted+out
		}
	}
	return received, transmitted
}
