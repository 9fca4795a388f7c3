package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// This file handles power failures.
//
// The layers of a build's steps are not synced one by one, which would take longer than the steps
// themselves. After a power failure their names may be on disk while their files are empty.
// Therefore layer.json records in which boot and at what time the files were complete, and
// build/synced records until when everything of a boot was on disk. A layer created in this boot
// can be trusted, since the kernel has its data. One created in another boot can be trusted only if
// a sync followed. All other layers are built again.
//
// An image's layers are synced before the image gets a name.

// A Moment is a time within one boot, on a clock that cannot be set.
type Moment struct {
	Boot string `json:"boot,omitempty"`
	At   int64  `json:"at,omitempty"` // nanoseconds since boot
}

// bootID is the file with the ID of the current boot. Tests replace it.
var bootID = "/proc/sys/kernel/random/boot_id"

// Now returns the current moment.
func Now() (m Moment, err error) {
	text, err := os.ReadFile(bootID)
	if err != nil {
		return m, fmt.Errorf("cannot read the boot ID: %w", err)
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return m, fmt.Errorf("clock_gettime: %w", err)
	}
	return Moment{strings.TrimSpace(string(text)), now.Nano()}, nil
}

func (s *Store) syncedFile() string { return filepath.Join(s.Dir, "build", "synced") }

// maxBoots is how many boots are remembered. Layers of older boots are built again.
const maxBoots = 64

// readSynced reads the last sync of each boot, oldest boot first.
func (s *Store) readSynced() (out []Moment, err error) {
	text, err := os.ReadFile(s.syncedFile())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		boot, at, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		n, err := strconv.ParseInt(at, 10, 64)
		if ok && err == nil && strings.HasSuffix(line, "\n") { // a truncated line is ignored
			out = append(out, Moment{boot, n})
		}
	}
	return out, nil
}

// isSynced reports whether a layer was synced. Unpacking an image syncs its layers right away.
func isSynced(l *Layer, synced []Moment) bool {
	return l.Made.Boot == "" || slices.ContainsFunc(synced, func(m Moment) bool {
		return m.Boot == l.Made.Boot &&
			m.At > l.Made.At
	})
}

// A Trust distinguishes complete layers from those that a power failure may have emptied.
type Trust struct {
	store  *Store
	now    func() (Moment, error)
	synced func() ([]Moment, error)
}

// Trust returns a new Trust, which reads the clock and build/synced at most once, when needed.
func (s *Store) Trust() *Trust {
	return &Trust{s, sync.OnceValues(Now), sync.OnceValues(s.readSynced)}
}

// IsComplete reports whether a layer's directory is complete.
func (t *Trust) IsComplete(dir string) (bool, error) {
	l, err := readLayer(dir)
	if err != nil {
		return false, nil // layer.json is missing or empty
	}
	if l.Made.Boot == "" {
		return true, nil
	}
	now, err := t.now()
	if err != nil || l.Made.Boot == now.Boot {
		return err == nil, err
	}
	synced, err := t.synced()
	return err == nil && isSynced(l, synced), err
}

// SyncLayers syncs layers that builds have created, given by their directories in the store. One sync
// of the file system covers all of them, including those that belong to no image.
func (s *Store) SyncLayers(dirs []string) error {
	synced, err := s.readSynced()
	if err != nil {
		return err
	}
	all := true
	for _, dir := range dirs {
		l, err := readLayer(dir)
		if err != nil {
			return err
		}
		all = all && isSynced(l, synced)
	}
	if all {
		return nil
	}
	now, err := Now() // before the sync, which may miss what is written meanwhile
	if err != nil {
		return err
	}
	if err := syncFiles(s.Dir); err != nil {
		return fmt.Errorf("sync the store: %w", err)
	}
	synced = append(slices.DeleteFunc(synced, func(m Moment) bool { return m.Boot == now.Boot }), now)
	var text strings.Builder
	for _, m := range synced[max(0, len(synced)-maxBoots):] {
		fmt.Fprintf(&text, "%s %d\n", m.Boot, m.At)
	}
	return s.Replace(s.syncedFile(), []byte(text.String())) // not synced itself: if it is lost, layers are built again
}
