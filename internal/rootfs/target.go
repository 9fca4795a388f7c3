package rootfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/handshake"
	"github.com/minirun/minirun/internal/linkwalk"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/spec"
)

// The kernel follows the links of a path to something that exists. A link to something
// that is missing (/etc/resolv.conf -> ../run/systemd/resolve/…) has to be read and
// resolved, which no list of system calls can do. So a mount target that leads through
// a link is a question to the parent. The parent only reads; the path that it answers
// is created and opened here, one name at a time, from the root's descriptor and
// without following any link. If a link is replaced meanwhile, the mount fails, or is
// made somewhere else below the same root.
//
//	new process                        parent
//	Target(root, question) ─────────▶  reads the links of mounts[i].destination
//	            ◀──── directory, name  of the first component that is missing
//	mkdirat(directory, name), and the question again
//	            ◀──── the place        all of it exists now, and has no links
//	openat2(root, place, RESOLVE_NO_SYMLINKS)

// A TargetQuestion asks for the path of a mount's target.
type TargetQuestion struct {
	Mount  int  // index in mounts
	Dir    bool // the target is a directory; else a file
	Copied bool // the target is a symbolic link, like the mount's source (copy-symlink)
	Noted  bool // the answer contains the mode of the directory
	Follow bool // the kernel follows the links if the parent may not read them
	Opened bool // it has done so: the descriptor is the result, not the root
	link   finalLink
}

func (q TargetQuestion) pack() uint64 {
	v := uint64(q.Mount)<<8 | uint64(q.link)<<6
	for bit, is := range [...]bool{q.Dir, q.Copied, q.Noted, q.Follow, q.Opened} {
		if is {
			v |= 1 << bit
		}
	}
	return v
}

// UnpackTargetQuestion decodes the question in a message.
func UnpackTargetQuestion(v uint64) TargetQuestion {
	return TargetQuestion{
		Mount: int(v >> 8), Dir: v&1 != 0, Copied: v&2 != 0, Noted: v&4 != 0, Follow: v&8 != 0, Opened: v&16 != 0,
		link: finalLink(v >> 6 & 3),
	}
}

// A TargetAnswer is either a directory and the name to create in it, or the target
// itself.
type TargetAnswer struct {
	Mode      uint32 // the mode for a tmpfs
	Directory string // the directory to create in Path; "" if Path is the target
	File      string // the file, or link, to create in Path: then Directory is "."
	Path      string // below the root
	Unread    bool   // none of these: the kernel must follow the links
	leads     string // with Directory: where the target will be; not for the plan
}

// Offsets of the fields of an answer. Mode is first: see modeNote.
const (
	answerMode      = 0
	answerDirectory = 8
	answerFile      = answerDirectory + unix.NAME_MAX + 1
	answerPath      = answerFile + unix.NAME_MAX + 1
	answerSize      = answerPath + unix.PathMax
)

// Bytes returns the answer in the form that the plan reads. Without a path it contains
// an unterminated one, for which openat2 fails with ENAMETOOLONG, which no resolved
// path causes. ENOENT would be ambiguous: a path that existed at the time of the
// answer may have been removed since.
func (a TargetAnswer) Bytes() ([]byte, error) {
	if strings.Contains(a.Directory+a.File, "/") || a.Directory == ".." || a.File == ".." {
		return nil, unix.EINVAL // not a single name
	}
	if len(a.Path) >= unix.PathMax || len(a.Directory) > unix.NAME_MAX || len(a.File) > unix.NAME_MAX {
		return nil, unix.ENAMETOOLONG
	}
	data := make([]byte, answerPath+len(a.Path)+1)
	binary.LittleEndian.PutUint64(data[answerMode:], uint64(a.Mode))
	copy(data[answerDirectory:], a.Directory)
	copy(data[answerFile:], a.File)
	copy(data[answerPath:], a.Path)
	if a.Unread {
		data = append(data[:answerPath], bytes.Repeat([]byte("x"), unix.PathMax)...)
	}
	return data, nil
}

