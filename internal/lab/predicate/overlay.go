package predicate

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"

	"github.com/minirun/minirun/internal/lab/scene"
	"github.com/minirun/minirun/internal/lab/words"
)

// layers asks for a container whose root is an overlay (Documentation/filesystems/overlayfs.rst of the
// kernel). Several containers may run; one of them must answer everything.
type layers struct {
	scene.Of `yaml:",inline"`
	Lower    []string `yaml:"lower"`    // directories of the learner that are its layers
	Upper    string   `yaml:"upper"`    // the directory of the learner for its writes
	Apart    string   `yaml:"apart"`    // its writes go neither to this directory nor below it
	Sees     string   `yaml:"sees"`     // a file that it sees …
	Contains string   `yaml:"contains"` // … with this text
}

func (q *layers) Holds(_ context.Context, s *scene.Scene) (*scene.Failure, error) {
	if _, failure := q.Find(s); failure != nil {
		return failure, nil
	}
	var best *scene.Failure
	farthest := -1
	for _, p := range scene.Firsts(scene.Marked(s.Values["token"]), q.Of.Of) {
		failure, steps, err := q.judge(s, &p)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it ended meanwhile
		}
		if err != nil || failure == nil {
			return nil, err
		}
		if steps > farthest {
			best, farthest = failure, steps
		}
	}
	if best == nil {
		return nil, fs.ErrNotExist
	}
	return best, nil
}

// judge asks one container. The number is that of the first question without the right answer.
func (q *layers) judge(s *scene.Scene, p *scene.Process) (*scene.Failure, int, error) {
	options, err := rootOverlay(p)
	if err != nil {
		return nil, 0, err
	}
	look := "grep ' / / ' " + p.Proc("mountinfo")
	no := func(step int, expected, found words.Text) (*scene.Failure, int, error) {
		return &scene.Failure{Expected: expected, Found: found, Look: look}, step, nil
	}
	if options == nil {
		return no(0, words.New("a root file system that is an overlay"), words.New("process %d has another one", p.PID))
	}
	lower, upper := overlayDirs(options)
	base := layersBase(filepath.Join(s.Dir, q.Of.Of), s.Dir, q.Lower, lower)
	for _, want := range q.Lower {
		if !containsDir(lower, base, filepath.Join(s.Dir, want)) {
			return no(1, words.New("%s is a layer of the container", want),
				words.New("the layers of process %d: %s", p.PID, strings.Join(lower, " ")))
		}
	}
	if q.Upper != "" && !containsDir([]string{upper}, base, filepath.Join(s.Dir, q.Upper)) {
		return no(2, words.New("the container writes to %s", q.Upper), words.New("it writes to %s", upper))
	}
	if q.Apart != "" && isWithin(resolveFrom(base, upper), filepath.Join(s.Dir, q.Apart)) {
		return no(2, words.New("a container that does not write to %s", q.Apart), words.New("it writes to %s", upper))
	}
	if q.Sees == "" {
		return nil, 3, nil
	}
	look = "cat " + filepath.Join(p.Proc("root"), q.Sees)
	text, err := scene.ReadBelow(p.Proc("root"), q.Sees)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return no(3, words.New("the container sees the file %s", q.Sees), words.New("it does not exist"))
	case err != nil:
		return nil, 3, err
	case !strings.Contains(text, q.Contains):
		return no(4, words.New("%s contains %q", q.Sees, q.Contains), words.New("%q", scene.Shorten(text)))
	}
	return nil, 5, nil
}

// rootOverlay returns the options of the overlay that is a process's root file system, nil if it is another
// file system.
func rootOverlay(p *scene.Process) ([]string, error) {
	f, err := os.Open(p.Proc("mountinfo"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	table, err := mountinfo.GetMountsFromReader(f, nil)
	if err != nil {
		return nil, err
	}
	var options []string
	for _, m := range table {
		switch { // the last one is on top
		case m.Mountpoint == "/" && m.FSType == "overlay":
			options = strings.Split(m.VFSOptions, ",")
		case m.Mountpoint == "/":
			options = nil
		}
	}
	return options, nil
}

// overlayDirs returns the directories in an overlay's options. The layers are given one by one (lowerdir+=,
// Linux 6.8) or as a list (lowerdir=).
func overlayDirs(options []string) (lower []string, upper string) {
	for _, o := range options {
		name, value, _ := strings.Cut(o, "=")
		switch name {
		case "lowerdir+":
			lower = append(lower, value)
		case "lowerdir":
			lower = append(lower, strings.Split(value, ":")...)
		case "upperdir":
			upper = value
		}
	}
	return lower, upper
}

// layersBase returns the directory that relative names of layers belong to: the bundle's, or if they are not
// there one above a layer that is wanted, since layers are named from the deepest directory above them all.
func layersBase(bundle, labDir string, wants, names []string) string {
	candidates := []string{bundle}
	for _, want := range wants {
		for dir := filepath.Dir(filepath.Join(labDir, want)); isWithin(dir, labDir); dir = filepath.Dir(dir) {
			candidates = append(candidates, dir)
		}
	}
	for _, dir := range candidates {
		missing := slices.ContainsFunc(names, func(name string) bool {
			_, err := os.Stat(filepath.Join(dir, name))
			return !filepath.IsAbs(name) && err != nil
		})
		if !missing {
			return dir
		}
	}
	return bundle
}

// resolveFrom returns the path of a directory in an overlay's options. The kernel shows what it was given: a
// relative name belongs to the directory in which the runtime was: the bundle, or one above it.
func resolveFrom(base, name string) string {
	if filepath.IsAbs(name) || name == "" {
		return name
	}
	first, _, _ := strings.Cut(name, "/")
	for dir := base; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, first)); err == nil || dir == "/" {
			return filepath.Join(dir, name)
		}
	}
}

// containsDir reports whether one of the directories in an overlay's options is this one.
func containsDir(names []string, base, dir string) bool {
	for _, name := range names {
		if name != "" && isSameDir(resolveFrom(base, name), dir) {
			return true
		}
	}
	return false
}

func isSameDir(a, b string) bool {
	one, err := os.Stat(a)
	other, failed := os.Stat(b)
	return err == nil && failed == nil && os.SameFile(one, other)
}

// isWithin reports whether a path is a directory or below it.
func isWithin(path, dir string) bool {
	for ; path != "" && path != "/"; path = filepath.Dir(path) {
		if isSameDir(path, dir) {
			return true
		}
	}
	return false
}
