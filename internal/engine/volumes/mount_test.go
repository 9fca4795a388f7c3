package volumes

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// describe returns the mount of config.json as text.
func describe(m Mount) string {
	s := m.SpecOf(m.Source)
	return fmt.Sprintf("%s %s→%s %s", m.Type, m.Source, s.Destination, strings.Join(s.Options, " "))
}

func TestParseVolume(t *testing.T) {
	for text, want := range map[string]string{
		"/data":               "volume →/data rbind rprivate",
		"/a:/b":               "bind /a→/b rbind rprivate",
		"db:/b:ro":            "volume db→/b rbind rro rprivate",
		"db:/b:nocopy,nosuid": "volume db→/b rbind nosuid rprivate",
		".:/b:ro,rshared":     "bind .→/b rbind rro rshared",
		"..:/b:slave":         "bind ..→/b rbind slave",
		"./x:/b:rw":           "bind ./x→/b rbind rprivate",
		"/a:/b:z":             "bind /a→/b rbind rprivate", // without SELinux files have no label to change
	} {
		m, err := ParseVolume(text, false)
		if got := describe(m); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", text, got, err, want)
		}
	}
	for text, words := range map[string]string{
		"": "the path in the container is missing", "data": "absolute path", "/a:b": "absolute path", ":/b": "must be [HOST:]",
		"/a:/": "below /", "/a:/b/..": "below /", "/a:/b:ro:x": "must be [HOST:]", "/a:/b:size=1": "unknown option",
		"/a:/b:ro,rw": "exclude each other", "/a:/b:rshared,rslave": "exclude each other", "/a:/b:nocopy": "never filled",
		"db:/b:rshared": "for a path of the host", "/a:/b:cached": "only on macOS", "a b:/b": "not a valid volume name",
		"-x:/b": "letter or digit first", "/a:/b:": "unknown option",
	} {
		m, err := ParseVolume(text, false)
		if err == nil || !strings.Contains(err.Error(), words) || !strings.HasPrefix(err.Error(), "--volume ") {
			t.Errorf("%q: %+v, %v; want %s", text, m, err, words)
		}
	}
	if _, err := ParseVolume("/a:/b:Z", true); err == nil || !strings.Contains(err.Error(), "hint: ") {
		t.Errorf("a label with SELinux: %v", err)
	}
}

func TestParseMount(t *testing.T) {
	for text, want := range map[string]string{
		"type=bind,source=/a,target=/b":                                 "bind /a→/b rbind rprivate",
		"type=bind,src=/a,dst=/b,ro,bind-propagation=rslave":            "bind /a→/b rbind rro rslave",
		"type=bind,src=/a,dst=/b,readonly=true,bind-recursive=writable": "bind /a→/b rbind ro rprivate",
		"type=bind,src=/a,dst=/b,bind-recursive=disabled":               "bind /a→/b bind rprivate",
		"type=bind,src=/a,dst=/b,bind-nonrecursive":                     "bind /a→/b bind rprivate",
		"src=db,dst=/b": "volume db→/b rbind rprivate",
		"type=volume,destination=/b,volume-nocopy,volume-label=a=b":                   "volume →/b rbind rprivate",
		"type=volume,src=db,dst=/b,volume-driver=local,readonly":                      "volume db→/b rbind rro rprivate",
		`type=volume,src=n,dst=/b,volume-opt=type=nfs,"volume-opt=o=addr=1.2.3.4,rw"`: "volume n→/b rbind rprivate",
		"type=tmpfs,dst=/b,tmpfs-size=64m,tmpfs-mode=1770":                            "tmpfs →/b nosuid nodev noexec size=67108864 mode=1770",
	} {
		m, err := ParseMount(text)
		if got := describe(m); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", text, got, err, want)
		}
	}
	for text, words := range map[string]string{
		"": "", "type=bind,dst=/b": "source=DIR is missing", "type=bind,src=/a": "path in the container is missing",
		"type=nonsense,dst=/b": `type "nonsense"`, "type=image,src=x,dst=/b": "type image is not supported",
		"type=tmpfs,src=x,dst=/b": "source has no effect", "type=bind,src=/a,dst=/b,tmpfs-size=1m": "tmpfs-size is for type=tmpfs",
		"type=tmpfs,dst=/b,tmpfs-size=x": "tmpfs-size", "type=tmpfs,dst=/b,tmpfs-mode=999": "octal",
		"type=volume,dst=/b,bind-propagation=private": "bind-propagation is for type=bind", "dst=/b,ro=maybe": "true or false",
		"type=bind,src=/a,dst=/b,bind-propagation=x": "must be private", "dst=/b,consistency=cached": "macOS",
		"dst=/b,color=red": `unknown key "color"`, "dst=/b,volume-driver=nfs": "only local", "dst=/b,volume-subpath=x": "not supported",
		"src=a/b,dst=/b": "not a valid volume name", "dst=b": "absolute path", "dst=/b,src=": "the value is missing",
		"type=bind,src=/a,dst=/b,bind-recursive=writable": "only with readonly", "dst=/b,volume-opt==x": "NAME=VALUE",
	} {
		m, err := ParseMount(text)
		if err == nil || !strings.Contains(err.Error(), words) || !strings.HasPrefix(err.Error(), "--mount ") {
			t.Errorf("%q: %+v, %v; want %s", text, m, err, words)
		}
	}
}

