package dockerfile

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/build/graph"
)

func (d *draft) copyFiles(n *graph.Node, c *instructions.CopyCommand) error {
	op := &graph.Copy{Chown: c.Chown, Chmod: c.Chmod, Link: independent(c.Link, c.Chmod), Parents: c.Parents, Exclude: c.ExcludePatterns}
	from, context := (*graph.Node)(nil), graph.MainContext
	var flags []string
	if err := checkExpansion(c.From); err != nil {
		return err
	}
	if c.From != "" {
		var err error
		if from, context, err = d.input(c.From); err != nil {
			return err
		}
		flags = append(flags, "--from="+c.From)
	}
	if c.Link && !op.Link {
		flags = append(flags, "--link")
	}
	for _, p := range c.SourcePaths {
		if isRemote(p) {
			return fmt.Errorf("%s: the source of COPY cannot be a URL: ADD fetches one", p)
		}
		op.Sources = append(op.Sources, graph.Source{From: from, Context: context, Path: graph.Pattern(clean(p))})
	}
	return d.place(n, op, &c.SourcesAndDest, flags)
}

func (d *draft) addFiles(n *graph.Node, c *instructions.AddCommand) error {
	op := &graph.Copy{
		Add: true, Chown: c.Chown, Chmod: c.Chmod, Link: independent(c.Link, c.Chmod), Exclude: c.ExcludePatterns,
		Unpack: c.Unpack, KeepGitDir: c.KeepGitDir, Checksum: c.Checksum,
	}
	var flags []string
	if c.Checksum != "" {
		flags = append(flags, "--checksum="+c.Checksum)
	}
	if c.Unpack != nil {
		flags = append(flags, fmt.Sprintf("--unpack=%t", *c.Unpack))
	}
	if c.Link && !op.Link {
		flags = append(flags, "--link")
	}
	for _, p := range c.SourcePaths {
		if isRemote(p) {
			op.Sources = append(op.Sources, graph.Source{URL: p})
			continue
		}
		op.Sources = append(op.Sources, graph.Source{Context: graph.MainContext, Path: graph.Pattern(clean(p))})
	}
	if c.Checksum != "" && (len(op.Sources) != 1 || op.Sources[0].URL == "") {
		return errors.New("ADD --checksum: is for one HTTP(S) or git source")
	}
	return d.place(n, op, &c.SourcesAndDest, flags)
}

// independent reports whether a layer can be created without the layers below. With --chmod it
// cannot: directories above the destination would get the mode too, and replace those of the
// image.
func independent(link bool, chmod string) bool { return link && chmod == "" }

// remote matches a source that ADD fetches: a URL, or a git repository.
var remote = regexp.MustCompile(`^(https?|git|ssh)://|^git@[^/]+:|^github\.com/`)

func isRemote(text string) bool { return remote.MatchString(text) }

// clean makes a source's path relative to the root of its tree. It keeps a trailing /, which
// requires a directory, and /./, where --parents cuts the path.
func clean(p string) string {
	before, behind, pivot := strings.Cut(p, "/./")
	out := strings.TrimPrefix(path.Clean("/"+before), "/")
	if pivot {
		return out + "/./" + strings.TrimPrefix(path.Clean("/"+behind), "/")
	}
	if out == "" {
		return "."
	}
	if strings.HasSuffix(p, "/") {
		out += "/"
	}
	return out
}

// place completes both: here-documents, the destination, the node. An empty destination, such
// as that of a variable without a value, is the current directory.
func (d *draft) place(n *graph.Node, op *graph.Copy, c *instructions.SourcesAndDest, flags []string) error {
	for _, content := range c.SourceContents {
		op.Sources = append(op.Sources, graph.Source{File: &graph.File{Name: content.Path, Content: content.Data}})
	}
	op.Dest = d.absolute(c.DestPath)
	if directory := strings.HasSuffix(c.DestPath, "/") || c.DestPath == "" || c.DestPath == "." || strings.HasSuffix(c.DestPath, "/."); directory && op.Dest != "/" {
		op.Dest += "/"
	}
	n.Op = op
	words := append(flags, copyFlags(op)...)
	words = append(words, c.SourcePaths...)
	for _, content := range c.SourceContents {
		words = append(words, "<<"+content.Path)
	}
	words = append(words, c.DestPath)
	n.Text = n.Instruction + " " + strings.Join(words, " ")
	n.History = oci.History{CreatedBy: n.Instruction + " " + strings.Join(append(historyFlags(op), words[len(words)-1-len(c.SourcePaths)-len(c.SourceContents):]...), " ") + " # buildkit"}
	return d.add(n)
}

func copyFlags(op *graph.Copy) (out []string) {
	out = historyFlags(op)
	if op.Link {
		out = append(out, "--link")
	}
	for _, e := range op.Exclude {
		out = append(out, "--exclude="+e)
	}
	return out
}

// historyFlags returns the flags shown in the history: those that affect the files, not how
// they are fetched.
func historyFlags(op *graph.Copy) (out []string) {
	if op.Parents {
		out = append(out, "--parents")
	}
	if op.Chown != "" {
		out = append(out, "--chown="+op.Chown)
	}
	if op.Chmod != "" {
		out = append(out, "--chmod="+op.Chmod)
	}
	return out
}
