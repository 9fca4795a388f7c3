package solver

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/build/export"
	"github.com/minirun/minirun/internal/build/filecopy"
	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/build/remotecache"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/overlay"
	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/retry"
)

// A making holds the progress of one step.
type making struct {
	n       *graph.Node
	id      int
	parent  *state
	begun   time.Time
	asked   digest.Digest // the first key
	recipe  recipe
	sources *sources // of a COPY, if its files were read
	hit     string   // why it was a cache hit
}

// step builds a layer, or finds it in the cache.
func (v *solving) step(ctx context.Context, n *graph.Node) (*state, error) {
	m := &making{n: n, parent: v.of(n.Parent), begun: time.Now()}
	m.id = v.begin(n)
	r, cached, err := v.findOrMake(retry.WithLines(ctx, func(p []byte) { v.Sink.Output(m.id, p) }), m)
	var fetched []Fetched
	if m.sources != nil {
		for _, p := range m.sources.parts {
			if p.fetched != nil {
				fetched = append(fetched, p.fetched.was())
			}
		}
		m.sources.close()
	}
	v.Sink.End(m.id, cached, err)
	if err != nil {
		return nil, err
	}
	layer := export.Layer{Dir: filepath.Join(v.layerDir(r.Layer), "fs"), Key: r.name()}
	s := Step{Cached: cached, Key: r.Result, Took: time.Since(m.begun), Made: r.Made, Layer: layer.Dir, Below: m.parent.dirs(), Fetched: fetched}
	s.Shared = &remotecache.Step{Record: remotecache.Record{Keys: r.Keys, Result: r.Result, Text: n.Text}, Made: layer, Away: r.away}
	if s.Reason = m.hit; !cached {
		s.Reason, s.Changed = v.why(n, m.recipe)
	}
	v.noted(n, m.recipe)
	v.note(n, s)
	out := &state{result: m.result(r), layers: append(slices.Clone(m.parent.layers), layer), absent: slices.Clone(m.parent.absent)}
	if r.away != nil {
		out.absent = append(out.absent, v.absent(m, r, layer))
	}
	return out, nil
}

// result identifies the file system after a step: the step's own result, or, if its layer does
// not depend on the layers below, that layer combined with them.
func (m *making) result(r *Record) digest.Digest {
	if op, ok := m.n.Op.(*graph.Copy); ok && op.Link {
		return recipe{{"the step before", m.parent.result.String()}, {"linked", r.Result.String()}}.key()
	}
	return r.Result
}

// findOrMake looks up the first key in the cache, then the second, and then builds the layer.
// Two builds that need the same layer do not build it twice.
func (v *solving) findOrMake(ctx context.Context, m *making) (r *Record, cached bool, err error) {
	m.recipe = v.asked(m)
	m.asked = m.recipe.key()
	fresh := v.fresh(m.n)
	if !fresh && !v.mustLook(m.n) {
		if r, err := v.found(m, m.asked); r != nil || err != nil {
			m.hit = "neither it nor what comes before it has changed"
			if r != nil && len(r.Files) > 0 {
				m.recipe = m.recipe.looked(r.Files)
			}
			return r, true, err
		}
	}
	select {
	case v.jobs <- struct{}{}:
		defer func() { <-v.jobs }()
	case <-ctx.Done():
		return nil, false, context.Cause(ctx)
	}
	files, err := v.look(ctx, m)
	if err != nil {
		return nil, false, err
	}
	m.recipe = m.recipe.looked(files)
	key := m.recipe.key()
	lock, err := v.Store.LockObject(ctx, "step-"+key.Encoded())
	if err != nil {
		return nil, false, err
	}
	defer lock.Unlock()
	if fresh {
		r = v.madeHere(key)
	} else if r, err = v.found(m, key); err != nil {
		return nil, false, err
	}
	if m.hit = "it reads the same files as before"; !v.mustLook(m.n) {
		m.hit += ", although the steps that made them ran again"
	}
	if cached = r != nil; !cached {
		if r, err = v.make(ctx, m, key); err != nil {
			return nil, false, err
		}
	}
	r.Keys = v.keys(m, key)
	if m.asked != key && !v.mustLook(m.n) && r.away == nil {
		also := *r
		also.Key, also.Files = m.asked, files
		err = v.put(&also)
	}
	return r, cached, err
}

// found looks for a record in this store, then in the others.
func (v *solving) found(m *making, key digest.Digest) (*Record, error) {
	r, err := v.find(key)
	if r == nil && err == nil {
		r = v.imported(m, key)
	}
	if r != nil && r.Keys == nil {
		r.Keys = []digest.Digest{key}
	}
	return r, err
}

