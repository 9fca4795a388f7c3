package rootfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"path"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/handshake"
	"github.com/minirun/minirun/internal/linkwalk"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/spec"
)

// The kernel follows the links of a path to something that exists. A link to
// something that is missing (/etc/resolv.conf -> ../run/systemd/resolve/…) has
// to be read and taken apart, which no list of system calls can do. So a mount
// target that leads through a link is a question to the parent. The parent only
// reads; what it answers is made and opened here, one name at a time, from the
// root's descriptor and without following any link. If a link is replaced
// meanwhile, the mount fails, or is made somewhere else below the same root.
//
//	new process                        parent
//	Target(root, question) ─────────▶  reads the links of mounts[i].destination
//	            ◀──── directory, name  of the first component that is missing
//	mkdirat(directory, name), and the question again
//	            ◀──── the place        all of it exists now, and has no links
//	openat2(root, place, RESOLVE_NO_SYMLINKS)

// A TargetQuestion asks where the target of a mount is.
type TargetQuestion struct {
	Mount  int  // index in mounts
	Dir    bool // the target is a directory; else a file
	Copied bool // the target is a symbolic link, like the mount's source (copy-symlink)
	Noted  bool // the answer has the mode of the directory
	Follow bool // the kernel follows the links if the parent may not read them
	Opened bool // it has done so: the descriptor is what it found, and not the root
	last   last
}

func (q TargetQuestion) pack() uint64 {
	v := uint64(q.Mount)<<8 | uint64(q.last)<<6
	for bit, is := range [...]bool{q.Dir, q.Copied, q.Noted, q.Follow, q.Opened} {
		if is {
			v |= 1 << bit
		}
	}
	return v
}

// UnpackTargetQuestion reads the question in a message.
func UnpackTargetQuestion(v uint64) TargetQuestion {
	return TargetQuestion{
		Mount: int(v >> 8), Dir: v&1 != 0, Copied: v&2 != 0, Noted: v&4 != 0, Follow: v&8 != 0, Opened: v&16 != 0, last: last(v >> 6 & 3),
	}
}

// A TargetAnswer is either a directory and the name to make in it, or the target
// itself.
type TargetAnswer struct {
	Mode      uint32 // the mode that a tmpfs takes
	Directory string // the directory to make in Path; "" if Path is the target
	File      string // the file, or link, to make in Path: then Directory is "."
	Path      string // below the root
	Unread    bool   // nothing of this: the kernel is to follow the links
	leads     string // with Directory: where the target will be; not for the plan
}

// Where the fields of an answer are. Mode is first: see modeNote.
const (
	answerMode      = 0
	answerDirectory = 8
	answerFile      = answerDirectory + unix.NAME_MAX + 1
	answerPath      = answerFile + unix.NAME_MAX + 1
	answerSize      = answerPath + unix.PathMax
)

// Bytes is the answer as the plan reads it. Without a path it has one that does not
// end, for which openat2 fails with ENAMETOOLONG, as for no path that was walked.
// ENOENT would not do: a path that was there when it was answered can be gone since.
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

// Answer decides what to make next for the target of m, or that all of it
// exists. link is the text of the link that copy-symlink makes.
func (q TargetQuestion) Answer(m *specs.Mount, link string, look linkwalk.Look) (TargetAnswer, error) {
	wrong := func(want string, err error) (TargetAnswer, error) {
		return TargetAnswer{}, &spec.Error{Path: mountSource(q.Mount) + ".destination", Want: want, Got: fmt.Sprintf("%q", m.Destination), Err: err}
	}
	where := clean(m.Destination)
	p, text, err := q.follow(where, look)
	switch {
	case errors.Is(err, unix.EACCES) && q.Follow:
		// The new process may have more rights to its own files than a parent without
		// privilege has. Then nothing can be made.
		return TargetAnswer{Unread: true}, nil
	case err != nil:
		return wrong("must lead to a place in the root file system", err)
	case text != "" && q.last == lastRefused:
		return wrong("must not be a symbolic link: "+m.Type+" is only mounted on a directory of its own name", nil)
	case p.Path == "/":
		return wrong("must not lead to the root: that is root.path", nil)
	case !mayMount(m, p.Path):
		return wrong(notIntoProc, nil)
	case p.Missing():
		return q.makeNext(p), nil
	case q.Copied && text != link:
		return wrong(fmt.Sprintf("must not exist, or be a symbolic link to %q like the source (copy-symlink)", link), nil)
	}
	return TargetAnswer{Path: relative(p.Path)}, nil
}

