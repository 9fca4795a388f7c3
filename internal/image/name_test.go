package image

import (
	"strings"
	"testing"
)

// The names are those of github.com/distribution/reference, with Docker's defaults.
func TestParseName(t *testing.T) {
	digest := "sha256:" + strings.Repeat("0a", 32)
	for text, want := range map[string]string{
		"busybox":                      "docker.io/library/busybox:latest",
		"busybox:1.36":                 "docker.io/library/busybox:1.36",
		"user/app":                     "docker.io/user/app:latest",
		"docker.io/busybox":            "docker.io/library/busybox:latest",
		"index.docker.io/user/app":     "docker.io/user/app:latest",
		"localhost/app":                "localhost/app:latest",
		"localhost:5000/app:1":         "localhost:5000/app:1",
		"registry.example/a/b/c:x_y-z": "registry.example/a/b/c:x_y-z",
		"[::1]:5000/app":               "[::1]:5000/app:latest",
		"app@" + digest:                "docker.io/library/app@" + digest,
		"app:1@" + digest:              "docker.io/library/app:1@" + digest,
		"a__b--c/d.e":                  "docker.io/a__b--c/d.e:latest",
		"UPPER/app":                    "UPPER/app:latest",
	} {
		got, err := ParseName(text)
		if err != nil || got.String() != want {
			t.Errorf("%s: %s, %v; want %s", text, got, err, want)
			continue
		}
		if again, err := ParseName(got.Familiar()); err != nil || again != got {
			t.Errorf("%s: its short name %s is %s, %v", text, got.Familiar(), again, err)
		}
	}
	for _, text := range []string{"", ":", "app:", "App", "app/", "/app", "a//b", "a/b:", "-a", "a-", "a___b", "a._b",
		"app:.x", "app@sha256:12", "app@md5:x", "a/../b", "host:port/x", ".x", "a b", "a:b:c",
		"x/" + strings.Repeat("a", 300), "app:" + strings.Repeat("t", 129)} {
		if got, err := ParseName(text); err == nil {
			t.Errorf("%q is taken for %s", text, got)
		}
	}
}

// FuzzParseName: parsing the full form of a valid name returns the same name.
func FuzzParseName(f *testing.F) {
	f.Add("localhost:5000/a/b:c@sha256:" + strings.Repeat("0", 64))
	f.Fuzz(func(t *testing.T, text string) {
		n, err := ParseName(text)
		if err != nil {
			return
		}
		again, err := ParseName(n.String())
		if err != nil || again != n {
			t.Errorf("%q is %+v, whose text %s is %+v, %v", text, n, n, again, err)
		}
		if strings.Contains(n.Repository, "..") || strings.ContainsAny(n.String(), " \n\x00") {
			t.Errorf("%q became %s", text, n)
		}
	})
}
