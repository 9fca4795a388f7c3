package history

import (
	"cmp"
	"path"
	"path/filepath"
	"strings"

	"github.com/minirun/minirun/internal/build/source"
)

// Locate returns a context and its Dockerfile in a form that is valid in any directory: paths
// are absolute, or relative to the context.
func Locate(where, file string) (context, dockerfile, repository string) {
	dockerfile = cmp.Or(file, source.DefaultDockerfile)
	if source.IsURL(file) {
		dockerfile = source.RedactURL(file)
	}
	switch {
	case where == "-":
		return where, dockerfile, ""
	case source.IsGit(where):
		repository, _, _ = strings.Cut(source.RedactURL(where), "#")
		return source.RedactURL(where), dockerfile, repository
	case source.IsURL(where):
		return source.RedactURL(where), dockerfile, ""
	}
	context, err := filepath.Abs(where)
	if err != nil {
		return where, dockerfile, ""
	}
	if file == "" || file == "-" || source.IsURL(file) {
		return context, dockerfile, ""
	}
	abs, err := filepath.Abs(file)
	if err != nil {
		return context, dockerfile, ""
	}
	if inside, err := filepath.Rel(context, abs); err == nil && filepath.IsLocal(inside) {
		return context, inside, ""
	}
	return context, abs, ""
}

// Title returns the name of a build in lists: the last part of its context, the Dockerfile if
// it is not the default, and the target.
func Title(where, file, target string) string {
	base, sub, _ := strings.Cut(where, "#")
	name := strings.TrimSuffix(path.Base(base), ".git")
	if _, dir, ok := strings.Cut(sub, ":"); ok && dir != "" {
		name += "/" + strings.Trim(dir, "/")
	}
	if file != source.DefaultDockerfile {
		name += "/" + path.Base(file)
	}
	if target != "" {
		name += " (" + target + ")"
	}
	return name
}
