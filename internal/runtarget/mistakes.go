package runtarget

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/nearest"
)

// checkBundle refuses a bundle that does not exist or has no config.json. What config.json contains
// is the loader's subject.
func checkBundle(q Question, path string, f Facts) error {
	switch f.Path(path) {
	case Nothing:
		return fmt.Errorf("%s: directory %s does not exist\n%s", q.Command, path, bundleHint(path, f))
	case File:
		return fmt.Errorf("%s: %s is a file, and a bundle is a directory\nhint: minirun %[1]s %[3]s", q.Command, path,
			filepath.Dir(path)+"/")
	case Directory:
		return notBundle(q, path)
	}
	return nil
}

func notBundle(q Question, path string) error {
	return fmt.Errorf("%s: %s is not a bundle (no config.json)\nhint: minirun spec --bundle %[2]s writes one", q.Command,
		path)
}

func bundleHint(path string, f Facts) string {
	if near := similarBundles(path, f); len(near) > 0 {
		return "hint: did you mean " + strings.Join(near, " or ") + "?"
	}
	return "hint: ls shows the directories; minirun spec --bundle DIR writes a config.json"
}

// explainPath returns the error for arguments that name an existing path which is not a bundle.
func explainPath(q Question, f Facts) error {
	args := q.Arguments
	first := args[0]
	if len(args) == 2 && strings.Contains(args[1], "/") && record.CheckID(first) == nil {
		if err := explainSecond(q, f); err != nil {
			return err
		}
	}
	if len(args) > 1 {
		return nil
	}
	kind := f.Path(first)
	if kind != Directory && kind != File {
		return nil
	}
	_, err := image.ParseName(first)
	switch {
	case kind == Directory && err == nil:
		return fmt.Errorf("%s: %s is a directory but not a bundle (no config.json), and image %[2]s "+
			"is not in the store\nhint: minirun spec --bundle %[2]s writes a config.json; minirun pull %[2]s gets the image",
			q.Command, first)
	case kind == Directory:
		return notBundle(q, first)
	case err == nil && !strings.Contains(first, "/"): // a file here does not say much about an image
		return nil
	}
	return fmt.Errorf("%s: %s is a file: give a bundle, which is a directory, or an image", q.Command, first)
}

// explainSecond returns the error for `run ID BUNDLE` if the second argument is a directory without
// config.json, or cannot be anything but a directory that does not exist.
func explainSecond(q Question, f Facts) error {
	id, path := q.Arguments[0], q.Arguments[1]
	switch kind := f.Path(path); {
	case kind == Directory:
		return fmt.Errorf("%s: %s is not a bundle (no config.json), and image %s is not in the store\n"+
			"hint: minirun spec --bundle %[2]s writes a config.json; minirun pull %[3]s gets the image", q.Command, path, id)
	case kind == Nothing && (strings.HasSuffix(path, "/") || len(similarBundles(path, f)) > 0):
		return fmt.Errorf("%s: directory %s does not exist\n%s", q.Command, path, bundleHint(path, f))
	}
	return nil
}

// checkReference refuses an argument that is not in the store and should not be looked up in a
// registry: it is not a name, or is probably a typing error.
func checkReference(q Question, f Facts) error {
	first := q.Arguments[0]
	n, err := image.ParseName(first)
	switch _, lower := image.ParseName(strings.ToLower(first)); {
	case err != nil && lower == nil: // the error has a hint
		return fmt.Errorf("%s: %w", q.Command, err)
	case err != nil:
		return fmt.Errorf("%s: %w\n%s", q.Command, err, nameHint(q, f))
	}
	if q.AlwaysPull || n.Digest != "" {
		return nil
	}
	near := append(similarBundles(first, f), similarImages(n, f)...)
	if len(near) > 0 {
		return fmt.Errorf("%s: %s is neither a bundle nor an image in the store\n"+
			"hint: did you mean %s? If not: minirun pull %[2]s", q.Command, first, strings.Join(near, " or "))
	}
	parent := filepath.Dir(first)
	hasTag := strings.Contains(first[strings.LastIndexByte(first, '/')+1:], ":")
	if !isHubName(first, n) || parent != "." && !hasTag && f.Path(parent) >= Directory {
		return fmt.Errorf("%s: directory %s does not exist, and no image in the store has this name\n"+
			"hint: for an image in a registry: minirun pull %s", q.Command, first, n)
	}
	return nil
}

func nameHint(q Question, f Facts) string {
	first := q.Arguments[0]
	if near := similarBundles(first, f); len(near) > 0 {
		return "hint: did you mean " + strings.Join(near, " or ") + "?"
	}
	return "hint: minirun images lists the images; ./DIR or DIR/ is a bundle"
}

// maxSuggestions is how many names an error suggests.
const maxSuggestions = 2

// similarBundles returns bundles next to where a path would be, with similar names.
func similarBundles(path string, f Facts) (out []string) {
	path = filepath.Clean(path)
	parent, name := filepath.Dir(path), filepath.Base(path)
	for _, entry := range f.Subdirectories(parent) {
		candidate := filepath.Join(parent, entry)
		if len(out) < maxSuggestions && isSimilar(name, entry) && f.Path(candidate) == Bundle {
			out = append(out, candidate+"/")
		}
	}
	return out
}

// similarImages returns images in the store with similar names. Another tag is not an error in
// typing.
func similarImages(n image.Name, f Facts) (out []string) {
	for _, name := range f.Images() {
		other, err := image.ParseName(name)
		if err == nil && len(out) < maxSuggestions && other.Registry == n.Registry &&
			isSimilar(n.Repository, other.Repository) {
			out = append(out, name)
		}
	}
	return out
}

// isSimilar reports whether two different names differ by one typing error for every four letters,
// at most two.
func isSimilar(a, b string) bool {
	return a != b && nearest.Edits(a, b) <= min(len(filepath.Base(a))/4, 2)
}