// Answer decides what to create next for the target of m, or that all of it exists.
// link is the text of the link that copy-symlink creates.
func (q TargetQuestion) Answer(m *specs.Mount, link string, look linkwalk.LookupFunc) (TargetAnswer, error) {
	wrong := func(want string, err error) (TargetAnswer, error) {
		return TargetAnswer{}, &spec.Error{Path: mountSource(q.Mount) + ".destination", Want: want,
			Got: fmt.Sprintf("%q", m.Destination), Err: err}
	}
	where := cleanPath(m.Destination)
	p, text, err := q.follow(where, look)
	switch {
	case errors.Is(err, unix.EACCES) && q.Follow:
		// The new process may have more permissions on its own files than an
		// unprivileged parent. Then nothing can be created.
		return TargetAnswer{Unread: true}, nil
	case err != nil:
		return wrong("must lead to a place in the root file system", err)
	case text != "" && q.link == linkRefused:
		return wrong("must not be a symbolic link: "+m.Type+" is only mounted on a directory with this name", nil)
	case p.Path == "/":
		return wrong("must not lead to the root: that is root.path", nil)
	case !mayMount(m, p.Path):
		return wrong(notIntoProc, nil)
	case p.Missing():
		return q.makeNext(p), nil
	case q.Copied && text != link:
		return wrong(fmt.Sprintf("must not exist, or be a symbolic link to %q like the source (copy-symlink)", link),
			nil)
	}
	return TargetAnswer{Path: relativePath(p.Path)}, nil
}

const notIntoProc = "must not lead into /proc, where only proc itself and statistics about the machine may be mounted"

// CheckOpened refuses the target of m that the kernel found by following links which
// the parent may not read, if it is in a proc file system: the parent cannot tell
// whether it is one of the files that may be replaced.
func (q TargetQuestion) CheckOpened(m *specs.Mount, isProc bool) error {
	if !isProc {
		return nil
	}
	return &spec.Error{Path: mountSource(q.Mount) + ".destination", Want: notIntoProc,
		Got: fmt.Sprintf("%q", m.Destination)}
}

// Next returns the answer after last, if the directory of that one was created and the
// name after it is missing too. This avoids walking from the root for every name: an
// image can have a link through thousands.
func (q TargetQuestion) Next(last TargetAnswer, look linkwalk.LookupFunc) (a TargetAnswer, ok bool) {
	if last.Directory == "" || last.File != "" {
		return TargetAnswer{}, false
	}
	made := path.Join("/", last.Path, last.Directory)
	rest, deeper := strings.CutPrefix(last.leads, made+"/")
	if !deeper {
		return TargetAnswer{}, false
	}
	name, _, _ := strings.Cut(rest, "/")
	for at, want := range map[string]linkwalk.Kind{made: linkwalk.Directory, made + "/" + name: linkwalk.Missing} {
		if kind, _, err := look(at); err != nil || kind != want {
			return TargetAnswer{}, false
		}
	}
	return q.makeNext(linkwalk.Place{Path: last.leads, Existing: made}), true
}

// follow resolves the links of a destination; text is that of a link in the last
// component which is not followed.
func (q TargetQuestion) follow(where string, look linkwalk.LookupFunc) (p linkwalk.Place, text string, err error) {
	if q.link == linkFollowed {
		p, err = linkwalk.Follow(where, look)
		return p, "", err
	}
	if p, err = linkwalk.Follow(path.Dir(where), look); err != nil {
		return p, "", err
	}
	parentExists := !p.Missing()
	p.Path = path.Join(p.Path, path.Base(where))
	if !parentExists {
		return p, "", nil
	}
	kind, text, err := look(p.Path)
	if err == nil && kind != linkwalk.Missing {
		p.Existing = p.Path
	}
	return p, text, err
}

// makeNext returns the answer for a place of which a part is missing.
func (q TargetQuestion) makeNext(p linkwalk.Place) TargetAnswer {
	name, rest, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(p.Path, p.Existing), "/"), "/")
	a := TargetAnswer{Directory: name, Path: relativePath(p.Existing), leads: p.Path}
	if rest == "" && !q.Dir {
		a.Directory, a.File = ".", name
	}
	return a
}

// followLinks adds the steps that ask the parent for a place, until it exists, and
// open it.
func (c *compiler) followLinks(p place, fd plan.Cell, done plan.Label, n *modeNote) {
	c.askTarget(TargetQuestion{Mount: p.mount, Dir: p.dir, Noted: n != nil, Follow: c.followsUnread(), link: p.link},
		p, targetSteps{fd, done, n, func(name plan.Arg) {
			if p.dir {
				return // only directories are missing
			}
			c.b.Add(plan.Op{
				Name: "make the missing file",
				Why:  "as the mount point",
				Then: plan.Fine(unix.EEXIST, unix.ENOENT),
			}, plan.Mknodat, plan.Of(fd), name, plan.Int(unix.S_IFREG|0o644), plan.Int(0))
		}})
}

