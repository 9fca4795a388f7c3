package stats

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups/cgroupfs"
	"github.com/minirun/minirun/internal/cgroups/group"
)

// OOMWatch reports processes killed because the group ran out of memory: with v1, an
// eventfd on memory.oom_control (Linux 2.6.34, admin-guide/cgroup-v1/memory.rst, "OOM
// Control"), with v2, inotify(7) on memory.events.
type OOMWatch struct {
	// FD becomes readable when there may be something to [OOMWatch.Read], and when the
	// cgroup is removed. It does not block.
	FD int

	v2     bool
	file   string // exists as long as the cgroup does
	kills  uint64 // v2: the last count
	opened []int
}

// WatchOOM starts to watch a group; Close stops it. A group whose memory is not counted never
// has anything to report: FD is -1 in that case, which poll(2) ignores.
func WatchOOM(g *group.Group) (*OOMWatch, error) {
	w := &OOMWatch{FD: -1}
	var err error
	if dir := g.V1Directory("memory"); dir != "" {
		w.file = dir + "/memory.oom_control"
		err = w.openV1(dir)
	} else if dir := g.V2Directory(); dir != "" {
		w.v2, w.file = true, dir+"/memory.events"
		if exists(w.file) { // a hybrid host's v2 tree may lack the controller
			err = w.openV2()
		}
	}
	if err != nil {
		w.Close()
		return nil, fmt.Errorf("watch for out of memory: %w", err)
	}
	return w, nil
}

func (w *OOMWatch) openV1(dir string) error {
	control, err := unix.Open(w.file, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: w.file, Err: err}
	}
	w.opened = append(w.opened, control)
	if w.FD, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return fmt.Errorf("eventfd: %w", err)
	}
	w.opened = append(w.opened, w.FD)
	return cgroupfs.WriteText(dir+"/cgroup.event_control", fmt.Sprintf("%d %d", w.FD, control))
}

func (w *OOMWatch) openV2() (err error) {
	if w.FD, err = unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK); err != nil {
		return fmt.Errorf("inotify_init1: %w", err)
	}
	w.opened = append(w.opened, w.FD)
	if _, err := unix.InotifyAddWatch(w.FD, w.file, unix.IN_MODIFY); err != nil {
		return fmt.Errorf("inotify_add_watch %s: %w", w.file, err)
	}
	w.kills, err = w.countKills()
	return err
}

// countKills returns the number of processes killed so far, for v2.
func (w *OOMWatch) countKills() (uint64, error) {
	kills, err := readKills(w.file)
	if err != nil && cgroupfs.IsGone(err) {
		return w.kills, nil
	}
	return kills, err
}

// readKills reads the number of processes killed so far from memory.events or
// memory.oom_control, which have had it since Linux 4.13.
func readKills(file string) (uint64, error) {
	text, err := cgroupfs.ReadText(file)
	if err != nil {
		return 0, err
	}
	r := &reader{}
	for line := range strings.Lines(text) {
		if n, ok := strings.CutPrefix(line, "oom_kill "); ok {
			return r.parse(file, n), r.err
		}
	}
	return 0, nil
}

// ReadOOM returns how many processes of the group the kernel has killed because there was no
// memory left, and the group's limit. Without a count of memory there are none.
func ReadOOM(g *group.Group) (kills, limit uint64, err error) {
	events, max := "", ""
	if dir := g.V1Directory("memory"); dir != "" {
		events, max = dir+"/memory.oom_control", dir+"/memory.limit_in_bytes"
	} else if dir := g.V2Directory(); dir != "" && exists(dir+"/memory.events") {
		events, max = dir+"/memory.events", dir+"/memory.max"
	} else {
		return 0, 0, nil
	}
	if kills, err = readKills(events); err != nil || kills == 0 {
		return 0, 0, err
	}
	r := &reader{}
	limit = r.number(max)
	return kills, limit, r.err
}

// Read reports whether the group ran out of memory since the last Read, and whether it
// still exists.
func (w *OOMWatch) Read() (oom, groupExists bool, err error) {
	if w.FD < 0 {
		return false, true, nil
	}
	buf := make([]byte, 4096)
	n, err := unix.Read(w.FD, buf)
	if err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
		return false, false, fmt.Errorf("wait for out of memory: %w", err)
	}
	if w.v2 {
		kills, err := w.countKills()
		oom, w.kills = kills > w.kills, kills
		return oom, exists(w.file), err
	}
	groupExists = exists(w.file)
	times := uint64(0)
	if n == 8 {
		times = binary.NativeEndian.Uint64(buf)
	}
	// The eventfd is also signaled when the cgroup is removed.
	return times > 1 || times == 1 && groupExists, groupExists, nil
}

// Close closes the descriptors.
func (w *OOMWatch) Close() {
	for _, fd := range w.opened {
		_ = unix.Close(fd)
	}
	w.opened = nil
}