const notIntoProc = "must not lead into /proc, where only proc itself and figures about the machine may be mounted"

// CheckOpened refuses the target of m that the kernel has found by following links
// which the parent may not read, if it is in a proc file system. Whether it is one of
// the files that may be replaced cannot be seen.
func (q TargetQuestion) CheckOpened(m *specs.Mount, isProc bool) error {
	if !isProc {
		return nil
	}
	return &spec.Error{Path: mountSource(q.Mount) + ".destination", Want: notIntoProc, Got: fmt.Sprintf("%q", m.Destination)}
}

// Next is the answer after last, if what that said was made and the name after it is
// missing as well. It spares walking from the root for every name: an image can have
// a link through thousands.
func (q TargetQuestion) Next(last TargetAnswer, look linkwalk.Look) (a TargetAnswer, ok bool) {
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

// follow follows the links of a destination; text is that of a link in the last
// component which is not followed.
func (q TargetQuestion) follow(where string, look linkwalk.Look) (p linkwalk.Place, text string, err error) {
	if q.last == lastFollowed {
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

// makeNext is the answer for a place of which a part is missing.
func (q TargetQuestion) makeNext(p linkwalk.Place) TargetAnswer {
	name, rest, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(p.Path, p.Existing), "/"), "/")
	a := TargetAnswer{Directory: name, Path: relative(p.Existing), leads: p.Path}
	if rest == "" && !q.Dir {
		a.Directory, a.File = ".", name
	}
	return a
}

// followLinks adds the steps that ask the parent where a place is, until it
// exists, and open it.
func (c *compiler) followLinks(p place, fd plan.Cell, done plan.Label, n *modeNote) {
	c.askTarget(TargetQuestion{Mount: p.mount, Dir: p.dir, Noted: n != nil, Follow: c.followsUnread(), last: p.last}, p, targetSteps{fd, done, n, func(name plan.Arg) {
		if p.dir {
			return // all that is missing is directories
		}
		c.b.CallThen("make the file that is missing", "as the place to mount on", plan.Fine(unix.EEXIST, unix.ENOENT), plan.Mknodat,
			plan.Of(fd), name, plan.Int(unix.S_IFREG|0o644), plan.Int(0))
	}})
}

// targetSteps is what the steps about a target end with.
type targetSteps struct {
	fd       plan.Cell
	done     plan.Label
	note     *modeNote
	makeLast func(name plan.Arg) // makes a File in the directory in fd
}

// askTarget asks q until the place exists and is open in the cell t.fd.
func (c *compiler) askTarget(q TargetQuestion, p place, t targetSteps) {
	b, fd := c.b, t.fd
	answer := c.answer(t.note)
	field := func(offset int, name string) plan.Arg { return b.At(b.CellIn(answer, offset, name)) }
	m := b.Message(handshake.Target, "root")
	b.Preset(m.B, q.pack())
	p.asks = true
	b.Get("name the root", p.path+" leads through a symbolic link", plan.Then{}, m.A, plan.Fcntl, plan.Of(c.root), plan.Int(unix.F_DUPFD_CLOEXEC), plan.Int(0))
	again, unread, there := b.Here(), b.Label(), b.Label()
	gone := plan.Then{On: []plan.On{{Errno: unix.ENOENT, To: again}}} // since the answer
	if q.Follow {
		gone.On = append(gone.On, plan.On{Errno: unix.ENAMETOOLONG, To: unread})
	}
	c.parent.AskInto("links are read by the parent, and followed from the root's descriptor", m, answer, answerSize)
	c.openPath("open what exists of "+p.path, p, field(answerPath, "path"), fd, gone)
	b.CallThen("make the directory that is missing", "no name: all of it exists", plan.Then{On: []plan.On{{Errno: unix.EEXIST}, {Errno: unix.ENOENT, To: there}}},
		plan.Mkdirat, plan.Of(fd), field(answerDirectory, "directory"), plan.Int(0o755))
	t.makeLast(field(answerFile, "file"))
	b.CallThen("close", "", plan.Then{Next: again}, plan.Close, plan.Of(fd))
	b.Place(unread)
	if q.Follow {
		c.followUnread(q, p, t)
	}
	b.Place(there)
	b.CallThen("close", "", plan.Then{Next: t.done}, plan.Close, plan.Of(m.A))
}

// followsUnread reports whether the process may have rights to files that its parent
// has not: in a user namespace it has all capabilities.
func (c *compiler) followsUnread() bool { return c.in.Rootless || c.in.UserNS }

// followUnread has the kernel follow links that the parent may not read. The parent
// looks at what that has led to.
func (c *compiler) followUnread(q TargetQuestion, p place, t targetSteps) {
	b, fd := c.b, t.fd
	c.openWith("open "+p.path, p.existing(), p.flags(), fd, plan.Then{})
	m := b.Message(handshake.Target, "place")
	q.Opened = true
	b.Preset(m.B, q.pack())
	b.Get("name what was opened", "", plan.Then{}, m.A, plan.Fcntl, plan.Of(fd), plan.Int(unix.F_DUPFD_CLOEXEC), plan.Int(0))
	c.parent.Ask("the parent could not read the links", m)
	c.close(m.A)
	if t.note != nil {
		b.Call("note the mode of "+p.path, "a tmpfs takes the mode of the directory it covers", plan.Fstat, plan.Of(fd), t.note.stat)
	}
}

// answer returns the room for answers. All questions share one, except those
// whose answer has a mode that is used later.
func (c *compiler) answer(n *modeNote) plan.Arg {
	if n != nil {
		return n.answer
	}
	if c.answers == (plan.Arg{}) {
		c.answers = c.b.Room(answerSize)
	}
	return c.answers
}

// A modeNote is where the mode is noted that a tmpfs takes: from fstat of the
// directory it covers, or from the parent's answer. The two overlap.
type modeNote struct {
	stat   plan.Arg // struct stat
	answer plan.Arg
	mode   plan.Cell
}

// noteMode makes room for the mode of a place. A directory that is made now
// gives a tmpfs's default.
func (c *compiler) noteMode(p place) *modeNote {
	size := statSize
	if p.asks {
		size = statMode() + answerSize
	}
	room := make([]byte, size)
	binary.LittleEndian.PutUint32(room[statMode():], DefaultTmpfsMode)
	n := &modeNote{stat: c.b.Bytes(room)}
	n.mode = c.b.CellIn(n.stat, statMode(), "mode")
	n.answer = c.b.At(n.mode)
	return n
}

// DefaultTmpfsMode is the mode of a tmpfs that was given none (tmpfs(5)).
const DefaultTmpfsMode = 0o1777

// target returns the place that mounts[i] is mounted on.
func (c *compiler) target(i int, dir bool, last last) place {
	p := place{path: clean(c.spec.Mounts[i].Destination), dir: dir, last: last, mount: i}
	if path.Dir(p.path) == "/" && last == lastRefused {
		p.nolinks = true
	} else {
		p.asks = !c.belowFresh(p.path)
	}
	return p
}

// belowFresh reports whether the nearest mount of config.json above a path is a
// new file system. There are no links in it except the kernel's own.
func (c *compiler) belowFresh(p string) bool {
	for p != "/" {
		p = path.Dir(p)
		if fresh, ok := c.fresh[p]; ok {
			return fresh
		}
	}
	return false
}

// noteFresh remembers what is mounted on the destination of m. Where that may have
// led through a link, a later mount can put something else in its way: the
// image has /run -> /var/run, and there is a volume on /var.
func (c *compiler) noteFresh(i int, m *specs.Mount, o spec.MountOptions) {
	if o.Flags&unix.MS_REMOUNT != 0 {
		return
	}
	where := clean(m.Destination)
	fixed := where == "/dev" || where == "/proc" || where == "/sys" && m.Type == "sysfs" || c.belowFresh(where)
	empty := !c.isBind(i) && !o.TmpCopyUp && startsEmpty(m.Type)
	if !empty && (!fixed || isBelow(where, "/sys")) {
		// A link of the image, or of sysfs, may have put its links into one of the new file
		// systems: /v -> /dev, and a volume on /v/x. Only in /proc there is no place for them.
		maps.DeleteFunc(c.fresh, func(at string, _ bool) bool { return at != "/proc" && !isBelow(at, "/proc") })
	}
	c.fresh[where] = fixed && empty
}

func isBelow(p, dir string) bool { return strings.HasPrefix(p, dir+"/") }

// startsEmpty reports whether a new file system of a type has nothing in it
// except what the kernel puts there. Others, as overlay, have an image's files.
func startsEmpty(fstype string) bool {
	switch fstype {
	case "tmpfs", "proc", "sysfs", "devpts", "mqueue", "cgroup", "cgroup2":
		return true
	}
	return false
}
