package spec

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/minirun/minirun/internal/spec/spectest"
)

func TestLoadReadsRegularFiles(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(file string) error
		want string // part of the error; "" for none
	}{
		{"a file", func(f string) error { return os.WriteFile(f, spectest.Rich(), 0o644) }, ""},
		{"a link to a file", func(f string) error {
			if err := os.WriteFile(f+".real", spectest.Rich(), 0o644); err != nil {
				return err
			}
			return os.Symlink(f+".real", f)
		}, ""},
		{"nothing", func(string) error { return nil }, "no such file or directory"},
		{"a directory", func(f string) error { return os.Mkdir(f, 0o755) }, "must be a regular file, is a directory"},
		{"a FIFO", func(f string) error { return syscall.Mkfifo(f, 0o644) }, "must be a regular file, is a FIFO"},
		{"a device", func(f string) error { return os.Symlink("/dev/zero", f) }, "must be a regular file, is a device"},
		{"too large", func(f string) error {
			if err := os.WriteFile(f, nil, 0o644); err != nil {
				return err
			}
			return os.Truncate(f, MaxSize+1)
		}, "must not be larger than 16777216 bytes"},
		{"an empty file", func(f string) error { return os.WriteFile(f, nil, 0o644) }, "must not end here"},
	} {
		dir := t.TempDir()
		if err := c.make(filepath.Join(dir, "config.json")); err != nil {
			t.Fatal(err)
		}
		_, _, err := Load(dir)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) ||
			!strings.HasPrefix(err.Error(), "config.json: ")):
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	if _, _, err := Load(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the cause is lost: %v", err)
	}
}

// A file in /proc has size 0 but has content, which must be read to the end.
func TestReadWithoutSize(t *testing.T) {
	data, err := readDocument("/proc/self/status", "status", true)
	if err != nil || !strings.Contains(string(data), "Threads:") {
		t.Errorf("read %d bytes, %v", len(data), err)
	}
	if _, err := readDocument("/dev/zero", "zero", false); err == nil || !strings.Contains(err.Error(), "larger") {
		t.Errorf("endless file: %v", err)
	}
}

func TestProcessDocument(t *testing.T) {
	good := `{"user": {"uid": 0, "gid": 0}, "args": ["sh"], "cwd": "/", "env": ["A=b"]}`
	p, warns, err := parseProcess([]byte(good), "process.json")
	if err != nil || len(warns) > 0 || p.Args[0] != "sh" {
		t.Errorf("%+v, %v, %v", p, warns, err)
	}
	file := filepath.Join(t.TempDir(), "p.json")
	bad := strings.Replace(good, `"/"`, `"tmp"`, 1)
	if err := os.WriteFile(file, []byte(bad), 0o644); err != nil {
		t.Fatal(err)
	}
	_, _, err = LoadProcess(file)
	if want := file + `: cwd: must be an absolute path, got "tmp"`; err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	for _, c := range []struct{ old, new, path string }{
		{`"args": ["sh"]`, `"args": []`, "args"},
		{`"A=b"`, `"A"`, "env[0]"},
		{`"A=b"`, `1`, "env[0]"},
		{`"uid": 0`, `"uid": 4294967295`, "user.uid"},
		{`"cwd"`, `"ioPriority": {"class": "x", "priority": 0}, "cwd"`, "ioPriority.class"},
		{`"cwd"`, `"rlimits": [{"type": "x", "hard": 0, "soft": 0}], "cwd"`, "rlimits[0].type"},
	} {
		if _, _, err := parseProcess([]byte(strings.Replace(good, c.old, c.new, 1)), "process.json"); err == nil ||
			!blames(err, c.path) {
			t.Errorf("%s: %v", c.new, err)
		}
	}
}

func TestLayersAnnotation(t *testing.T) {
	layers, err := Layers(map[string]string{AnnotationLayers: `["/a", "b"]`})
	if err != nil || len(layers) != 2 || layers[0] != "/a" || layers[1] != "b" {
		t.Errorf("%q, %v", layers, err)
	}
	if layers, err := Layers(nil); layers != nil || err != nil {
		t.Errorf("%q, %v", layers, err)
	}
}

func TestSysctlPath(t *testing.T) {
	for k, want := range map[string]string{
		"net.ipv4.ip_forward":             "net/ipv4/ip_forward",
		"net/ipv4/ip_forward":             "net/ipv4/ip_forward",
		"net.ipv4.conf.eth0/1.forwarding": "net/ipv4/conf/eth0.1/forwarding",
		"net/ipv4/conf/eth0.1/forwarding": "net/ipv4/conf/eth0.1/forwarding",
		"x":                               "x",
		"":                                "",
		"a..b":                            "",
		"a/../b":                          "",
		"/a":                              "",
		"a.":                              "",
		"./a":                             "",
	} {
		if got, ok := SysctlPath(k); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %t", k, got, ok)
		}
	}
}

func TestParseList(t *testing.T) {
	got, ok := ParseList("0-3, 7,,5-5")
	if want := []Range{{0, 3}, {7, 7}, {5, 5}}; !ok || !slices.Equal(got, want) {
		t.Errorf("%v, %t", got, ok)
	}
	for _, bad := range []string{"", ",", "a", "3-0", "-1", "1-", "+1", "0x1", "65536", "1;2", "1\n"} {
		if got, ok := ParseList(bad); ok {
			t.Errorf("%q: %v", bad, got)
		}
	}
}
