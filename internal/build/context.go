package build

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/minirun/minirun/internal/build/attest"
	"github.com/minirun/minirun/internal/build/contenthash"
	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/build/source"
	"github.com/minirun/minirun/internal/build/sshagent"
	"github.com/minirun/minirun/internal/ctxio"
)

// inputs are the Dockerfile and the contexts that it may read.
type inputs struct {
	name       string // of the Dockerfile, for messages
	text       []byte
	slot       string // identifies the Dockerfile across builds
	singleFile bool   // the last fetched context is a single file, singleFileName
	trees      map[string]*contenthash.Tree
	images     map[string]string // --build-context NAME=docker-image://…
	remove     []string          // directories to remove after the build
	agent      *sshagent.Agent   // for git over ssh: that of --ssh default, or nil

	// createdAt returns the creation times of fetched contexts by name; nil for directories.
	createdAt map[string]func() (time.Time, error)

	main   attest.Material   // source of the build's own context; without a URI a directory
	others []attest.Material // sources of other contexts
	locals []string          // names of the contexts that are directories
}

func (in *inputs) close() {
	for _, t := range in.trees {
		_ = t.Root.Close()
	}
	for _, dir := range in.remove {
		_ = os.RemoveAll(dir)
	}
	if in.agent != nil {
		_ = in.agent.Close()
	}
}

// contextNames returns the contexts that --from may name.
func (in *inputs) contextNames() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(in.trees)), func(n string) bool { return n == graph.MainContext })
}

// openInputs opens the contexts and reads the Dockerfile.
func (b *Builder) openInputs(ctx context.Context, o *Options) (*inputs, error) {
	in := &inputs{
		trees: map[string]*contenthash.Tree{}, images: map[string]string{}, agent: o.SSH["default"],
		createdAt: map[string]func() (time.Time, error){graph.MainContext: nil},
	}
	if err := b.openContexts(ctx, o, in); err != nil {
		in.close()
		return nil, err
	}
	return in, nil
}

func (b *Builder) openContexts(ctx context.Context, o *Options, in *inputs) error {
	if err := b.openMainContext(ctx, o, in); err != nil {
		return err
	}
	for name, where := range o.Contexts {
		if ref, ok := strings.CutPrefix(where, "docker-image://"); ok {
			in.images[strings.ToLower(name)] = ref
			continue
		}
		if where, ok := strings.CutPrefix(where, "oci-layout://"); ok {
			ref, err := b.loadLayout(ctx, where)
			if err != nil {
				return fmt.Errorf("cannot open --build-context %s: %w", name, err)
			}
			in.images[strings.ToLower(name)] = ref
			continue
		}
		t, from, err := b.openContext(ctx, in, contextSource{name: name, where: where})
		if err != nil {
			return fmt.Errorf("cannot open --build-context %s: %w", name, err)
		}
		if from.URI != "" {
			in.others = append(in.others, from)
		} else {
			in.locals = append(in.locals, name)
		}
		t.Label = "context " + name
		in.trees[name] = t
	}
	return nil
}

// openMainContext opens the build's own context and its Dockerfile.
func (b *Builder) openMainContext(ctx context.Context, o *Options, in *inputs) error {
	if o.Context == "-" {
		return b.readStandardInput(ctx, o, in)
	}
	abs, err := filepath.Abs(o.Context)
	if err != nil {
		return err
	}
	in.name = cmp.Or(o.File, source.DefaultDockerfile)
	in.slot = abs + "\x00" + in.name
	here := !source.IsGit(o.Context) && !source.IsURL(o.Context)
	file := o.File
	switch {
	case source.IsURL(file):
		in.name = source.RedactURL(file)
		in.text, err = source.ReadDockerfileURL(ctx, file, b.fetchDir())
		file = ""
	case here && file == "":
		file = filepath.Join(o.Context, source.DefaultDockerfile)
		in.text, err = source.ReadDockerfileOf(o.Context)
	case here || file == "-":
		in.text, err = source.ReadDockerfileAt(ctx, file, os.Stdin)
	}
	if err != nil {
		return err
	}
	git, err := mainGitOptions(o.BuildArgs)
	if err != nil {
		return err
	}
	t, from, err := b.openContext(ctx, in, contextSource{graph.MainContext, o.Context, file, git})
	if err != nil {
		return err
	}
	if in.main = from; from.URI == "" {
		in.locals = append(in.locals, graph.MainContext)
	}
	t.Label = "the context"
	in.trees[graph.MainContext] = t
	switch {
	case in.text != nil:
	case in.singleFile:
		in.text, err = source.ReadDockerfile(t, singleFileName)
	case !here:
		in.text, err = source.ReadDockerfile(t, in.name)
	}
	return err
}

