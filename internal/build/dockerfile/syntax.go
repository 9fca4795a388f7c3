package dockerfile

import (
	"fmt"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// SyntaxArgument is the build argument that overrides "# syntax=".
const SyntaxArgument = "BUILDKIT_SYNTAX"

// ForeignSyntax returns a warning if a Dockerfile requests a frontend other than the built-in
// one: "# syntax=" names the image of a frontend, which is not run.
func ForeignSyntax(name string, text []byte, args map[string]string) error {
	image, given := args[SyntaxArgument]
	where := "--build-arg " + SyntaxArgument
	if !given {
		var at []parser.Range
		var ok bool
		if image, _, at, ok = parser.DetectSyntax(text); !ok {
			return nil
		}
		line, _ := lineRange(at)
		where = fmt.Sprintf("%s:%d: # syntax", name, line)
	}
	image, _, _ = strings.Cut(strings.TrimSpace(image), " ")
	repository, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(image, "docker.io/"), "index.docker.io/"), "@")
	if repository, _, _ = strings.Cut(repository, ":"); repository == "docker/dockerfile" || repository == "" {
		return nil
	}
	return fmt.Errorf("%s=%s is ignored: minirun uses its built-in frontend (docker/dockerfile)", where, image)
}
