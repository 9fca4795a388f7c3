package solver

import (
	"context"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"

	"github.com/minirun/minirun/internal/build/contenthash"
	"github.com/minirun/minirun/internal/build/filecopy"
	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/build/source"
)

// fetched is what ADD fetched from a URL or a git repository.
type fetched struct {
	url    string
	file   *source.Download
	git    *contenthash.Tree
	commit string
	chosen *contenthash.Selection
}

func (f *fetched) close() {
	if f.git != nil {
		_ = f.git.Root.Close()
	}
	if f.file != nil {
		_ = f.file.File.Close()
	}
}

// fetchSource downloads what a URL refers to. If there is an earlier copy, it only asks the server
// whether that copy is still current.
func (g *graphSolver) fetchSource(ctx context.Context, op *graph.Copy, url string) (*fetched, error) {
	if !source.IsGit(url) {
		file, err := source.Fetch(ctx, url, filepath.Join(g.shared.Store.Dir, "build"), op.Checksum)
		if err != nil {
			return nil, err
		}
		return &fetched{url: url, file: file}, nil
	}
	o := source.GitOptions{KeepGitDir: op.KeepGitDir, Checksum: op.Checksum, Agent: g.shared.SSH["default"]}
	t, commit, err := source.CheckoutGit(ctx, url, filepath.Join(g.shared.Store.Dir, "build"), o)
	if err != nil {
		return nil, err
	}
	f := &fetched{url: url, git: t, commit: commit}
	if f.chosen, err = t.Select([]string{"."}, contenthash.Options{Exclude: op.Exclude}); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

// A Fetched identifies what a URL referred to when a step was built.
type Fetched struct {
	URL    string
	Digest digest.Digest // of a file
	Commit string        // of a git repository
}

func (f *fetched) identity() Fetched {
	if f.file != nil {
		return Fetched{URL: f.url, Digest: f.file.Digest}
	}
	return Fetched{URL: f.url, Commit: f.commit}
}

func (f *fetched) digest(ctx context.Context) (digest.Digest, error) {
	if f.file != nil { // the server may choose the name
		return recipe{{Kind: contentKind, Value: f.file.Digest.String()}, {Kind: nameKind, Value: f.file.Name}}.key(), nil
	}
	return f.chosen.Digest(ctx)
}

// writeTo writes it to the destination of ADD. A fetched file is unpacked only with --unpack.
func (f *fetched) writeTo(ctx context.Context, root *os.File, op *graph.Copy, o filecopy.Options) error {
	if f.git != nil {
		return filecopy.Copy(ctx, root, f.chosen, o)
	}
	if o.Unpack = op.Unpack != nil && *op.Unpack; o.Unpack {
		return filecopy.Archive(ctx, root, f.file.File, o)
	}
	o.Mode = 0o600
	if !f.file.Modified.IsZero() {
		o.Modified = &f.file.Modified
	}
	return filecopy.File(ctx, root, f.file.Name, f.file.File, o)
}
