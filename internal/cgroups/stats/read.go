package stats

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/minirun/minirun/internal/cgroups/cgroupfs"
	"github.com/minirun/minirun/internal/cgroups/group"
	"github.com/minirun/minirun/internal/spec"
)

// Read samples the group. On a hybrid host the v1 hierarchies are read, and the v2 tree
// only for controllers that no v1 hierarchy has. The error is [fs.ErrNotExist] if none of
// the group's directories exists.
func Read(g *group.Group) (*Stats, error) {
	if !existsAny(g.Dirs()) {
		return nil, fmt.Errorf("read the container's statistics: none of its cgroups exists: %w", fs.ErrNotExist)
	}
	s := &Stats{Hugetlb: map[string]HugetlbStats{}}
	r := &reader{}
	r.readV1(s, g)
	if dir := g.V2Directory(); dir != "" {
		r.readV2(s, g, dir)
	}
	if r.err != nil {
		return nil, fmt.Errorf("read the container's statistics: %w", r.err)
	}
	return s, nil
}

func existsAny(paths []string) bool {
	for _, path := range paths {
		if exists(path) {
			return true
		}
	}
	return false
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// reader reads numbers until the first error, which it records. A missing file is not an
// error: the kernel was built without it, or the cgroup is being removed.
type reader struct{ err error }

func (r *reader) text(path string) (string, bool) {
	if r.err != nil {
		return "", false
	}
	s, err := cgroupfs.ReadText(path)
	if err == nil {
		return s, true
	}
	if !cgroupfs.IsGone(err) && !isUnsupported(err) {
		r.err = err
	}
	return "", false
}

// isUnsupported reports whether the kernel does not support a file: so for the root of a
// tree and a threaded cgroup, and on a kernel that was started with psi=0.
func isUnsupported(err error) bool { return errors.Is(err, errors.ErrUnsupported) }

// number reads a file with a single number; "max" is the largest one.
func (r *reader) number(path string) uint64 {
	s, ok := r.text(path)
	if !ok {
		return 0
	}
	return r.parse(path, s)
}

// parse parses a number of the file path.
func (r *reader) parse(path, s string) uint64 {
	s = strings.TrimSpace(s)
	if s == "max" {
		return math.MaxUint64
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		r.fail(path, s)
	}
	return n
}

func (r *reader) fail(path, s string) {
	if r.err == nil {
		r.err = fmt.Errorf("%s: %q is not the content that cgroups(7) describes", path, s)
	}
}

// table reads lines of a name and a number.
func (r *reader) table(path string) map[string]uint64 {
	s, ok := r.text(path)
	if !ok {
		return nil
	}
	t := make(map[string]uint64, 64)
	for line := range strings.Lines(s) {
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if !ok {
			r.fail(path, line)
			break
		}
		t[name] = r.parse(path, value)
	}
	return t
}

// list reads a list of CPUs or memory nodes such as 0-2,7; nil is an empty one.
func (r *reader) list(path string) (numbers []uint16) {
	s, ok := r.text(path)
	if !ok || s == "" {
		return nil
	}
	ranges, ok := spec.ParseList(s)
	if !ok {
		r.fail(path, s)
		return nil
	}
	for _, each := range ranges { // sorted, as the kernel prints them
		for n := each.First; n <= each.Last; n++ {
			numbers = append(numbers, uint16(n)) // at most spec.MaxListed
		}
	}
	return numbers
}

// device parses a device number such as 8:16.
func (r *reader) device(path, number string) (major, minor uint64) {
	a, b, ok := strings.Cut(number, ":")
	if !ok {
		r.fail(path, number)
		return 0, 0
	}
	return r.parse(path, a), r.parse(path, b)
}

// pageSizes returns the sizes of huge pages ("2MB") for which a cgroup has files
// hugetlb.SIZE and suffix.
func pageSizes(dir, suffix string) (sizes []string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil // the cgroup is being removed
	}
	for _, e := range entries {
		name, isHuge := strings.CutPrefix(e.Name(), "hugetlb.")
		size, hasSuffix := strings.CutSuffix(name, suffix)
		if isHuge && hasSuffix && !strings.Contains(size, ".") { // not 2MB.rsvd
			sizes = append(sizes, size)
		}
	}
	return sizes
}
