package images

import (
	"archive/tar"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	docker "github.com/moby/docker-image-spec/specs-go/v1"
)

// TestImageTextIsPrintedWithoutControlCharacters: the names of an image's files, commands and labels
// are printed without control characters: no escape sequences, no forged lines, no text that changes
// direction.
func TestImageTextIsPrintedWithoutControlCharacters(t *testing.T) {
	const evil = "x\x1b]0;title\a\x1b[31m\u009b2J\u202egpj\u2066\r\nforged"
	l, s := newLayout(t), newStore(t)
	config := runs("sh", "-c", "sleep 100", evil)
	config.Labels = map[string]string{"l": evil}
	config.Env = []string{"PATH=/bin", "EVIL=" + evil}
	config.Healthcheck = &docker.HealthcheckConfig{Test: []string{"CMD", "echo", evil}}
	l.add("evil", config, busybox(t), layer{command: "RUN " + evil, entries: []tar.Header{file("d-"+evil, "1"), dir("dir"), file("dir/\xff\xfe\x1b[2J", "2")}})
	s.Do("load", "-q", l.dir)
	id := name("escapes")
	s.Do("run", "-d", "--name", id, "evil")
	defer s.Minirun("rm", "-f", id)
	s.Do("exec", id, "touch", "/written-"+evil)
	hostile := filepath.Join(s.Host, "hostile.tar")
	write(t, hostile, string(archive(t, []tar.Header{file("../"+evil, "x")})))
	for _, args := range [][]string{
		{"history", "evil"}, {"history", "--no-trunc", "evil"}, {"images"}, {"ps", "-a"}, {"inspect", id}, {"inspect", "evil"},
		{"layers", "evil"}, {"layers", "--tree", "evil"}, {"layers", "--why", "/d-" + evil, "evil"}, {"layers", id},
		{"images", "--format", "json"}, {"layers", "--json", "evil"}, {"history", "--format", "json", "evil"}, {"layers", "--json", id}, {"inspect", "--format", "{{json .Config}}", "evil"}, {"list"}, {"ps"}, {"store", "check"}, {"import", hostile, "h"}, {"run", "--explain", "--rm", "evil", "true", evil},
		{"run", "--rm", "evil", "/none-" + evil}, {"exec", id, "/none-" + evil}, {"inspect", evil}, {"pull", "-q", evil},
	} {
		r := s.Minirun(args...)
		for stream, text := range map[string]string{"stdout": r.Stdout, "stderr": r.Stderr} {
			if bad := controls(text); bad != "" {
				t.Errorf("%q: %s has %s:\n%q", args, stream, bad, text)
			}
			for line := range strings.Lines(text) {
				if strings.HasPrefix(line, "forged") {
					t.Errorf("%q: %s has a forged line:\n%q", args, stream, text)
				}
			}
		}
	}
}

// controls returns the characters of a text that control a terminal.
func controls(text string) string {
	if !utf8.ValidString(text) {
		return "bytes that are not UTF-8"
	}
	for _, r := range text {
		if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
			return fmt.Sprintf("%U", r)
		}
	}
	return ""
}
