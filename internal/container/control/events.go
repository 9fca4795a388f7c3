package control

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups/group"
	"github.com/minirun/minirun/internal/cgroups/stats"
	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/resctrl"
)

// An Event is one line of `events`: statistics, or a report that the container ran out
// of memory.
type Event struct {
	Type string `json:"type"` // "stats" or "oom"
	ID   string `json:"id"`
	Data *Stats `json:"data,omitempty"`
}

// A Stats is one sample of a container's resource usage, in runc's format.
type Stats struct {
	stats.Stats
	IntelRdt resctrl.Stats `json:"intel_rdt"`
	// NetworkInterfaces exists because readers expect the key: minirun creates no
	// network interfaces whose usage could be reported.
	NetworkInterfaces []struct{} `json:"network_interfaces"`
}

// errStopped has runc's wording.
func errStopped(id string) error {
	return fmt.Errorf("container with id %s is not running", id)
}

// Sample returns one sample of a container's resource usage.
func Sample(root, id string) (*Event, error) {
	r, err := record.Read(root, id)
	if err != nil {
		return nil, err
	}
	pidfd, err := r.OpenProcess()
	if err != nil {
		return nil, err
	}
	if pidfd == nil {
		return nil, errStopped(id)
	}
	defer pidfd.Close()
	return sample(r)
}

func sample(r *record.Record) (*Event, error) {
	if len(r.Cgroups) == 0 {
		return nil, record.ErrNoCgroup
	}
	sample, err := stats.Read(group.Open(r.Cgroups))
	if err != nil {
		return nil, err
	}
	data := &Stats{Stats: *sample}
	if r.IntelRdt != nil {
		if data.IntelRdt, err = r.IntelRdt.Stats(); err != nil {
			return nil, err
		}
	}
	return &Event{"stats", r.ID, data}, nil
}

// Events calls emit with a sample at each interval and with an event each time the
// container runs out of memory, until its first process exits.
func Events(root, id string, interval time.Duration, emit func(*Event) error) error {
	r, err := record.Read(root, id)
	if err != nil {
		return err
	}
	pidfd, err := r.OpenProcess()
	if err != nil {
		return err
	}
	if pidfd == nil {
		return errStopped(id)
	}
	defer pidfd.Close()
	if len(r.Cgroups) == 0 {
		return record.ErrNoCgroup
	}
	watch, err := stats.WatchOOM(group.Open(r.Cgroups))
	if err != nil {
		return err
	}
	defer watch.Close()
	return watchEvents(r, pidfd, watch, interval, emit)
}

func watchEvents(r *record.Record, pidfd *os.File, watch *stats.OOMWatch, interval time.Duration,
	emit func(*Event) error) error {
	fds := []unix.PollFd{{Fd: int32(pidfd.Fd()), Events: unix.POLLIN}, {Fd: int32(watch.FD), Events: unix.POLLIN}}
	next := time.Now().Add(interval)
	for {
		left := max(0, time.Until(next))
		n, err := unix.Poll(fds, int((left+time.Millisecond-1)/time.Millisecond))
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait for events: %w", err)
		}
		// First, so that the out-of-memory event that ended the container is reported.
		oom, there, err := watch.Read()
		if err != nil {
			return err
		}
		if oom {
			if err := emit(&Event{Type: "oom", ID: r.ID}); err != nil {
				return err
			}
		}
		if !there || n > 0 && fds[0].Revents != 0 {
			return nil
		}
		if time.Now().Before(next) {
			continue
		}
		// A slow reader does not have to catch up.
		if next = next.Add(interval); next.Before(time.Now()) {
			next = time.Now().Add(interval)
		}
		event, err := sample(r)
		if err == nil {
			err = emit(event)
		}
		if err != nil {
			return err
		}
	}
}
