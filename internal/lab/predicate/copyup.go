package predicate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/lab/scene"
	"github.com/minirun/minirun/internal/lab/words"
	"github.com/minirun/minirun/internal/regularfile"
)

// copyup asks whether a file of a layer was changed through an overlay: the upper directory has a whole
// copy of it, with the change.
type copyup struct {
	Lower    string `yaml:"lower"`    // the file in the layer
	Upper    string `yaml:"upper"`    // its copy
	Contains string `yaml:"contains"` // text of the copy that the file does not have
}

func (q *copyup) Holds(_ context.Context, s *scene.Scene) (*scene.Failure, error) {
	look := "ls -l " + q.Lower + " " + q.Upper
	before, err := scene.ReadBelow(s.Start, q.Lower)
	if err != nil {
		return nil, err
	}
	after, err := scene.ReadBelow(s.Dir, q.Upper)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return scene.Fail(words.New("the file %s", q.Upper), words.New("it does not exist"), "%s", look)
	case errors.Is(err, regularfile.ErrNotRegular):
		return scene.Fail(words.New("the file %s", q.Upper), words.New("it is not a file with text"), "%s", look)
	case err != nil:
		return nil, err
	case !strings.Contains(after, q.Contains):
		return scene.Fail(words.New("%s contains %q", q.Upper, q.Contains),
			words.New("%q", scene.Shorten(after)), "cat %s", q.Upper)
	}
	first, _, _ := strings.Cut(strings.TrimSpace(before), "\n")
	if !strings.Contains(after, first) {
		return scene.Fail(words.New("%s has the lines of %s too", q.Upper, q.Lower), words.New("%q", scene.Shorten(after)),
			"diff %s %s", q.Lower, q.Upper)
	}
	// An editor may have replaced the file by a new one. Then its directory was copied.
	for _, pair := range [][2]string{{q.Lower, q.Upper}, {filepath.Dir(q.Lower), filepath.Dir(q.Upper)}} {
		copied, err := isCopyUp(s.Dir, pair[0], pair[1])
		if err != nil || copied {
			return nil, err
		}
	}
	return scene.Fail(words.New("%s was written through the container", q.Upper),
		words.New("the kernel has not copied it from %s", q.Lower),
		"getfattr -d -m trusted.overlay %s", q.Upper)
}

// originNames are the attributes in which an overlay keeps from which file of a layer it made a copy: as
// root, and in a user namespace.
var originNames = [...]string{"trusted.overlay.origin", "user.overlay.origin"}

// isCopyUp reports whether the kernel copied a file or directory of a layer to the upper directory.
func isCopyUp(dir, lower, upper string) (bool, error) {
	copied, err := openAny(dir, upper)
	if err != nil {
		return false, err
	}
	defer unix.Close(copied)
	value := make([]byte, 512)
	n := -1
	for _, name := range originNames {
		n, err = unix.Getxattr(fmt.Sprintf("/proc/self/fd/%d", copied), name, value)
		if err == nil {
			break
		}
	}
	if err != nil {
		return false, nil // it has no such attribute
	}
	original, err := openAny(dir, lower)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer unix.Close(original)
	handle, _, err := unix.NameToHandleAt(original, "", unix.AT_EMPTY_PATH)
	if err != nil {
		return n == 0, nil // no handles on this file system: the attribute is empty
	}
	return isOrigin(value[:n], handle.Bytes()), nil
}

// originHeader is the length of struct ovl_fb up to the handle, in fs/overlayfs/overlayfs.h of the kernel:
// five bytes, of which the second is 0xfb, and the UUID of the file system.
const originHeader = 5 + 16

// isOrigin reports whether an overlay's attribute names the file with this handle. An empty one is of a
// layer without handles.
func isOrigin(attribute, handle []byte) bool {
	if len(attribute) == 0 {
		return true
	}
	return len(attribute) > originHeader && attribute[1] == 0xfb && bytes.HasPrefix(attribute[originHeader:], handle)
}

// openAny opens a file or directory below another, of whatever type, only to ask about it.
func openAny(dir, path string) (int, error) {
	root, err := scene.OpenRoot(dir)
	if err != nil {
		return -1, err
	}
	defer root.Close()
	return regularfile.OpenPathIn(int(root.Fd()), path, unix.O_NOFOLLOW, scene.Inside)
}
