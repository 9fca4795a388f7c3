package contenthash

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/ctxio"
	"github.com/minirun/minirun/internal/regularfile"
)

// Digest covers the files and where they go: types, modes, owners, extended attributes, link
// targets, hard links and contents. It does not cover times.
func (s *Selection) Digest(ctx context.Context) (digest.Digest, error) {
	sums, err := s.contentDigests(ctx)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	links := s.links()
	for i := range s.Files {
		line, err := s.describe(&s.Files[i], links)
		if err != nil {
			return "", err
		}
		h.Write(line)
		h.Write(sums[i][:])
	}
	return digest.NewDigest(digest.SHA256, h), nil
}

// Digests yields each path with its digest.
func (s *Selection) Digests() iter.Seq2[string, string] { return s.each }

func (s *Selection) each(yield func(string, string) bool) {
	sums, err := s.contentDigests(context.Background())
	if err != nil {
		return
	}
	links := s.links()
	for i := range s.Files {
		line, err := s.describe(&s.Files[i], links)
		if err != nil {
			return
		}
		sum := sha256.Sum256(append(line, sums[i][:]...))
		if !yield(s.Files[i].Path, hex.EncodeToString(sum[:8])) {
			return
		}
	}
}

// An inode identifies a file of one source: a copy has no hard links between sources.
type inode struct {
	source   int
	dev, ino uint64
}

func (f *File) inode() inode { return inode{f.Source, f.Stat.Dev, f.Stat.Ino} }

// links returns the first name of each file that has several names in one source.
func (s *Selection) links() map[inode]string {
	out := map[inode]string{}
	for i := range s.Files {
		f := &s.Files[i]
		if _, known := out[f.inode()]; !known && f.HasLinks() {
			out[f.inode()] = f.Name
		}
	}
	return out
}

// describe formats everything about a file except its content.
func (s *Selection) describe(f *File, links map[inode]string) ([]byte, error) {
	var out bytes.Buffer
	uid, gid := f.Stat.Uid, f.Stat.Gid
	if s.Tree.Foreign {
		uid, gid = 0, 0
	}
	mode := f.Stat.Mode
	if isLink(&f.Stat) {
		mode = unix.S_IFLNK | 0o777
	}
	fmt.Fprintf(&out, "%q %t %o %d %d %d\n", f.Name, f.IsSource, mode, uid, gid, f.Stat.Rdev)
	if first, ok := links[f.inode()]; ok && first != f.Name {
		fmt.Fprintf(&out, "is %q\n", first)
	}
	attributes, err := s.Tree.Attributes(f)
	if err != nil {
		return nil, err
	}
	for _, a := range attributes {
		fmt.Fprintf(&out, "%q %q\n", a.Name, a.Value)
	}
	if isLink(&f.Stat) {
		target, err := s.Tree.Readlink(f)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&out, "%q\n", target)
	}
	return out.Bytes(), nil
}

// contentDigests returns the digests of the regular files' contents. Those that the memo does not
// have are read, two at a time.
func (s *Selection) contentDigests(ctx context.Context) ([][sha256.Size]byte, error) {
	sums := make([][sha256.Size]byte, len(s.Files))
	work := make(chan int)
	var wait sync.WaitGroup
	errs := make([]error, 2)
	for w := range errs {
		wait.Go(func() {
			buffer := make([]byte, 128<<10)
			for i := range work {
				if errs[w] != nil || ctx.Err() != nil {
					continue
				}
				sums[i], errs[w] = s.Tree.read(ctx, &s.Files[i], buffer)
			}
		})
	}
	for i := range s.Files {
		if s.Files[i].Stat.Mode&unix.S_IFMT != unix.S_IFREG {
			continue
		}
		if d, ok := s.Tree.Memo.find(memoKeyOf(&s.Files[i].Stat, s.Tree.Device)); ok {
			sums[i] = d
			continue
		}
		work <- i
	}
	close(work)
	wait.Wait()
	return sums, errors.Join(append(errs, ctx.Err())...)
}

// read hashes a file. It fails if the file is no longer the one that was found.
func (t *Tree) read(ctx context.Context, f *File, buffer []byte) (sum [sha256.Size]byte, err error) {
	begun := time.Now()
	file, err := t.Open(f)
	if err != nil {
		return sum, err
	}
	defer func() { _ = file.Close() }()
	h := sha256.New()
	in := ctxio.NewReader(ctx, struct{ io.Reader }{file})
	if _, err := io.CopyBuffer(struct{ io.Writer }{h}, in, buffer); err != nil {
		return sum, fmt.Errorf("cannot read %s of %s: %w", f.Path, t.Label, err)
	}
	h.Sum(sum[:0])
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err == nil && memoKeyOf(&st, t.Device) == memoKeyOf(&f.Stat, t.Device) {
		t.Memo.record(memoKeyOf(&st, t.Device), sum, begun)
	}
	return sum, nil
}

// Open opens a regular file that was found.
func (t *Tree) Open(f *File) (*os.File, error) {
	fd, err := t.open(f.Path, unix.O_PATH)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(fd) }()
	file, err := regularfile.Reopen(fd, f.Path)
	if err != nil {
		return nil, fmt.Errorf("a file of %s changed during the build: %w", t.Label, err)
	}
	return file, nil
}

// Readlink returns the target of a link that was found.
func (t *Tree) Readlink(f *File) (string, error) {
	fd, err := t.open(f.Path, unix.O_PATH)
	if err != nil {
		return "", err
	}
	defer func() { _ = unix.Close(fd) }()
	target := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", target)
	if err != nil {
		return "", &os.PathError{Op: "readlink in " + t.Label, Path: f.Path, Err: err}
	}
	return string(target[:n]), nil
}

// An Attribute is an extended attribute.
type Attribute struct{ Name, Value string }

// Attributes returns the attributes that a copy keeps: capabilities and user attributes. A
// context has none, because they are as foreign as its owners: an archive of it has none, and
// a browser stores a file's origin in them.
func (t *Tree) Attributes(f *File) ([]Attribute, error) {
	kind := f.Stat.Mode & unix.S_IFMT
	if t.Foreign || kind != unix.S_IFREG && kind != unix.S_IFDIR { // other types cannot have user attributes
		return nil, nil
	}
	dir, err := t.open(path.Dir(f.Path), unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(dir) }()
	file := fmt.Sprintf("/proc/self/fd/%d/%s", dir, path.Base(f.Path))
	names := make([]byte, 4<<10)
	n, err := unix.Llistxattr(file, names)
	if errors.Is(err, unix.ERANGE) {
		names = make([]byte, 64<<10)
		n, err = unix.Llistxattr(file, names)
	}
	if errors.Is(err, unix.ENOTSUP) || n == 0 && err == nil {
		return nil, nil
	}
	if err != nil {
		return nil, &os.PathError{Op: "list the extended attributes in " + t.Label, Path: f.Path, Err: err}
	}
	var out []Attribute
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names[:n]), "\x00"), "\x00") {
		if name != "security.capability" && (!strings.HasPrefix(name, "user.") || strings.HasPrefix(name, "user.overlay.")) {
			continue
		}
		value := make([]byte, 64<<10)
		size, err := unix.Lgetxattr(file, name, value)
		if err != nil {
			return nil, &os.PathError{Op: "read the extended attribute " + name + " in " + t.Label, Path: f.Path, Err: err}
		}
		out = append(out, Attribute{name, string(value[:size])})
	}
	slices.SortFunc(out, func(a, b Attribute) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}