// readStandardInput reads standard input: an archive of a context, or a Dockerfile without a
// context.
func (b *Builder) readStandardInput(ctx context.Context, o *Options, in *inputs) error {
	r, archive, err := source.Sniff(ctxio.NewReader(ctx, os.Stdin))
	if err != nil {
		return fmt.Errorf("cannot read standard input: %w", err)
	}
	in.name, in.slot = cmp.Or(o.File, source.DefaultDockerfile), "-"
	if !archive {
		if o.File != "" {
			return errors.New("standard input is a Dockerfile, but -f names another one")
		}
		if in.text, err = source.ReadDockerfileAt(ctx, "-", r); err != nil {
			return err
		}
		return b.createEmptyContext(in)
	}
	t, err := b.unpackContext(ctx, in, r)
	if err != nil {
		return err
	}
	t.Label = "the context"
	in.trees[graph.MainContext] = t
	in.locals = append(in.locals, graph.MainContext)
	in.text, err = source.ReadDockerfile(t, in.name)
	return err
}

// createEmptyContext creates the context for a Dockerfile without one.
func (b *Builder) createEmptyContext(in *inputs) error {
	dir := b.Store.Temporary("context")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	in.remove = append(in.remove, dir)
	t, err := source.OpenLocal(dir, "-")
	if err != nil {
		return err
	}
	t.Label = "the context, which is empty because the Dockerfile was read from standard input"
	in.trees[graph.MainContext] = t
	return nil
}

// mainGitOptions returns the options that build arguments set for the build's own context, if
// it is a git repository. With a SOURCE_DATE_EPOCH its files always have the same time.
func mainGitOptions(args map[string]string) (o source.GitOptions, err error) {
	o.CommitTimes = args[epochArgument] != ""
	if text := args[keepGitDirArgument]; text != "" {
		if o.ForceGitDir, err = strconv.ParseBool(text); err != nil {
			return o, fmt.Errorf("--build-arg %s=%s is not true or false", keepGitDirArgument, text)
		}
	}
	return o, nil
}

const keepGitDirArgument = "BUILDKIT_CONTEXT_KEEP_GIT_DIR"

// A contextSource is the location of a context.
type contextSource struct {
	name  string
	where string // a directory, an archive's URL, or a git repository
	file  string // the Dockerfile in a directory, whose .dockerignore is used; "": the default one
	git   source.GitOptions
}

// openContext opens one context. Unless it is a directory, openContext records its source.
func (b *Builder) openContext(
	ctx context.Context, in *inputs, c contextSource,
) (*contenthash.Tree, attest.Material, error) {
	name, where, git := c.name, c.where, c.git
	in.createdAt[name] = nil
	from := attest.Material{URI: source.RedactURL(where)}
	switch {
	case source.IsGit(where):
		git.Agent = in.agent
		t, commit, err := source.CheckoutGit(ctx, where, b.fetchDir(), git)
		from.Digest = commitDigest(commit)
		in.createdAt[name] = func() (time.Time, error) { return source.CommitTime(ctx, where, commit, b.fetchDir()) }
		return t, from, err
	case source.IsURL(where):
		f, err := source.Fetch(ctx, where, b.fetchDir(), "")
		if err != nil {
			return nil, from, err
		}
		defer func() { _ = f.File.Close() }()
		from.Digest = map[string]string{"sha256": f.Digest.Encoded()}
		r, archive, err := source.Sniff(f.File)
		if err != nil {
			return nil, from, fmt.Errorf("cannot read %s: %w", from.URI, err)
		}
		in.createdAt[name] = func() (time.Time, error) { return f.Modified.UTC(), nil }
		if in.singleFile = !archive; archive {
			t, err := b.unpackContext(ctx, in, r)
			if err == nil && f.Modified.IsZero() {
				in.createdAt[name] = func() (time.Time, error) { return source.NewestTime(t.Root.Name()) }
			}
			return t, from, err
		}
		t, err := b.createFileContext(in, r, f.Modified)
		return t, from, err
	}
	t, err := source.OpenLocal(where, c.file)
	return t, attest.Material{}, err
}

// unpackContext unpacks an archive of a context. The files exist until the build ends.
func (b *Builder) unpackContext(ctx context.Context, in *inputs, r io.Reader) (*contenthash.Tree, error) {
	dir := b.Store.Temporary("context")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	in.remove = append(in.remove, dir)
	return source.ExtractArchive(ctx, r, dir)
}

// fetchDir is the directory where fetched files and repositories are kept for later builds.
func (b *Builder) fetchDir() string { return filepath.Join(b.Store.Dir, "build") }

// singleFileName is the only file of a context whose URL does not refer to an archive. In the
// build's own context it is the Dockerfile.
const singleFileName = "context"

// createFileContext creates a context with one file.
func (b *Builder) createFileContext(in *inputs, r io.Reader, modified time.Time) (*contenthash.Tree, error) {
	dir := b.Store.Temporary("context")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	in.remove = append(in.remove, dir)
	f, err := os.OpenFile(filepath.Join(dir, singleFileName), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(f, r)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if !modified.IsZero() {
		if err := os.Chtimes(f.Name(), modified, modified); err != nil {
			return nil, err
		}
	}
	return source.OpenLocal(dir, "-")
}
