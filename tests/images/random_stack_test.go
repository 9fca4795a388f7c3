package images

import (
	"archive/tar"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"time"
)

// A stackMaker generates random layers whose entries often affect each other: names consist of a few
// words, and most of them are below a directory or a link created by an earlier entry.
type stackMaker struct {
	r                  *rand.Rand
	dirs, files, links []string // paths that may exist; "" is the root
	layer              int
}

// randomStack generates 1 to 4 layers.
func randomStack(r *rand.Rand) []layer {
	m := &stackMaker{r: r, dirs: []string{""}}
	stack := make([]layer, 1+r.IntN(4))
	for i := range stack {
		m.layer = i
		for range 1 + r.IntN(12) {
			stack[i].entries = append(stack[i].entries, m.entry())
		}
		stack[i].compression = []string{"gzip", "plain"}[r.IntN(2)]
	}
	return stack
}

// The words that names consist of. Most are used for one type only, so that not every stack has a
// path through a file, or a loop of symbolic links.
var (
	dirWords  = []string{"a", "b", "usr", "lib"}
	fileWords = []string{"f", "g", "tool"}
	linkWords = []string{"l", "sbin", "lib"}
	words     = []string{"a", "f", "l", "lib"}
)

func (m *stackMaker) pick(list []string) string { return list[m.r.IntN(len(list))] }

// chance returns true once in n times.
func (m *stackMaker) chance(n int) bool { return m.r.IntN(n) == 0 }

// parent returns a directory, a link, or any path.
func (m *stackMaker) parent() string {
	switch {
	case len(m.links) > 0 && m.chance(3):
		return m.pick(m.links)
	case m.chance(12):
		return path.Join(m.pick(dirWords), m.pick(dirWords))
	}
	return m.pick(m.dirs)
}

// name returns a path whose last component is of a type, or sometimes any.
func (m *stackMaker) name(kind []string) string {
	if m.chance(12) {
		kind = words
	}
	return path.Join(m.parent(), m.pick(kind))
}

// written returns a name in one of the forms that archives use.
func (m *stackMaker) written(name string) string {
	return m.pick([]string{"", "", "", "./", "/", "//"}) + name
}

func (m *stackMaker) entry() tar.Header {
	switch n := m.r.IntN(20); {
	case n < 5:
		return m.file(m.name(fileWords))
	case n < 8:
		return m.directory()
	case n < 12:
		return m.symlink()
	case n < 14 && len(m.files) > 0:
		return m.hardlink()
	case n < 17 && m.layer > 0:
		return m.mark()
	case n == 17 && m.chance(2):
		return m.describe(tar.Header{Name: m.written(m.name(fileWords)), Typeflag: tar.TypeFifo})
	case n == 18 && m.chance(2):
		return tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "a commit"}}
	case n == 19 && m.chance(4):
		return m.describe(tar.Header{Name: m.pick([]string{"./", "/", "."}), Typeflag: tar.TypeDir})
	}
	return m.file(m.name(fileWords))
}

// describe gives an entry an owner, a mode, a time and attributes.
func (m *stackMaker) describe(h tar.Header) tar.Header {
	h.Uid, h.Gid = m.r.IntN(3)*1000, m.r.IntN(3)*500
	h.Mode = []int64{0o644, 0o600, 0o755, 0o4755, 0o2711}[m.r.IntN(5)]
	if h.Typeflag == tar.TypeDir {
		h.Mode = []int64{0o755, 0o700, 0o1777, 0o2750, 0o555}[m.r.IntN(5)]
	}
	h.ModTime = time.Unix(1600000000+int64(m.r.IntN(1000)), 0)
	switch h.Typeflag {
	case 0, tar.TypeDir:
		if m.chance(5) {
			h.PAXRecords = map[string]string{"SCHILY.xattr.user." + m.pick(words): m.pick(words)}
		}
		if m.chance(5) {
			h.ModTime = h.ModTime.Add(time.Duration(m.r.IntN(1e9)))
		}
	}
	return h
}

func (m *stackMaker) file(name string) tar.Header {
	m.files = append(m.files, name)
	return m.describe(file(m.written(name), fmt.Sprintf("%d", m.r.IntN(1000))))
}

func (m *stackMaker) directory() tar.Header {
	name := m.name(dirWords)
	m.dirs = append(m.dirs, name)
	return m.describe(dir(m.written(name) + m.pick([]string{"", "/"})))
}

// symlink generates a symbolic link to a directory, with a relative, absolute or escaping path, or a
// dangling one.
func (m *stackMaker) symlink() tar.Header {
	name := m.name(linkWords)
	to := m.pick(m.dirs)
	switch n := m.r.IntN(8); {
	case n == 0:
		to = m.pick(words)
	case n == 1:
		to = path.Join(to, m.pick(dirWords))
	case n == 2 && len(m.links) > 0:
		to = m.pick(m.links)
	}
	switch m.r.IntN(5) {
	case 0:
		to = strings.Repeat("../", 1+m.r.IntN(3)) + to
	case 1, 2:
		to = "/" + to
	case 3:
		to = path.Join(strings.Repeat("../", strings.Count(name, "/")), to)
	}
	if to == "" {
		to = "."
	}
	m.links = append(m.links, name)
	return m.describe(link(m.written(name), to))
}

func (m *stackMaker) hardlink() tar.Header {
	name, to := m.name(fileWords), m.pick(m.files)
	m.files = append(m.files, name)
	return hard(m.written(name), m.pick([]string{"", "/", "./"})+to)
}

// mark generates a whiteout or an opaque directory.
func (m *stackMaker) mark() tar.Header {
	if m.chance(3) {
		return file(m.written(path.Join(m.parent(), ".wh..wh..opq")), "")
	}
	known := slices.Concat(m.files, m.links, m.dirs[1:])
	name := m.name(words)
	if len(known) > 0 && !m.chance(5) {
		name = m.pick(known)
	}
	return file(m.written(path.Join(path.Dir(name), ".wh."+path.Base(name))), "")
}
