package executor

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	continuity "github.com/containerd/continuity/fs"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/flock"
	"github.com/minirun/minirun/internal/namespaces"
)

// A cache is a directory that is kept from one step to the next:
//
//	S/build/cache-mounts/SHA256/id      its identity; the directory is named by its digest
//	S/build/cache-mounts/SHA256/fs      the directory; private ones: fs.1, fs.2 …
//	S/build/cache-mounts/SHA256/lock    held while fs is in use; lock.1 …
//
// An ID may be any text, so only its digest is used as a name.
type cache struct {
	dir  string
	lock *os.File
}

// cacheDir returns the directory of the cache with an identity.
func (e *Executor) cacheDir(identity string) string {
	sum := sha256.Sum256([]byte(identity))
	return filepath.Join(e.Store.Dir, "build", "cache-mounts", hex.EncodeToString(sum[:]))
}

// cacheIdentity returns what distinguishes a cache from all others, as in BuildKit: its ID,
// and its initial content. A directory that was created for one owner is of no use to a
// program that runs as a different user. Without options the identity is just the ID. A cache
// that starts with the files of a stage has the stage's owner and mode; layers are those of
// the stage.
func cacheIdentity(m *graph.Mount, layers []string) string {
	id := m.ID
	if id == "" {
		id = filepath.Clean(m.Target)
	}
	switch {
	case m.From != nil:
		return fmt.Sprintf("%s\nsource %s\nfrom %s", id, filepath.Clean("/"+m.Source), strings.Join(layers, " "))
	case m.Described:
		return fmt.Sprintf("%s\nuid %d gid %d mode %o", id, m.UID, m.GID, m.Mode&0o7777)
	}
	return id
}

// takeCaches waits until the step may use its caches. All steps lock theirs in the same order.
func (r *stepRun) takeCaches(ctx context.Context) error {
	wanted := map[string]string{}
	for i := range r.step.Op.Mounts {
		m := &r.step.Op.Mounts[i]
		if m.Type != "cache" {
			continue
		}
		identity := cacheIdentity(m, r.step.Mounts[i].Layers)
		wanted[identity] = stricterSharing(wanted[identity], m.Sharing)
	}
	r.caches = map[string]*cache{}
	for _, identity := range slices.Sorted(maps.Keys(wanted)) {
		c, err := takeCache(ctx, r.executor.cacheDir(identity), identity, wanted[identity])
		if err != nil {
			id, _, _ := strings.Cut(identity, "\n")
			return fmt.Errorf("cannot lock the cache of --mount=type=cache,id=%s: %w", id, err)
		}
		r.caches[identity] = c
	}
	return nil
}

// stricterSharing returns the stricter sharing mode, for a step that has the same cache twice.
func stricterSharing(a, b string) string {
	for _, s := range []string{"locked", "private"} {
		if a == s || b == s {
			return s
		}
	}
	return "shared"
}

func takeCache(ctx context.Context, dir, identity, sharing string) (*cache, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "id"), []byte(identity), 0o600); err != nil {
		return nil, err
	}
	for n := 0; ; n++ {
		suffix := ""
		if n > 0 {
			suffix = "." + strconv.Itoa(n)
		}
		lock, err := os.OpenFile(filepath.Join(dir, "lock"+suffix), os.O_RDONLY|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		switch sharing {
		case "private":
			err = flock.Lock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		case "locked":
			err = flock.Wait(ctx, lock, unix.LOCK_EX)
		default:
			err = flock.Wait(ctx, lock, unix.LOCK_SH)
		}
		if err == nil {
			return &cache{filepath.Join(dir, "fs"+suffix), lock}, nil
		}
		_ = lock.Close()
		if sharing != "private" || !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, err
		}
	}
}

// addCacheMount mounts a cache, and creates it if it does not exist yet.
func (r *stepRun) addCacheMount(i int, m *graph.Mount) error {
	c := r.caches[cacheIdentity(m, r.step.Mounts[i].Layers)]
	flags := unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Open(c.dir, flags, 0)
	if errors.Is(err, unix.ENOENT) {
		if err := r.createCache(i, m, c.dir); err != nil {
			return err
		}
		fd, err = unix.Open(c.dir, flags, 0)
	}
	if err != nil {
		return &os.PathError{Op: "open", Path: c.dir, Err: err}
	}
	f := os.NewFile(uintptr(fd), c.dir)
	defer f.Close()
	name := r.bundle("mnt", strconv.Itoa(i))
	if err := bindDescriptor(f, true, name); err != nil {
		return err
	}
	r.addBind(bindSource{path: name, target: m.Target, readOnly: m.ReadOnly})
	return nil
}

// createCache creates a cache atomically.
func (r *stepRun) createCache(i int, m *graph.Mount, dir string) error {
	aside := filepath.Join(r.dir, "cache-"+strconv.Itoa(i))
	var err error
	if m.From == nil {
		err = createEmptyCache(aside, m)
	} else {
		err = r.copyCache(aside, i, m)
	}
	if err != nil {
		return fmt.Errorf("cannot create the cache: %w", err)
	}
	err = unix.Renameat2(unix.AT_FDCWD, aside, unix.AT_FDCWD, dir, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EEXIST) {
		return nil // another step created it first; this one is removed with the step
	}
	if err != nil {
		return &os.PathError{Op: "rename to", Path: dir, Err: err}
	}
	return nil
}

func createEmptyCache(dir string, m *graph.Mount) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if err := unix.Chown(dir, m.UID, m.GID); err != nil {
		return namespaces.OwnerError(m.UID, m.GID, err)
	}
	mode := m.Mode & 0o7777
	if mode == 0 && !m.Described {
		mode = 0o755
	}
	return unix.Chmod(dir, mode)
}

// copyCache fills a new cache from another file system. Nothing writes to either of them
// meanwhile.
func (r *stepRun) copyCache(dir string, i int, m *graph.Mount) error {
	tree, err := r.mountTree(i, true)
	if err != nil {
		return err
	}
	from, err := openIn(tree, m.Source)
	if err != nil {
		return err
	}
	defer from.Close()
	if info, err := from.Stat(); err != nil || !info.IsDir() {
		return errors.Join(err, fmt.Errorf("%s is not a directory in its source", m.Source))
	}
	return continuity.CopyDir(dir, fmt.Sprintf("/proc/self/fd/%d/.", from.Fd()))
}
