package lint

import (
	"fmt"
	"path"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// This file contains the hints for BuildKit's rules: the reason for a finding, and what to
// write instead.

func shellFormHint(name string, words []string) string {
	text := strings.TrimSpace(strings.Join(words, " "))
	if strings.HasPrefix(text, "[") {
		return "" // another finding explains the quotes
	}
	return fmt.Sprintf("In shell form, /bin/sh -c is process 1 and may not forward signals: stop waits for its "+
		"timeout, then kills. Write %s %s",
		name, formatExecForm(words))
}

func workdirHint(dir string) string {
	return "It is relative to the base image's WORKDIR, which may differ in the next version of that image. Write " +
		"WORKDIR " +
		path.Join("/", dir)
}

func secretHint(instruction, name string) string {
	where := "in its configuration and in every container"
	if instruction == "ARG" {
		where = "in its history"
	}
	id := strings.ToLower(name)
	return fmt.Sprintf("Anyone who has the image can read the value %s. "+
		"Write RUN --mount=type=secret,id=%s,env=%s …, and build with --secret id=%s,src=FILE", where, id, name, id)
}

func inlineContents(files []instructions.ShellInlineFile) (out []string) {
	for _, f := range files {
		out = append(out, f.Data)
	}
	return out
}

func sourceContents(files []instructions.SourceContent) (out []string) {
	for _, f := range files {
		out = append(out, f.Data)
	}
	return out
}
