package linkwalk

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// tree is a root with links, directories ("/") and files ("").
var tree = map[string]string{
	"/etc": "/", "/etc/file": "", "/run": "/", "/usr": "/", "/usr/share": "/", "/mnt": "volume",
	"/etc/resolv.conf": "->../run/systemd/resolve/stub-resolv.conf",
	"/localtime":       "->/usr/share/zoneinfo/Etc/UTC",
	"/climb":           "->../../../../etc/new",
	"/a":               "->b", "/b": "->/c/d", "/c": "->etc/../e/f",
	"/slash": "->/new/dir/", "/dot": "->new/.", "/up": "->new/..", "/through": "->missing/../etc/file",
	"/loop": "->loop", "/file": "->/etc/file", "/vol": "->/mnt/../x",
}

func lookup(name string) (Kind, string, error) {
	text, ok := tree[name]
	switch {
	case !ok:
		return Missing, "", nil
	case text == "/":
		return Directory, "", nil
	case text == "volume":
		return Opaque, "", nil
	case text == "":
		return Other, "", nil
	}
	return Link, text[2:], nil
}

func TestFollowLinksLikeTheKernel(t *testing.T) {
	for name, want := range map[string]Place{
		"/etc/resolv.conf":  {Path: "/run/systemd/resolve/stub-resolv.conf", Existing: "/run"},
		"/localtime":        {Path: "/usr/share/zoneinfo/Etc/UTC", Existing: "/usr/share"},
		"/climb":            {Path: "/etc/new", Existing: "/etc"},
		"/climb/below/it":   {Path: "/etc/new/below/it", Existing: "/etc"},
		"/a":                {Path: "/e/f/d", Existing: "/"},
		"/slash":            {Path: "/new/dir", Existing: "/"},
		"/dot/x":            {Path: "/new/x", Existing: "/"},
		"/up":               {Path: "/", Existing: "/"},
		"/through":          {Path: "/etc/file", Existing: "/etc/file"},
		"/file":             {Path: "/etc/file", Existing: "/etc/file"},
		"/file/.":           {Path: "/etc/file", Existing: "/etc/file"},
		"/etc/../../etc":    {Path: "/etc", Existing: "/etc"},
		"/new/x/../../etc":  {Path: "/etc", Existing: "/etc"},
		"/new/x/../y":       {Path: "/new/y", Existing: "/"},
		"/mnt/any/thing":    {Path: "/mnt/any/thing", Existing: "/mnt/any/thing", Opaque: true},
		"/vol":              {Path: "/x", Existing: "/x", Opaque: true},
		"":                  {Path: "/", Existing: "/"},
		"relative/./to///x": {Path: "/relative/to/x", Existing: "/"},
	} {
		if got, err := Follow(name, lookup); err != nil || got != want {
			t.Errorf("Follow(%q) = %+v, %v; want %+v", name, got, err, want)
		}
	}
	for name, want := range map[string]error{"/loop": unix.ELOOP, "/loop/x": unix.ELOOP, "/file/x": unix.ENOTDIR, "/etc/file/..": unix.ENOTDIR} {
		if got, err := Follow(name, lookup); !errors.Is(err, want) {
			t.Errorf("Follow(%q) = %+v, %v; want %v", name, got, err, want)
		}
	}
}
