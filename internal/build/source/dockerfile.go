package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/build/contenthash"
	"github.com/minirun/minirun/internal/ctxio"
	"github.com/minirun/minirun/internal/regularfile"
)

// DefaultDockerfile is the name of a context's Dockerfile without -f.
const DefaultDockerfile = "Dockerfile"

const lowerDockerfile = "dockerfile"

// DockerfileLimit is the maximum size of a Dockerfile.
const DockerfileLimit = 8 << 20

// ReadDockerfile reads the Dockerfile of a fetched context: its path is relative to the
// context, and no link leads out of it. It is read even if .dockerignore excludes it. If
// Dockerfile does not exist, dockerfile is read.
func ReadDockerfile(t *contenthash.Tree, name string) ([]byte, error) {
	f, err := openBelow(t.Root, name)
	if errors.Is(err, fs.ErrNotExist) && name == DefaultDockerfile {
		if lower, otherErr := openBelow(t.Root, lowerDockerfile); otherErr == nil {
			f, err = lower, nil
		}
	}
	if err != nil {
		return nil, dockerfileError(err, t.Label, name, func(other string) bool {
			return unix.Faccessat(int(t.Root.Fd()), other, unix.F_OK, unix.AT_SYMLINK_NOFOLLOW) == nil
		})
	}
	defer f.Close()
	return readAll(f, name, DockerfileLimit)
}

// ReadDockerfileAt reads a Dockerfile on the host, as named by -f; "-" is standard input.
func ReadDockerfileAt(ctx context.Context, name string, stdin io.Reader) ([]byte, error) {
	if name == "-" {
		return readAll(ctxio.NewReader(ctx, stdin), "the Dockerfile from standard input", DockerfileLimit)
	}
	// The <(…) of a shell passes a FIFO.
	return readHostFile(ctx, name, func(name string) (*os.File, error) { return ctxio.Open(ctx, name) })
}

// ReadDockerfileOf reads the Dockerfile of a directory, whose content may be untrusted: it
// must not be a FIFO or device. If Dockerfile does not exist, dockerfile is read.
func ReadDockerfileOf(dir string) ([]byte, error) {
	return readHostFile(context.Background(), filepath.Join(dir, DefaultDockerfile),
		func(name string) (*os.File, error) {
			f, err := regularfile.Open(name)
			if errors.Is(err, fs.ErrNotExist) {
				if lower, otherErr := regularfile.Open(filepath.Join(dir, lowerDockerfile)); otherErr == nil {
					return lower, nil
				}
			}
			return f, err
		})
}

// ReadDockerfileURL fetches a Dockerfile whose URL is given by -f.
func ReadDockerfileURL(ctx context.Context, url, cacheDir string) ([]byte, error) {
	f, err := Fetch(ctx, url, cacheDir, "")
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.File.Close() }()
	return readAll(ctxio.NewReader(ctx, f.File), RedactURL(url), DockerfileLimit)
}

func readHostFile(ctx context.Context, name string, open func(string) (*os.File, error)) ([]byte, error) {
	f, err := open(name)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, dockerfileError(errors.Unwrap(err), "", name, func(other string) bool {
			_, err := os.Lstat(other)
			return err == nil
		})
	}
	defer f.Close()
	return readAll(ctxio.NewReader(ctx, f), name, DockerfileLimit)
}

// dockerfileError suggests a similar name for a Dockerfile that does not exist.
func dockerfileError(err error, label, name string, exists func(string) bool) error {
	var p *os.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	in := ""
	if label != "" {
		in = " in " + label
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot read the Dockerfile %s%s: %w", name, in, err)
	}
	var others []string
	for _, base := range []string{"Dockerfile", "dockerfile", "Containerfile", "containerfile"} {
		if other := path.Join(filepath.Dir(name), base); other != path.Clean(name) && exists(other) {
			others = append(others, other)
		}
	}
	if len(others) == 0 {
		return fmt.Errorf("cannot read the Dockerfile %s%s: %w\nhint: use -f FILE if it has another name", name, in,
			err)
	}
	return fmt.Errorf("cannot read the Dockerfile %s%s: %w\nhint: there is %s: use -f %s", name, in, err,
		strings.Join(others, " and "), others[0])
}
