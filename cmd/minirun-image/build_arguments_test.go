package main

import (
	"strings"
	"testing"
)

func TestFlagsFirst(t *testing.T) {
	for in, want := range map[string]string{
		"minirun build . -t x":                         "minirun build -t x -- .",
		"minirun build -t x .":                         "minirun build -t x -- .",
		"minirun build":                                "minirun build",
		"minirun build - -t x":                         "minirun build -t x -- -",
		"minirun build . --pull --no-cache -q":         "minirun build --pull --no-cache -q -- .",
		"minirun build . -f=a --tag=b -o c":            "minirun build -f=a --tag=b -o c -- .",
		"minirun build a b -t c":                       "minirun build -t c -- a b",
		"minirun build -t c -- -a":                     "minirun build -t c -- -a",
		"minirun build . --unknown x -t y":             "minirun build --unknown -t y -- . x",
		"minirun build . -t":                           "minirun build -t -- .",
		"minirun build . -h":                           "minirun build -h -- .",
		"minirun --store s --debug build . -t x":       "minirun --store s --debug build -t x -- .",
		"minirun --store=s build . -t x":               "minirun --store=s build -t x -- .",
		"minirun --store build pull -q a":              "minirun --store build pull -q a",
		"minirun tag build -t":                         "minirun tag build -t",
		"minirun":                                      "minirun",
		"minirun --store":                              "minirun --store",
		"minirun build . --build-arg A=-x --label b=c": "minirun build --build-arg A=-x --label b=c -- .",
	} {
		if got := strings.Join(flagsFirst(strings.Fields(in), app()), " "); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