// keys returns the keys that may find a step.
func (v *solving) keys(m *making, looked digest.Digest) []digest.Digest {
	if m.asked == looked || v.mustLook(m.n) {
		return []digest.Digest{looked}
	}
	return []digest.Digest{m.asked, looked}
}

// fresh reports whether a step must not use the cache.
func (v *solving) fresh(n *graph.Node) bool {
	label := "" // for a context that is copied for a mount
	if n.Stage != nil {
		label = n.Stage.Label()
	}
	return v.NoCache != nil && v.NoCache(label)
}

// mustLook reports whether a step reads inputs that may have changed since the last build: a
// context, or something fetched.
func (v *solving) mustLook(n *graph.Node) bool {
	op, ok := n.Op.(*graph.Copy)
	return ok && slices.ContainsFunc(op.Sources, func(s graph.Source) bool { return s.Context != "" || s.URL != "" })
}

// asked is the first recipe, in which inputs are identified by the steps that produced them.
func (v *solving) asked(m *making) recipe {
	r := recipe{}
	if op, ok := m.n.Op.(*graph.Copy); !ok || !op.Link || namesUser(op.Chown) {
		r.add("the step before", m.parent.result.String())
	}
	if v.Epoch != nil {
		r.add("SOURCE_DATE_EPOCH", v.Epoch.UTC().String())
	}
	switch op := m.n.Op.(type) {
	case *graph.Run:
		r = append(r, ofRun(op, m.n.Stage.Platform)...)
		for _, mount := range op.Mounts {
			if mount.From != nil {
				r.add("files below "+mount.Target, v.of(mount.From).result.String())
			}
		}
	case *graph.Copy:
		r = append(r, ofCopy(op)...)
		for _, s := range op.Sources {
			if s.From != nil {
				r.add("files of "+s.Path, v.of(s.From).result.String())
			}
		}
	case *graph.Workdir:
		r.add("directory", op.Path, op.User)
	}
	return r
}

// namesUser reports whether an owner has to be looked up in the file system.
func namesUser(owner string) bool {
	user, group, _ := strings.Cut(owner, ":")
	return owner != "" && !(isNumber(user) && (group == "" || isNumber(group)))
}

// look computes the content of the inputs, which replaces in the second recipe the steps that
// produced them.
func (v *solving) look(ctx context.Context, m *making) (recipe, error) {
	switch op := m.n.Op.(type) {
	case *graph.Run:
		return v.ofMounts(ctx, m.n, op)
	case *graph.Copy:
		opened, err := v.open(ctx, m.n, op)
		if err != nil {
			return nil, err
		}
		m.sources = opened
		content, err := m.sources.digest(ctx)
		if err != nil {
			return nil, err
		}
		return recipe{{"files", content.String()}}, v.keepFiles(content, m.sources.selections())
	}
	return nil, nil
}

// make builds the layer in tmp, and renames it when it is complete.
func (v *solving) make(ctx context.Context, m *making, key digest.Digest) (*Record, error) {
	if err := v.need(ctx, m.parent); err != nil {
		return nil, err
	}
	result := key
	if _, runs := m.n.Op.(*graph.Run); runs || v.NoCache != nil {
		// A program may produce a different result each time, so steps based on one result never
		// match another.
		var other [16]byte
		if _, err := rand.Read(other[:]); err != nil {
			return nil, err
		}
		result = recipe{{"key", key.String()}, {"made", hex.EncodeToString(other[:])}}.key()
	}
	aside := v.Store.Temporary("step")
	for _, d := range []string{aside, filepath.Join(aside, "fs"), filepath.Join(aside, "work")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return nil, err
		}
	}
	err := v.fill(ctx, m, aside)
	r := &Record{Key: key, Keys: v.keys(m, key), Result: result, Layer: result.Encoded()[:32], Parent: m.below(), Text: m.n.Text, Made: time.Now().UTC(), Took: time.Since(m.begun)}
	if err == nil {
		err = v.settle(aside, r)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(aside))
	}
	v.ids.Lock()
	v.made[key] = r
	v.ids.Unlock()
	return r, v.put(r)
}

// below is the directory of the layer directly below a step's own layer.
func (m *making) below() string {
	op, ok := m.n.Op.(*graph.Copy)
	if ok && op.Link || len(m.parent.layers) == 0 {
		return ""
	}
	return filepath.Base(filepath.Dir(m.parent.layers[len(m.parent.layers)-1].Dir))
}

