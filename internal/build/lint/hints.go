package lint

import (
	"fmt"
	"path"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// This file contains the hints for BuildKit's rules: what to write instead, and why.

func shellFormHint(name string, words []string) string {
	text := strings.TrimSpace(strings.Join(words, " "))
	if strings.HasPrefix(text, "[") {
		return "" // another finding explains the quotes
	}
	return fmt.Sprintf("write %s %s, because in shell form /bin/sh -c is process 1 and may not forward signals",
		name, formatExecForm(words))
}

func workdirHint(dir string) string {
	return "write WORKDIR " + path.Join("/", dir) + ", because the WORKDIR of the next base image may differ"
}

func secretHint(instruction, name string) string {
	where := "in its configuration and in every container"
	if instruction == "ARG" {
		where = "in its history"
	}
	id := strings.ToLower(name)
	return fmt.Sprintf("write RUN --mount=type=secret,id=%s,env=%s …, and build with --secret id=%s,src=FILE, because "+
		"anyone who has the image can read the value %s", id, name, id, where)
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
