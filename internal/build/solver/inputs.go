package solver

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/build/contenthash"
	"github.com/minirun/minirun/internal/build/filecopy"
	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/image/overlay"
	"github.com/minirun/minirun/internal/namespaces"
)

// openTree returns a file system of the build as a tree: its layers, merged in a private mount
// that no other process sees.
func (g *graphSolver) openTree(ctx context.Context, n *graph.Node) (*contenthash.Tree, error) {
	s := g.snapshotOf(n)
	if err := g.fetchLayers(ctx, s); err != nil {
		return nil, err
	}
	label := n.Text
	if n.Stage != nil {
		label = "stage " + n.Stage.Label()
	} else if f, ok := n.Op.(*graph.From); ok && f.Image != nil {
		label = "image " + f.Image.Name
	}
	if len(s.layers) == 0 {
		empty := g.shared.Store.Temporary("empty")
		if err := os.Mkdir(empty, 0o755); err != nil {
			return nil, err
		}
		defer func() { _ = os.Remove(empty) }()
		root, err := os.Open(empty)
		return &contenthash.Tree{Root: root, Label: label}, err
	}
	root, err := overlay.Open(s.dirs(), namespaces.Unprivileged())
	if err != nil {
		return nil, fmt.Errorf("cannot open %s: %w", label, err)
	}
	var st unix.Stat_t
	if err := unix.Lstat(s.layers[0].Dir, &st); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return &contenthash.Tree{Root: root, Label: label, Memo: g.shared.Memo, Device: st.Dev}, nil
}

// sources are the files that a COPY would read, selected but not read yet.
type sources struct {
	op    *graph.Copy
	parts []part
	trees map[any]*contenthash.Tree // the trees to close
}

// A part holds the sources from one tree, in the order in which they are written.
type part struct {
	selection *contenthash.Selection
	fetched   *fetched
	file      *graph.File
}

func (s *sources) close() {
	for _, t := range s.trees {
		_ = t.Root.Close()
	}
	for _, p := range s.parts {
		if p.fetched != nil {
			p.fetched.close()
		}
	}
}

// selectSources selects the files of a COPY.
func (g *graphSolver) selectSources(ctx context.Context, n *graph.Node, op *graph.Copy) (*sources, error) {
	s := &sources{op: op, trees: map[any]*contenthash.Tree{}}
	err := g.appendSelections(ctx, n, s)
	if err != nil {
		s.close()
	}
	return s, err
}

func (g *graphSolver) appendSelections(ctx context.Context, n *graph.Node, s *sources) error {
	op := s.op
	for i := 0; i < len(op.Sources); {
		source := op.Sources[i]
		if source.File != nil {
			s.parts = append(s.parts, part{file: source.File})
			i++
			continue
		}
		if source.URL != "" {
			f, err := g.fetchSource(ctx, op, source.URL)
			if err != nil {
				return err
			}
			s.parts = append(s.parts, part{fetched: f})
			i++
			continue
		}
		var patterns []string
		first := source
		for ; i < len(op.Sources) && op.Sources[i].InTreeOf(first); i++ {
			patterns = append(patterns, op.Sources[i].Path)
		}
		t, err := g.sourceTree(ctx, s, first)
		if err != nil {
			return err
		}
		chosen, err := t.Select(patterns, contenthash.Options{Exclude: op.Exclude, Parents: op.Parents, Resolve: op.Resolve})
		if err != nil {
			return g.addSourceHint(n, first, err)
		}
		s.parts = append(s.parts, part{selection: chosen})
	}
	return nil
}

// sourceTree returns the tree that a source belongs to.
func (g *graphSolver) sourceTree(ctx context.Context, s *sources, source graph.Source) (*contenthash.Tree, error) {
	if source.From == nil {
		t, ok := g.shared.Contexts[source.Context]
		if !ok {
			return nil, fmt.Errorf(
				"context %q does not exist\nhint: build with --build-context %s=PATH", source.Context, source.Context,
			)
		}
		return t, nil
	}
	if t, ok := s.trees[source.From]; ok {
		return t, nil
	}
	t, err := g.openTree(ctx, source.From)
	if err != nil {
		return nil, err
	}
	s.trees[source.From] = t
	return t, nil
}

// checkDestination makes sure that no file overwrites another when several are copied into a directory.
// BuildKit lets the last one win. What ADD unpacks is not checked: the destination of an
// archive is always a directory.
func (s *sources) checkDestination(root *os.File, o filecopy.Options) error {
	files := 0
	for _, p := range s.parts {
		if p.selection == nil {
			files++
			continue
		}
		for _, f := range p.selection.Files {
			if !f.IsSource { // a directory's content: the destination becomes a directory
				return nil
			}
			files++
		}
	}
	if files < 2 || o.DestIsDir || filecopy.IsDirectory(root, o.Dest) {
		return nil
	}
	if o.Unpack {
		archives, err := s.archives()
		if err != nil {
			return err
		}
		files -= archives
	}
	if files > 1 {
		return fmt.Errorf("the destination of %d source files must be a directory\nhint: write %s/", files, o.Dest)
	}
	return nil
}

// archives counts the files that ADD unpacks.
func (s *sources) archives() (n int, err error) {
	for _, t := range s.selections() {
		for i := range t.Files {
			f := &t.Files[i]
			if f.Stat.Mode&unix.S_IFMT != unix.S_IFREG {
				continue
			}
			archive, err := filecopy.IsArchive(t.Tree, f)
			if err != nil {
				return 0, err
			}
			if archive {
				n++
			}
		}
	}
	return n, nil
}

// digest returns the digest of all content, combined from the digests of the parts.
func (s *sources) digest(ctx context.Context) (digest.Digest, error) {
	var r recipe
	for _, p := range s.parts {
		switch {
		case p.selection != nil:
			d, err := p.selection.Digest(ctx)
			if err != nil {
				return "", err
			}
			r.add(filesKind, d.String())
		case p.fetched != nil:
			d, err := p.fetched.digest(ctx)
			if err != nil {
				return "", err
			}
			r.add(fetchedKind, d.String())
		}
	}
	return r.key(), nil
}

// selections returns the parts that are files of a tree.
func (s *sources) selections() (out []*contenthash.Selection) {
	for _, p := range s.parts {
		if p.selection != nil {
			out = append(out, p.selection)
		}
	}
	return out
}

// mountRecipe returns the digests of the content that a RUN's mounts provide.
func (g *graphSolver) mountRecipe(ctx context.Context, n *graph.Node, op *graph.Run) (recipe, error) {
	var r recipe
	for _, m := range op.Mounts {
		if m.From == nil {
			continue
		}
		t, err := g.openTree(ctx, m.From)
		if err != nil {
			return nil, err
		}
		chosen, err := t.Select([]string{graph.Literal(m.Source)}, contenthash.Options{})
		if err == nil {
			var d digest.Digest
			if d, err = chosen.Digest(ctx); err == nil {
				r.addNamed(mountFilesKind, m.Target, d.String())
				err = g.saveFileList(d, []*contenthash.Selection{chosen})
			}
		} else {
			err = g.addSourceHint(n, graph.Source{From: m.From, Path: m.Source}, err)
		}
		_ = t.Root.Close()
		if err != nil {
			return nil, fmt.Errorf("cannot read the source of --mount=type=%s,target=%s: %w", m.Type, m.Target, err)
		}
	}
	return r, nil
}