func TestParseTmpfs(t *testing.T) {
	for text, want := range map[string]string{
		"/b":                        "tmpfs →/b nosuid nodev noexec",
		"/b:rw,exec,size=10%":       "tmpfs →/b nosuid nodev rw exec size=10%",
		"/b:ro,mode=1777,uid=5":     "tmpfs →/b nosuid nodev noexec ro mode=1777 uid=5",
		"/b:size=64m,nr_inodes=10k": "tmpfs →/b nosuid nodev noexec size=64m nr_inodes=10k",
	} {
		m, err := ParseTmpfs(text)
		if got := describe(m); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "b", "/", "/b:", "/b:size=x", "/b:size=-1", "/b:mode=9", "/b:color=red", "/b:big", "/b:uid="} {
		if m, err := ParseTmpfs(text); err == nil || !strings.HasPrefix(err.Error(), "--tmpfs ") {
			t.Errorf("%q: %+v, %v", text, m, err)
		}
	}
}

func TestTwoMountsOnOneTargetAreRefused(t *testing.T) {
	list := []Mount{{Flag: "--tmpfs a", Target: "/a"}, {Flag: "-v b", Target: "/b"}, {Flag: "-v c", Target: "/a/"}}
	if err := CheckTargets(list); err == nil || !strings.Contains(err.Error(), "--tmpfs a") {
		t.Errorf("%v", err)
	}
	if err := CheckTargets(list[:2]); err != nil {
		t.Error(err)
	}
}

func TestDriverOptions(t *testing.T) {
	m := Mount{Type: Volume, Target: "/b", ReadOnly: true}
	for _, c := range []struct {
		options map[string]string
		want    string
	}{
		{nil, ""},
		{map[string]string{"type": "tmpfs", "o": "size=1m,uid=5"}, "tmpfs tmpfs /b size=1m,uid=5,ro"},
		{map[string]string{"type": "none", "device": "/a", "o": "bind"}, "bind /a /b bind,ro"},
		{map[string]string{"type": "nfs", "device": ":/x", "o": "addr=1.2.3.4"}, "nfs :/x /b addr=1.2.3.4,ro"},
	} {
		got := ""
		if s, ok := m.DriverMount(c.options); ok {
			got = fmt.Sprintf("%s %s %s %s", s.Type, s.Source, s.Destination, strings.Join(s.Options, ","))
		}
		if got != c.want {
			t.Errorf("%v: %q, want %q", c.options, got, c.want)
		}
	}
	for _, bad := range []map[string]string{
		{"size": "1g"}, {"o": "size=1m"}, {"type": "nfs"}, {"device": "/tmp"}, {"type": "none", "device": "x", "o": "bind"},
		{"type": "none", "device": "/none/such", "o": "bind"},
	} {
		if err := checkOptions(bad); err == nil {
			t.Errorf("%v is accepted", bad)
		}
	}
}

func TestVolumeStore(t *testing.T) {
	s := Store{Dir: filepath.Join(t.TempDir(), "volumes")}
	if list, err := s.List(); err != nil || len(list) != 0 {
		t.Errorf("no volumes: %v, %v", list, err)
	}
	fill := func(dir string) error {
		return os.MkdirAll(filepath.Join(dir, "seeded"), 0o755)
	}
	if i, err := s.Create(&Info{Name: "db", Labels: map[string]string{"a": "b"}}, fill); err != nil || i.Labels["a"] != "b" ||
		i.Driver != "local" || i.Mountpoint != s.Path("db") {
		t.Fatalf("%+v, %v", i, err)
	}
	if s.IsEmpty("db") {
		t.Error("it was not filled")
	}
	if err := os.Mkdir(s.Path("old"), 0o755); err != nil { // from before volumes had labels
		t.Fatal(err)
	}
	if _, err := s.Create(&Info{Name: "empty"}, nil); err != nil || !s.IsEmpty("empty") {
		t.Errorf("an empty volume: %v", err)
	}
	if err := s.Fill("empty", fill); err != nil || s.IsEmpty("empty") {
		t.Errorf("it was not filled: %v", err)
	}
	if err := s.Remove("empty", os.RemoveAll); err != nil {
		t.Error(err)
	}
	if i, err := s.Create(&Info{Name: "db"}, nil); err != nil || i.Labels["a"] != "b" {
		t.Errorf("create again: %+v, %v", i, err)
	}
	if _, err := s.Create(&Info{Name: "db", Options: map[string]string{"type": "tmpfs"}}, nil); err == nil {
		t.Error("other options are ignored")
	}
	failed := func(string) error { return os.ErrInvalid }
	if _, err := s.Create(&Info{Name: "bad"}, failed); err == nil {
		t.Error("an error is ignored")
	}
	list, err := s.List()
	if err != nil || len(list) != 2 || list[0].Name != "db" || list[1].Name != "old" {
		t.Errorf("%+v, %v", list, err)
	}
	for _, name := range []string{"db", "old"} {
		if err := s.Remove(name, os.RemoveAll); err != nil {
			t.Error(err)
		}
	}
	if entries, _ := os.ReadDir(filepath.Join(s.Dir, configDir)); len(entries) != 0 {
		t.Errorf("left: %v", entries)
	}
	if err := s.Remove("db", os.RemoveAll); err == nil {
		t.Error("a volume that does not exist was removed")
	}
}