// madeHere finds a layer that this command already built for the same key. So even with
// --no-cache, a stage shared by the graphs of two platforms is built once.
func (v *solving) madeHere(key digest.Digest) *Record {
	v.ids.Lock()
	defer v.ids.Unlock()
	return v.made[key]
}

// settle moves a complete layer to its final place.
func (v *solving) settle(aside string, r *Record) error {
	if err := os.RemoveAll(filepath.Join(aside, "work")); err != nil {
		return err
	}
	now, err := store.Now() // later than all of its files
	if err != nil {
		return err
	}
	text, err := json.Marshal(store.Layer{Chain: r.Result, Made: now})
	if err == nil {
		err = os.WriteFile(filepath.Join(aside, "layer.json"), append(text, '\n'), 0o644)
	}
	if err != nil {
		return err
	}
	dir := v.layerDir(r.Layer)
	err = os.Rename(aside, dir)
	if !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EEXIST) {
		return err
	}
	whole, err := v.trust.IsComplete(dir)
	if err != nil {
		return err
	}
	if whole { // its record was lost, but the layer is valid
		return os.RemoveAll(aside)
	}
	gone := v.Store.Temporary("gone")
	if err := errors.Join(os.Rename(dir, gone), os.Rename(aside, dir)); err != nil {
		return err
	}
	return os.RemoveAll(gone)
}

// fill executes the instruction.
func (v *solving) fill(ctx context.Context, m *making, aside string) error {
	fs := filepath.Join(aside, "fs")
	model := m.parent.dirs()
	if op, ok := m.n.Op.(*graph.Copy); ok && op.Link {
		model = nil // the result is the same on every base
	}
	if err := likeRoot(fs, model); err != nil {
		return err
	}
	if op, ok := m.n.Op.(*graph.Run); ok {
		return v.run(ctx, m, op, aside)
	}
	below := m.parent.dirs()
	if op, ok := m.n.Op.(*graph.Copy); ok && op.Link {
		below = nil
	}
	root, err := overlay.OpenWritable(below, fs, filepath.Join(aside, "work"), namespaces.Unprivileged())
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	if op, ok := m.n.Op.(*graph.Workdir); ok {
		owner, err := image.LookUpOwner(m.parent.dirs(), op.User) // a user without an entry counts as root
		if err != nil {
			return err
		}
		return filecopy.Directory(root, op.Path, int(owner.UID), int(owner.GID), v.Epoch)
	}
	return v.copy(ctx, m, root)
}

// likeRoot copies the owner and mode of the root below to a layer's root.
func likeRoot(fs string, below []string) error {
	if len(below) == 0 {
		return unix.Chmod(fs, 0o755) // independent of the umask
	}
	var st unix.Stat_t
	if err := unix.Lstat(below[len(below)-1], &st); err != nil {
		return err
	}
	if err := os.Lchown(fs, int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	return unix.Chmod(fs, st.Mode&0o7777)
}

// copy writes the files that COPY and ADD selected.
func (v *solving) copy(ctx context.Context, m *making, root *os.File) error {
	op := m.n.Op.(*graph.Copy)
	o := filecopy.Options{Dest: op.Dest, DestIsDir: strings.HasSuffix(op.Dest, "/"), Chmod: op.Chmod, Parents: op.Parents, Time: v.Epoch, Unpack: op.Add && (op.Unpack == nil || *op.Unpack)}
	if op.Chown != "" {
		owner, err := image.LookUpOwner(m.parent.dirs(), op.Chown)
		if err = cmp.Or(err, owner.Unknown); err != nil {
			return fmt.Errorf("--chown=%s: %w", op.Chown, err)
		}
		uid, gid := int(owner.UID), int(owner.GID)
		o.UID, o.GID = &uid, &gid
	}
	if err := m.sources.fit(root, o); err != nil {
		return fmt.Errorf("%s: %w", m.n.Instruction, err)
	}
	for _, p := range m.sources.parts {
		var err error
		switch {
		case p.selection != nil:
			err = filecopy.Copy(ctx, root, p.selection, o)
		case p.file != nil:
			err = filecopy.File(ctx, root, p.file.Name, strings.NewReader(p.file.Content), o)
		case p.fetched != nil:
			err = p.fetched.place(ctx, root, op, o)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func isNumber(text string) bool { return text != "" && strings.Trim(text, "0123456789") == "" }
