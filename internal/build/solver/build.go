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
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/build/filecopy"
	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/fileattr"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/overlay"
	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/internal/namespaces"
)

// buildLayer builds the layer in tmp, and renames it when it is complete.
func (g *graphSolver) buildLayer(ctx context.Context, m *stepState, key digest.Digest) (*Record, error) {
	if err := g.fetchLayers(ctx, m.parent); err != nil {
		return nil, err
	}
	result := key
	if _, runs := m.node.Op.(*graph.Run); runs || g.shared.NoCache != nil {
		// A program may produce a different result each time, so steps based on one result never
		// match another.
		var other [16]byte
		if _, err := rand.Read(other[:]); err != nil {
			return nil, err
		}
		result = recipe{{Kind: keyKind, Value: key.String()}, {Kind: randomKind, Value: hex.EncodeToString(other[:])}}.key()
	}
	tmp := g.shared.Store.Temporary("step")
	for _, d := range []string{tmp, filepath.Join(tmp, "fs"), filepath.Join(tmp, "work")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return nil, err
		}
	}
	err := g.execute(ctx, m, tmp)
	r := &Record{
		Key: key, Keys: g.keysOf(m, key), Result: result, Layer: result.Encoded()[:32],
		Parent: m.parentLayer(), Text: m.node.Text,
		Made: time.Now().UTC(), Took: time.Since(m.begun),
	}
	if err == nil {
		err = g.commitLayer(tmp, r)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(tmp))
	}
	g.shared.mutex.Lock()
	g.shared.built[key] = r
	g.shared.mutex.Unlock()
	return r, g.cache.write(r)
}

// parentLayer is the directory of the layer directly below a step's own layer.
func (m *stepState) parentLayer() string {
	op, ok := m.node.Op.(*graph.Copy)
	if ok && op.Link || len(m.parent.layers) == 0 {
		return ""
	}
	return filepath.Base(filepath.Dir(m.parent.layers[len(m.parent.layers)-1].Dir))
}

// builtByThisCommand finds a layer that this command already built for the same key. So even with
// --no-cache, a stage shared by the graphs of two platforms is built once.
func (g *graphSolver) builtByThisCommand(key digest.Digest) *Record {
	g.shared.mutex.Lock()
	defer g.shared.mutex.Unlock()
	return g.shared.built[key]
}

// commitLayer moves a complete layer to its final place.
func (g *graphSolver) commitLayer(tmp string, r *Record) error {
	if err := os.RemoveAll(filepath.Join(tmp, "work")); err != nil {
		return err
	}
	now, err := store.Now() // later than all of its files
	if err != nil {
		return err
	}
	text, err := json.Marshal(store.Layer{Chain: r.Result, Made: now})
	if err == nil {
		err = os.WriteFile(filepath.Join(tmp, "layer.json"), append(text, '\n'), 0o644)
	}
	if err != nil {
		return err
	}
	dir := g.layerDir(r.Layer)
	err = os.Rename(tmp, dir)
	if !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EEXIST) {
		return err
	}
	whole, err := g.cache.trust.IsComplete(dir)
	if err != nil {
		return err
	}
	if whole { // its record was lost, but the layer is valid
		return os.RemoveAll(tmp)
	}
	gone := g.shared.Store.Temporary("gone")
	if err := errors.Join(os.Rename(dir, gone), os.Rename(tmp, dir)); err != nil {
		return err
	}
	return os.RemoveAll(gone)
}

// execute executes the instruction.
func (g *graphSolver) execute(ctx context.Context, m *stepState, tmp string) error {
	fs := filepath.Join(tmp, "fs")
	model := m.parent.dirs()
	if op, ok := m.node.Op.(*graph.Copy); ok && op.Link {
		model = nil // the result is the same on every base
	}
	if err := copyRootAttributes(fs, model); err != nil {
		return err
	}
	if op, ok := m.node.Op.(*graph.Run); ok {
		return g.runProgram(ctx, m, op, tmp)
	}
	below := m.parent.dirs()
	if op, ok := m.node.Op.(*graph.Copy); ok && op.Link {
		below = nil
	}
	root, err := overlay.OpenWritable(below, fs, filepath.Join(tmp, "work"), namespaces.Unprivileged())
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	if op, ok := m.node.Op.(*graph.Workdir); ok {
		owner, err := image.LookUpOwner(m.parent.dirs(), op.User) // a user without an entry counts as root
		if err != nil {
			return err
		}
		return filecopy.Directory(root, op.Path, int(owner.UID), int(owner.GID), g.shared.Epoch)
	}
	return g.copyFiles(ctx, m, root)
}

// copyRootAttributes copies the owner and mode of the root below to a layer's root.
func copyRootAttributes(fs string, below []string) error {
	if len(below) == 0 {
		return unix.Chmod(fs, 0o755) // independent of the umask
	}
	var st unix.Stat_t
	if err := unix.Lstat(below[len(below)-1], &st); err != nil {
		return err
	}
	return fileattr.SetOwnerAndMode(fs, &st)
}

// copyFiles writes the files that COPY and ADD selected.
func (g *graphSolver) copyFiles(ctx context.Context, m *stepState, root *os.File) error {
	op := m.node.Op.(*graph.Copy)
	o := filecopy.Options{
		Dest: op.Dest, DestIsDir: strings.HasSuffix(op.Dest, "/"), Chmod: op.Chmod, Parents: op.Parents, Time: g.shared.Epoch,
		Unpack: op.Add && (op.Unpack == nil || *op.Unpack),
	}
	if op.Chown != "" {
		owner, err := image.LookUpOwner(m.parent.dirs(), op.Chown)
		if err = cmp.Or(err, owner.Unknown); err != nil {
			return fmt.Errorf("cannot resolve --chown=%s: %w", op.Chown, err)
		}
		uid, gid := int(owner.UID), int(owner.GID)
		o.UID, o.GID = &uid, &gid
	}
	if err := m.sources.checkDestination(root, o); err != nil {
		return fmt.Errorf("cannot execute %s: %w", m.node.Instruction, err)
	}
	for _, p := range m.sources.parts {
		var err error
		switch {
		case p.selection != nil:
			err = filecopy.Copy(ctx, root, p.selection, o)
		case p.file != nil:
			err = filecopy.File(ctx, root, p.file.Name, strings.NewReader(p.file.Content), o)
		case p.fetched != nil:
			err = p.fetched.writeTo(ctx, root, op, o)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
