package solve

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/build/tree"
	"github.com/minirun/minirun/internal/image"
)

// hinted says what to write instead, of a source that is not there.
func (v *solving) hinted(n *graph.Node, source graph.Source, err error) error {
	var missing *tree.NotFoundError
	if !errors.As(err, &missing) {
		return err
	}
	if source.From == nil {
		return err
	}
	return fmt.Errorf("%w%s", err, elsewhere(n, source, image.Stack(v.of(source.From).dirs()), missing.Pattern))
}

// elsewhere looks for a path of another stage where people think that it begins:
// in that stage's WORKDIR. Paths of --from begin at the stage's root.
func elsewhere(n *graph.Node, source graph.Source, files image.Stack, pattern string) string {
	workdir := "/"
	if c := source.From.Config; c != nil && c.Config.WorkingDir != "" {
		workdir = c.Config.WorkingDir
	}
	from := "the image"
	if source.From.Stage != nil {
		from = "stage " + source.From.Stage.Label()
	}
	if workdir == "/" {
		return ""
	}
	meant := path.Join(workdir, pattern)
	file, st, err := files.Resolve(meant)
	if err != nil || file == "" || strings.HasPrefix("/"+pattern, workdir+"/") {
		return fmt.Sprintf(": paths in --from begin at the root of %s, not at its WORKDIR %s", from, workdir)
	}
	const directory, mask = 0o040000, 0o170000
	op, ok := n.Op.(*graph.Copy)
	if !ok {
		return fmt.Sprintf(": paths in --from begin at the root of %s, not at its WORKDIR %s: write %s", from, workdir, meant)
	}
	dest := destinationAsWritten(n)
	if st.Mode&mask == directory && strings.HasSuffix(op.Dest, "/") && path.Base(strings.TrimSuffix(op.Dest, "/")) != path.Base(pattern) {
		// What is in a directory is copied, not the directory.
		dest = strings.TrimSuffix(dest, "/") + "/" + path.Base(pattern)
	}
	words := strings.Fields(n.Text)
	var flags []string
	for _, w := range words[1:] {
		if strings.HasPrefix(w, "--") {
			flags = append(flags, w)
		}
	}
	line := strings.Join(append(append([]string{n.Instruction}, flags...), meant, dest), " ")
	text := fmt.Sprintf(": paths in --from begin at the root of %s, not at its WORKDIR %s, where it is. Write instead:\n\n    %s\n", from, workdir, line)
	if dest != destinationAsWritten(n) {
		text += fmt.Sprintf("\n(COPY of a directory copies what is in it: so the destination names %s, too)", path.Base(pattern))
	}
	return text
}

func destinationAsWritten(n *graph.Node) string {
	words := strings.Fields(n.Text)
	return words[len(words)-1]
}
