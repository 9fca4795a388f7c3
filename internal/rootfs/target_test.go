package rootfs

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/linkwalk"
	"github.com/minirun/minirun/internal/spec"
)

// TestTargetQuestionIsUnpacked: unpacking a question returns it unchanged.
func TestTargetQuestionIsUnpacked(t *testing.T) {
	for _, q := range []TargetQuestion{
		{}, {Mount: 300, Dir: true, link: linkRefused}, {Mount: 1, Copied: true, link: linkKept},
		{Mount: 1 << 20, Dir: true, Noted: true},
		{Mount: 2, Follow: true}, {Mount: 3, Follow: true, Opened: true, link: linkKept},
	} {
		if got := UnpackTargetQuestion(q.pack()); got != q {
			t.Errorf("%+v became %+v", q, got)
		}
	}
}

// TestTargetAnswers: missing directories are created one at a time, without following links.
func TestTargetAnswers(t *testing.T) {
	links := map[string]string{"/link": "../../new/deep", "/up": "..", "/proclink": "/proc", "/there": "dir"}
	look := func(name string) (linkwalk.Kind, string, error) {
		switch {
		case links[name] != "":
			return linkwalk.Link, links[name], nil
		case name == "/dir" || name == "/proc":
			return linkwalk.Directory, "", nil
		case name == "/private":
			return 0, "", unix.EACCES
		}
		return linkwalk.Missing, "", nil
	}
	file, dir := TargetQuestion{}, TargetQuestion{Dir: true}
	for _, c := range []struct {
		q           TargetQuestion
		destination string
		want        string // path, directory, file
	}{
		{file, "/link", ". new -"}, {dir, "/link/x", ". new -"}, {file, "/there/x", "dir . x"},
		{dir, "/there/x", "dir x -"},
		{dir, "/there", "dir - -"}, {file, "/new", ". . new"}, {TargetQuestion{link: linkKept}, "/there", "there - -"},
		{TargetQuestion{Dir: true, link: linkRefused}, "/there/sys", "dir sys -"},
		{TargetQuestion{Dir: true, Follow: true}, "/private/x", "- - -"},
		{TargetQuestion{Copied: true, link: linkKept}, "/there", "there - -"},
		{TargetQuestion{Copied: true, link: linkKept}, "/there/new", "dir . new"},
	} {
		a, err := c.q.Answer(&specs.Mount{Destination: c.destination}, "dir", look)
		got := strings.Join([]string{or(a.Path), or(a.Directory), or(a.File)}, " ")
		if err != nil || got != c.want {
			t.Errorf("%s %+v: %q, %v; want %q", c.destination, c.q, got, err, c.want)
		}
	}
	for _, c := range []struct {
		q           TargetQuestion
		destination string
	}{
		{dir, "/up"}, {dir, "/private/x"}, {dir, "/proclink"}, {file, "/proclink/version"},
		{TargetQuestion{Dir: true, link: linkRefused}, "/there"},
		{TargetQuestion{Copied: true, link: linkKept}, "/dir"}, {TargetQuestion{Copied: true, link: linkKept}, "/up"},
	} {
		a, err := c.q.Answer(&specs.Mount{Destination: c.destination, Type: "sysfs"}, "dir", look)
		if wrong := (*spec.Error)(nil); !errors.As(err, &wrong) {
			t.Errorf("%s: %+v, %v", c.destination, a, err)
		}
	}
}

func or(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// TestTargetAnswerFits: an answer that does not fit into the plan is an error, and the longest one
// that fits is not.
func TestTargetAnswerFits(t *testing.T) {
	name := strings.Repeat("n", unix.NAME_MAX)
	path := strings.Repeat("p", unix.PathMax-1)
	data, err := TargetAnswer{Directory: name, File: name, Path: path}.Bytes()
	if err != nil || len(data) != answerSize {
		t.Errorf("%d bytes, %v; the room is %d", len(data), err, answerSize)
	}
	unread, err := TargetAnswer{Unread: true}.Bytes()
	if err != nil || len(unread) != answerSize || bytes.IndexByte(unread[answerPath:], 0) >= 0 {
		t.Errorf("without a path: %d bytes, %v; openat2 must find no end", len(unread), err)
	}
	for _, a := range []TargetAnswer{{Path: path + "p"}, {Directory: name + "n"}, {File: name + "n"}} {
		if _, err := a.Bytes(); !errors.Is(err, unix.ENAMETOOLONG) {
			t.Errorf("%v", err)
		}
	}
	for _, a := range []TargetAnswer{{Directory: "a/b"}, {Directory: ".."}, {Directory: ".", File: "../x"},
		{Directory: ".", File: ".."}} {
		if _, err := a.Bytes(); err == nil {
			t.Errorf("%+v is not a single name", a)
		}
	}
}

// TestLongTargetsAreNotWalkedForEachName: a link in an image that leads through thousands of
// missing names must not keep the runtime busy for minutes.
func TestLongTargetsAreNotWalkedForEachName(t *testing.T) {
	const names = 2000
	there, looks := map[string]bool{"/": true}, 0
	look := func(name string) (linkwalk.Kind, string, error) {
		looks++
		switch {
		case name == "/link":
			return linkwalk.Link, strings.Repeat("a/", names), nil
		case there[name]:
			return linkwalk.Directory, "", nil
		}
		return linkwalk.Missing, "", nil
	}
	m, q, last := &specs.Mount{Destination: "/link"}, TargetQuestion{Dir: true}, TargetAnswer{}
	for asked := 0; ; asked++ {
		answer, ok := q.Next(last, look)
		if !ok {
			var err error
			if answer, err = q.Answer(m, "", look); err != nil {
				t.Fatal(err)
			}
		}
		if answer.Directory == "" {
			if asked != names || answer.Path != strings.TrimSuffix(strings.Repeat("a/", names), "/") {
				t.Errorf("%d questions lead to %q", asked, answer.Path)
			}
			break
		}
		there["/"+strings.TrimPrefix(answer.Path+"/"+answer.Directory, "./")] = true
		last = answer
	}
	if looks > 10*names {
		t.Errorf("%d lookups for %d names", looks, names)
	}
	for at, change := range map[string]TargetAnswer{
		"nothing was made":    {Path: ".", Directory: "gone", leads: "/gone/x"},
		"the next is there":   {Path: ".", Directory: "a", leads: "/a/a"},
		"nothing is left":     {Path: ".", Directory: "a", leads: "/a"},
		"a file was made":     {Path: "a", Directory: ".", File: "x", leads: "/a/x"},
		"nothing came before": {},
	} {
		if answer, ok := q.Next(change, look); ok {
			t.Errorf("%s: %+v", at, answer)
		}
	}
}
