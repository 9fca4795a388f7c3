package system

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/engine"
	"github.com/minirun/minirun/internal/image"
)

// A Use is the disk usage of one kind of thing.
type Use struct {
	Type        string
	Total       int
	Active      int   // in use by a container, or running
	Size        int64 // bytes on disk
	Reclaimable int64
	Items       []Item
}

// An Item is one image, container or volume. Files that images have in common count for each.
type Item struct {
	Name   string
	ID     string
	Size   int64
	Active bool
}

// Measure returns the disk usage of images, containers and volumes. The build cache is that of
// minirun-image.
func Measure(e *engine.Engine) ([]Use, error) {
	list, err := e.List(true)
	if err != nil {
		return nil, err
	}
	named, err := e.Store.NamedImages()
	if err != nil {
		return nil, err
	}
	m := meter{}
	images := m.measureImages(groupImages(named), list)
	containers := m.measureContainers(e, list)
	volumes, err := m.measureVolumes(e, list)
	return []Use{images, containers, volumes}, err
}

// groupImages joins the entries of images that have several names.
func groupImages(all []image.NamedImage) (out []image.NamedImage) {
	for _, n := range all {
		i := slices.IndexFunc(out, func(o image.NamedImage) bool { return o.Manifest == n.Manifest })
		if i < 0 {
			out = append(out, n)
		} else if n.Name != "" {
			out[i].Name = strings.TrimPrefix(out[i].Name+", "+n.Name, ", ")
		}
	}
	return out
}

// A meter remembers the sizes of files and directories: images have them in common.
type meter map[string]int64

// size returns the number of bytes that a file or a directory takes on the disk. What disappears
// meanwhile takes none.
func (m meter) size(path string) int64 {
	if n, ok := m[path]; ok {
		return n
	}
	var total int64
	counted := map[uint64]bool{} // inodes with several names
	_ = filepath.WalkDir(path, func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // an unreadable or missing directory counts as empty
		}
		var st unix.Stat_t
		if err := unix.Lstat(p, &st); err == nil && !counted[st.Ino] {
			counted[st.Ino] = true
			total += st.Blocks * 512
		}
		return nil
	})
	m[path] = total
	return total
}

func (m meter) measureImages(images []image.NamedImage, containers []engine.Listed) Use {
	u := Use{Type: "Images", Total: len(images)}
	needed := map[string]bool{} // the files of all images, true if a container needs them
	for _, n := range images {
		one := Item{Name: n.Name, ID: n.ID, Active: slices.ContainsFunc(containers, func(l engine.Listed) bool {
			return l.ID == n.ID || l.Manifest == n.Manifest
		})}
		if one.Active {
			u.Active++
		}
		for _, path := range n.Files {
			one.Size += m.size(path)
			needed[path] = needed[path] || one.Active
		}
		u.Items = append(u.Items, one)
	}
	for path, inUse := range needed {
		u.Size += m.size(path)
		if !inUse {
			u.Reclaimable += m.size(path)
		}
	}
	return u
}

func (m meter) measureContainers(e *engine.Engine, list []engine.Listed) Use {
	u := Use{Type: "Containers", Total: len(list)}
	for _, l := range list {
		one := Item{Name: l.Container, ID: l.ID, Size: m.size(e.Store.Container(l.Container)), Active: l.Pid != 0}
		u.add(one)
	}
	return u
}

func (m meter) measureVolumes(e *engine.Engine, list []engine.Listed) (Use, error) {
	u := Use{Type: "Local Volumes"}
	names, err := volumeNames(e.Store.Dir)
	u.Total = len(names)
	for _, name := range names {
		dir := filepath.Join(e.Store.Dir, "volumes", name)
		u.add(Item{Name: name, Size: m.size(dir), Active: slices.ContainsFunc(list, func(l engine.Listed) bool {
			return mounts(e, l.Container, dir)
		})})
	}
	return u, err
}

// mounts reports whether a container's configuration refers to a directory of the host.
func mounts(e *engine.Engine, id, dir string) bool {
	text, err := os.ReadFile(filepath.Join(e.Store.Container(id), "config.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	return err != nil || strings.Contains(string(text), `"`+dir+`"`) || strings.Contains(string(text), `"`+dir+"/")
}

func (u *Use) add(i Item) {
	u.Items = append(u.Items, i)
	u.Size += i.Size
	if i.Active {
		u.Active++
	} else {
		u.Reclaimable += i.Size
	}
}
