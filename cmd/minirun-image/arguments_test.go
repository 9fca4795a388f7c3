package main

import (
	"strings"
	"testing"

	"github.com/minirun/minirun/internal/cmdline"
)

func TestFlagsMayFollowArguments(t *testing.T) {
	for in, want := range map[string]string{
		"minirun build . -t x":                         "minirun build -t x -- .",
		"minirun build -t x .":                         "minirun build -t x .",
		"minirun build":                                "minirun build",
		"minirun build - -t x":                         "minirun build -t x -- -",
		"minirun build . -f=a --tag=b -o c":            "minirun build -f=a --tag=b -o c -- .",
		"minirun build -t c -- -a":                     "minirun build -t c -- -a",
		"minirun build . --unknown x -t y":             "minirun build --unknown -t y -- . x",
		"minirun build . -t":                           "minirun build -t",
		"minirun build . -h":                           "minirun build -h",
		"minirun --store s --debug build . -t x":       "minirun --store s --debug build -t x -- .",
		"minirun --store build pull a -q":              "minirun --store build pull -q -- a",
		"minirun --store":                              "minirun --store",
		"minirun build . --build-arg A=-x --label b=c": "minirun build --build-arg A=-x --label b=c -- .",
		"minirun images busybox -q":                    "minirun images -q -- busybox",
		"minirun store check --quick":                  "minirun store check --quick",
		"minirun store check a --quick":                "minirun store check --quick -- a",
		"minirun seed a b -p":                          "minirun seed a b -p",
		"minirun build -t a --tag b --tag=c .":         "minirun build -t a --t b --t=c -- .",
		"minirun imagetools create --tag a b -t c":     "minirun imagetools create --tag a --tag c -- b",
	} {
		out := cmdline.Arrange(strings.Fields(in), app(), splitArguments)
		if got := strings.Join(out, " "); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
