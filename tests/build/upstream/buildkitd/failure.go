package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
)

// The parts of minirun's output when a build fails: the source lines, and the message.
var (
	quoted  = regexp.MustCompile(`(?ms)^\S+:\d+(?:, in [^\n]*)?\n-{20}\n(.*?)\n-{20}$`)
	marked  = regexp.MustCompile(`(?m)^ *(\d+) \| >>>`)
	message = regexp.MustCompile(`(?ms)^minirun: (.*)`)
)

// failure converts the message into an error that BuildKit's clients understand, with the lines of
// the Dockerfile.
func (j *job) failure(text string, code int) error {
	m := message.FindStringSubmatch(text)
	said := fmt.Sprintf("minirun build: exit code %d: %s", code, text)
	if m != nil {
		said = strings.TrimSpace(m[1])
	}
	err := errors.New(translateMessage(said))
	q := quoted.FindStringSubmatch(text)
	if q == nil {
		return err
	}
	source := &errdefs.Source{Info: &pb.SourceInfo{
		Filename: filepath.Base(j.filename), Language: "Dockerfile", Data: j.dockerfile, Definition: &pb.Definition{},
	}}
	for _, line := range marked.FindAllStringSubmatch(q[1], -1) {
		n, _ := strconv.Atoi(line[1]) // matched as digits
		at := &pb.Position{Line: int32(n)}
		source.Ranges = append(source.Ranges, &pb.Range{Start: at, End: at})
	}
	return errdefs.WithSource(err, source)
}

// equivalentMessages lists messages of minirun that mean the same as a message that the tests look for, whose
// words name parts of BuildKit.
var equivalentMessages = []struct {
	minirun  *regexp.Regexp
	buildkit string
}{
	{regexp.MustCompile(`^("\S+": not found)`),
		`failed to compute cache key: failed to calculate checksum of ref minirun::context: $1`},
}

func translateMessage(said string) string {
	for _, w := range equivalentMessages {
		if m := w.minirun.FindStringSubmatchIndex(said); m != nil {
			return string(w.minirun.ExpandString(nil, w.buildkit, said, m)) + said[m[1]:]
		}
	}
	return said
}
