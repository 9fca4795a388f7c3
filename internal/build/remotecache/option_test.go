package remotecache

import (
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/minirun/minirun/internal/build/export"
	"github.com/minirun/minirun/internal/image"
)

func name(t *testing.T, text string) image.Name {
	t.Helper()
	n, err := image.ParseName(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestParseCacheTo(t *testing.T) {
	for text, want := range map[string]To{
		"type=local,dest=/x":                      {Type: Local, Dest: "/x", Tag: "latest"},
		"type=local,dest=/x,tag=t,mode=max":       {Type: Local, Dest: "/x", Tag: "t", Max: true},
		`type=local,"dest=/a,b",mode=min`:         {Type: Local, Dest: "/a,b", Tag: "latest"},
		"type=registry,ref=r.example/a:c":         {Type: Registry, Ref: name(t, "r.example/a:c"), Tag: "latest"},
		"r.example/a:c":                           {Type: Registry, Ref: name(t, "r.example/a:c"), Tag: "latest"},
		"type=registry,ref=a,ignore-error=true":   {Type: Registry, Ref: name(t, "a"), Tag: "latest", Ignore: true},
		"type=registry,ref=a,image-manifest=true": {Type: Registry, Ref: name(t, "a"), Tag: "latest"},
		"type=local,dest=x,compression=zstd,compression-level=3": {
			Type: Local, Dest: "x", Tag: "latest", Compression: export.Compression{Kind: "zstd", Level: 3},
		},
		"type=inline": {Type: Inline, Tag: "latest"},
	} {
		if got, err := ParseTo(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"":                                        "EOF",
		"type=gha":                                "use local (a directory), registry, or inline",
		"type=s3,region=x,bucket=y":               `unknown type "s3"`,
		"type=azblob":                             `unknown type "azblob"`,
		"dest=x":                                  `type ""`,
		"type=local":                              "dest=DIRECTORY",
		"type=local,dest=x,tag=":                  "tag",
		"type=local,dest=x,mode=most":             "not min or max",
		"type=local,dest=x,compression=xz":        "gzip, zstd or uncompressed",
		"type=local,dest=x,ref=y":                 "ref",
		"type=local,dest=x,oci-mediatypes=false":  "always on",
		"type=local,dest=x,nonsense":              "KEY=VALUE",
		"type=registry":                           "ref=NAME",
		"type=registry,ref=x,dest=y":              "dest",
		"type=inline,mode=max":                    "mode=max",
		"type=inline,compression=zstd":            "--output",
		"r.example/UPPER":                         "UPPER",
		"a@" + digest.FromString("").String():     "digest",
		"type=local,dest=x,compression-level=low": "low",
	} {
		if got, err := ParseTo(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
}

func TestParseCacheFrom(t *testing.T) {
	d := digest.FromString("x")
	for text, want := range map[string]From{
		"type=local,src=/x":                      {Type: Local, Src: "/x"},
		"type=local,src=/x,tag=t":                {Type: Local, Src: "/x", Tag: "t"},
		"type=local,src=/x,digest=" + d.String(): {Type: Local, Src: "/x", Digest: d},
		"type=registry,ref=a@" + d.String():      {Type: Registry, Ref: name(t, "a@"+d.String())},
		"127.0.0.1:5000/a":                       {Type: Registry, Ref: name(t, "127.0.0.1:5000/a")},
	} {
		if got, err := ParseFrom(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"type=local":                "src=DIRECTORY",
		"type=local,src=x,digest=y": "y",
		"type=local,src=x,mode=max": `unknown key "mode"`,
		"type=registry,ref=x,tag=y": "tag",
		"type=registry":             "ref=NAME",
		"type=local,src=x,ref=y":    "ref",
		"type=inline":               "is for --cache-to",
		"type=gha,url=x":            "url",
		"type=gha":                  "use local (a directory), registry, or inline",
	} {
		if got, err := ParseFrom(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
}
