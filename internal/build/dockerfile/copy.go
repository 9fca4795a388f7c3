package dockerfile

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/build/graph"
)

func (b *graphBuilder) convertCopy(s *stageBuilder, n *graph.Node, c *instructions.CopyCommand) error {
	op := &graph.Copy{
		Chown:   c.Chown,
		Chmod:   c.Chmod,
		Link:    isIndependent(c.Link, c.Chmod),
		Parents: c.Parents,
		Exclude: c.ExcludePatterns,
	}
	from, context := (*graph.Node)(nil), graph.MainContext
	var flags []string
	if err := checkNoVariables(c.From); err != nil {
		return err
	}
	if c.From != "" {
		var err error
		if from, context, err = b.resolveFrom(s, c.From); err != nil {
			return err
		}
		flags = append(flags, "--from="+c.From)
	}
	if c.Link && !op.Link {
		flags = append(flags, "--link")
	}
	for _, p := range c.SourcePaths {
		if isRemote(p) {
			return fmt.Errorf("COPY cannot fetch %s\nhint: use ADD", p)
		}
		op.Sources = append(op.Sources, graph.Source{From: from, Context: context, Path: graph.Pattern(cleanSource(p))})
	}
	return b.addCopy(s, n, op, &c.SourcesAndDest, flags)
}

func (b *graphBuilder) convertAdd(s *stageBuilder, n *graph.Node, c *instructions.AddCommand) error {
	op := &graph.Copy{
		Add: true, Chown: c.Chown, Chmod: c.Chmod, Link: isIndependent(c.Link, c.Chmod), Exclude: c.ExcludePatterns,
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
		op.Sources = append(op.Sources, graph.Source{Context: graph.MainContext, Path: graph.Pattern(cleanSource(p))})
	}
	if c.Checksum != "" && (len(op.Sources) != 1 || op.Sources[0].URL == "") {
		return errors.New("ADD --checksum requires exactly one HTTP(S) or git source")
	}
	return b.addCopy(s, n, op, &c.SourcesAndDest, flags)
}

// isIndependent reports whether a layer can be created without the layers below. With --chmod it
// cannot: directories above the destination would get the mode too, and replace those of the
// image.
func isIndependent(link bool, chmod string) bool { return link && chmod == "" }

// remote matches a source that ADD fetches: a URL, or a git repository.
var remote = regexp.MustCompile(`^(https?|git|ssh)://|^git@[^/]+:|^github\.com/`)

func isRemote(text string) bool { return remote.MatchString(text) }

// cleanSource makes a source's path relative to the root of its tree. It keeps a trailing /, which
// requires a directory, and /./, where --parents cuts the path.
func cleanSource(p string) string {
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

// addCopy completes a COPY or ADD: here-documents, the destination, the node. An empty destination, such
// as that of a variable without a value, is the current directory.
func (b *graphBuilder) addCopy(
	s *stageBuilder, n *graph.Node, op *graph.Copy, c *instructions.SourcesAndDest, flags []string,
) error {
	for _, content := range c.SourceContents {
		op.Sources = append(op.Sources, graph.Source{File: &graph.File{Name: content.Path, Content: content.Data}})
	}
	op.Dest = s.absolutePath(c.DestPath)
	isDirectory := strings.HasSuffix(c.DestPath, "/") || strings.HasSuffix("/"+c.DestPath, "/.") || c.DestPath == ""
	if isDirectory && op.Dest != "/" {
		op.Dest += "/"
	}
	flags = append(flags, copyFlags(op)...)
	op.Words = graph.CopyWords{Flags: flags, Sources: c.SourcePaths, Dest: c.DestPath}
	n.Op = op
	words := slices.Clone(flags)
	words = append(words, c.SourcePaths...)
	for _, content := range c.SourceContents {
		words = append(words, "<<"+content.Path)
	}
	words = append(words, c.DestPath)
	n.Text = n.Instruction + " " + strings.Join(words, " ")
	history := append(historyFlags(op), words[len(flags):]...)
	n.History = oci.History{CreatedBy: n.Instruction + " " + strings.Join(history, " ") + " # buildkit"}
	return b.addNode(s, n)
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
