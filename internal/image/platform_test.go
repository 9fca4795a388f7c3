package image

import "testing"

func TestForeignPlatform(t *testing.T) {
	for _, c := range []struct{ os, arch, machine, want string }{
		{"linux", "amd64", "amd64", ""},
		{"", "", "amd64", ""},
		{"linux", "", "amd64", ""},
		{"", "amd64", "amd64", ""},
		{"linux", "386", "amd64", ""},
		{"linux", "arm", "arm64", ""},
		{"linux", "arm64", "amd64", "linux/arm64"},
		{"", "arm64", "amd64", "linux/arm64"},
		{"linux", "amd64", "arm64", "linux/amd64"},
		{"linux", "amd64", "386", "linux/amd64"},
		{"windows", "amd64", "amd64", "windows/amd64"},
	} {
		if got := foreignPlatform(c.os, c.arch, c.machine); got != c.want {
			t.Errorf("%s/%s on %s: %q, want %q", c.os, c.arch, c.machine, got, c.want)
		}
	}
}