// targetSteps are the steps that follow when a target was found.
type targetSteps struct {
	fd       plan.Cell
	done     plan.Label
	note     *modeNote
	makeLast func(name plan.Arg) // creates a File in the directory in fd
}

// askTarget asks q until the place exists and is open in the cell t.fd.
func (c *compiler) askTarget(q TargetQuestion, p place, t targetSteps) {
	b, fd := c.b, t.fd
	answer := c.answerBuffer(t.note)
	field := func(offset int, name string) plan.Arg { return b.At(b.CellIn(answer, offset, name)) }
	m := b.Message(handshake.Target, "root")
	b.Preset(m.B, q.pack())
	p.asks = true
	b.Add(plan.Op{Name: "name the root", Why: p.path + " leads through a symbolic link", Out: m.A},
		plan.Fcntl, plan.Of(c.root), plan.Int(unix.F_DUPFD_CLOEXEC), plan.Int(0))
	again, unread, there := b.Here(), b.Label(), b.Label()
	gone := plan.Then{On: []plan.On{{Errno: unix.ENOENT, To: again}}} // removed since the answer
	if q.Follow {
		gone.On = append(gone.On, plan.On{Errno: unix.ENAMETOOLONG, To: unread})
	}
	c.parent.AskInto("links are read by the parent, and followed from the root's descriptor", m, answer, answerSize)
	c.openPath("open what exists of "+p.path, p, field(answerPath, "path"), fd, gone)
	b.Add(plan.Op{
		Name: "make the missing directory",
		Why:  "empty name: all of it exists",
		Then: plan.Then{On: []plan.On{{Errno: unix.EEXIST}, {Errno: unix.ENOENT, To: there}}},
	}, plan.Mkdirat, plan.Of(fd), field(answerDirectory, "directory"), plan.Int(0o755))
	t.makeLast(field(answerFile, "file"))
	b.Add(plan.Op{Name: "close", Then: plan.Then{Next: again}}, plan.Close, plan.Of(fd))
	b.Place(unread)
	if q.Follow {
		c.followUnread(q, p, t)
	}
	b.Place(there)
	b.Add(plan.Op{Name: "close", Then: plan.Then{Next: t.done}}, plan.Close, plan.Of(m.A))
}

// followsUnread reports whether the process may have permissions on files that its
// parent lacks: in a user namespace it has all capabilities.
func (c *compiler) followsUnread() bool { return c.in.Rootless || c.in.UserNS }

// followUnread makes the kernel follow links that the parent may not read. The parent
// checks the result.
func (c *compiler) followUnread(q TargetQuestion, p place, t targetSteps) {
	b, fd := c.b, t.fd
	c.openWith("open "+p.path, p.existing(), p.flags(), fd, plan.Then{})
	m := b.Message(handshake.Target, "place")
	q.Opened = true
	b.Preset(m.B, q.pack())
	b.Add(plan.Op{Name: "name the opened file", Out: m.A},
		plan.Fcntl, plan.Of(fd), plan.Int(unix.F_DUPFD_CLOEXEC), plan.Int(0))
	c.parent.Ask("the parent could not read the links", m)
	c.close(m.A)
	if t.note != nil {
		b.Add(plan.Op{Name: "note the mode of " + p.path, Why: "a tmpfs takes the mode of the directory it covers"},
			plan.Fstat, plan.Of(fd), t.note.stat)
	}
}

// answerBuffer returns the buffer for answers. All questions share one, except those whose
// answer has a mode that is used later.
func (c *compiler) answerBuffer(n *modeNote) plan.Arg {
	if n != nil {
		return n.answer
	}
	if c.answers == (plan.Arg{}) {
		c.answers = c.b.Room(answerSize)
	}
	return c.answers
}

// mountTarget returns the place that mounts[i] is mounted on.
func (c *compiler) mountTarget(i int, dir bool, link finalLink) place {
	p := place{path: cleanPath(c.spec.Mounts[i].Destination), dir: dir, link: link, mount: i}
	if path.Dir(p.path) == "/" && link == linkRefused {
		p.nolinks = true
	} else {
		p.asks = !c.isBelowNewFilesystem(p.path)
	}
	return p
}
