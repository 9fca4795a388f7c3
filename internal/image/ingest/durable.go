package ingest

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

// This file owns what is left after a machine has lost power.
//
// The layers of a build's steps are not synced one by one: that would cost each
// step more than it takes. Their names may be on the disk, then, while their files
// are still empty. So layer.json says in which boot and when the files were whole,
// and build/synced until when everything of a boot was on the disk. A layer of this
// boot is what it says, since the kernel has it; one of another boot only if a sync
// came after it. What is not, is made again.
//
// An image's layers are synced before the image has a name.

// A Moment is a time in one run of the kernel. The clock is one that nobody sets.
type Moment struct {
	Boot string `json:"boot,omitempty"`
	At   int64  `json:"at,omitempty"` // nanoseconds since the machine was booted
}

// bootID is where the kernel says which boot this is. A test has another one.
var bootID = "/proc/sys/kernel/random/boot_id"

// Now is the present moment.
func Now() (m Moment, err error) {
	text, err := os.ReadFile(bootID)
	if err != nil {
		return m, fmt.Errorf("which boot this is: %w", err)
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return m, fmt.Errorf("clock_gettime: %w", err)
	}
	return Moment{strings.TrimSpace(string(text)), now.Nano()}, nil
}

func (s *Store) syncedFile() string { return filepath.Join(s.Dir, "build", "synced") }

// maxBoots is how many boots are remembered: the layers of one that is forgotten
// are made again.
const maxBoots = 64

// synced reads the last sync of each boot, oldest boot first.
func (s *Store) synced() (out []Moment, err error) {
	text, err := os.ReadFile(s.syncedFile())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		boot, at, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		n, err := strconv.ParseInt(at, 10, 64)
		if ok && err == nil && strings.HasSuffix(line, "\n") { // a line that is cut off says nothing
			out = append(out, Moment{boot, n})
		}
	}
	return out, nil
}

// onDisk says whether a layer was synced; who unpacks one does so himself.
func onDisk(l *Layer, synced []Moment) bool {
	return l.Made.Boot == "" || slices.ContainsFunc(synced, func(m Moment) bool { return m.Boot == l.Made.Boot && m.At > l.Made.At })
}

// A Trust tells layers that are whole from those that lost power may have emptied.
type Trust struct {
	store  *Store
	now    func() (Moment, error)
	synced func() ([]Moment, error)
}

// Trust looks at the clock and at build/synced once, if it has to.
func (s *Store) Trust() *Trust {
	return &Trust{s, sync.OnceValues(Now), sync.OnceValues(s.synced)}
}

// Whole says whether a layer's directory has what it should have.
func (t *Trust) Whole(dir string) (bool, error) {
	l, err := readLayer(dir)
	if err != nil {
		return false, nil // none, or an empty layer.json
	}
	if l.Made.Boot == "" {
		return true, nil
	}
	now, err := t.now()
	if err != nil || l.Made.Boot == now.Boot {
		return err == nil, err
	}
	synced, err := t.synced()
	return err == nil && onDisk(l, synced), err
}

// Settle makes layers last that builds have made: directories of the store's layers.
// One sync of the file system is for all of them, and for those that no image has.
func (s *Store) Settle(dirs []string) error {
	synced, err := s.synced()
	if err != nil {
		return err
	}
	all := true
	for _, dir := range dirs {
		l, err := readLayer(dir)
		if err != nil {
			return err
		}
		all = all && onDisk(l, synced)
	}
	if all {
		return nil
	}
	now, err := Now() // before: what is written meanwhile may miss the sync
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
	return s.Replace(s.syncedFile(), []byte(text.String())) // not synced itself: without it, layers are made again
}
