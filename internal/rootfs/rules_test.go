package rootfs

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/spec"
)

// TestMountsOnProc: /proc is a proc file system, and only files with statistics are replaced in it.
func TestMountsOnProc(t *testing.T) {
	isProc := func(path string) bool { return path == "/host/proc" || path == "/bundle/proc" }
	for _, c := range []struct {
		mount specs.Mount
		ok    bool
	}{
		{specs.Mount{Destination: "/proc", Type: "proc"}, true},
		{specs.Mount{Destination: "proc", Type: "proc"}, true},
		{specs.Mount{Destination: "/proc", Type: "tmpfs"}, false},
		{specs.Mount{Destination: "/x/../proc/", Type: "tmpfs"}, false},
		{specs.Mount{Destination: "/proc", Type: "bind", Source: "/host/proc"}, true},
		{specs.Mount{Destination: "/proc", Source: "proc", Options: []string{"rbind"}}, true}, // relative to the bundle
		{specs.Mount{Destination: "/proc", Type: "bind", Source: "/host"}, false},
		{specs.Mount{Destination: "/proc/meminfo", Type: "bind", Source: "/x"}, true},
		{specs.Mount{Destination: "/proc/sys/kernel/core_pattern", Type: "bind", Source: "/x"}, false},
		{specs.Mount{Destination: "/proc/self/attr", Type: "bind", Source: "/host/proc"}, false},
		{specs.Mount{Destination: "/process", Type: "tmpfs"}, true},
		{specs.Mount{Destination: "/a/proc/b", Type: "tmpfs"}, true},
	} {
		err := CheckProc(&specs.Spec{Mounts: []specs.Mount{{Destination: "/tmp"}, c.mount}}, "/bundle", isProc)
		var wrong *spec.Error
		switch {
		case (err == nil) != c.ok:
			t.Errorf("%+v: %v", c.mount, err)
		case err != nil && (!errors.As(err, &wrong) || wrong.Path != "mounts[1].destination"):
			t.Errorf("%+v: %v does not name the mount", c.mount, err)
		}
	}
}

func TestBindMounts(t *testing.T) {
	for _, c := range []struct {
		mount specs.Mount
		want  bool
	}{
		{specs.Mount{Options: []string{"bind"}}, true},
		{specs.Mount{Options: []string{"ro", "rbind"}}, true},
		{specs.Mount{Type: "bind"}, true}, // as Docker writes it
		{specs.Mount{Type: "tmpfs"}, false},
		{specs.Mount{Options: []string{"bind", "remount"}}, false},
		{specs.Mount{Options: []string{"bind", ""}}, false}, // refused by package spec
	} {
		if got := IsBind(&c.mount); got != c.want {
			t.Errorf("%+v is a bind mount: %t, want %t", c.mount, got, c.want)
		}
	}
	for source, want := range map[string]string{"/data": "/data", "data": "/b/data", "../data": "/data", ".": "/b"} {
		if got := BindSource("/b", &specs.Mount{Source: source}); got != want {
			t.Errorf("%s: %s, want %s", source, got, want)
		}
	}
}

// TestOverlayOptions: names are relative to the deepest common directory, the topmost layer first,
// and separators in them are escaped.
func TestOverlayOptions(t *testing.T) {
	layers := func(paths ...string) (out []Layer) {
		for _, p := range paths {
			out = append(out, Layer{Path: p})
		}
		return out
	}
	for _, c := range []struct {
		in           Input
		dir, options string
	}{
		{
			Input{Layers: layers("/s/a/base", "/s/a/app"), Upper: "/u", Work: "/w", Stable: true},
			"/s/a", "lowerdir=app:base,upperdir=/u,workdir=/w",
		},
		{
			Input{Layers: layers("/s/a/1", "/s/b/2"), Upper: "/u", Work: "/w"},
			"/s", "lowerdir=b/2:a/1,upperdir=/u,workdir=/w,volatile",
		},
		{
			Input{Layers: layers("/s/a", "/t"), Upper: "/u", Work: "/w", Stable: true, UserXattrs: true},
			"/", "lowerdir=t:s/a,upperdir=/u,workdir=/w,userxattr",
		},
		{
			// not a common directory
			Input{Layers: layers("/s/a", "/sa"), Upper: "/u", Work: "/w", Stable: true, Volatile: true},
			"/", "lowerdir=sa:s/a,upperdir=/u,workdir=/w,volatile",
		},
		{
			Input{Layers: layers("/"), Upper: "/u", Work: "/w", Stable: true},
			"/", "lowerdir=.,upperdir=/u,workdir=/w",
		},
		{
			Input{Layers: layers("/s/a:b"), Upper: "/u,1", Work: "/w", Stable: true},
			"/s", `lowerdir=a\:b,upperdir=/u\,1,workdir=/w`,
		},
	} {
		if dir, options := OverlayOptions(c.in); dir != c.dir || options != c.options {
			t.Errorf("%v: in %s %s\nwant in %s %s", c.in.Layers, dir, options, c.dir, c.options)
		}
	}
}

func TestDeviceNodes(t *testing.T) {
	mode := os.FileMode(0o640)
	for _, c := range []struct {
		device specs.LinuxDevice
		mode   uint32
		number uint64
	}{
		{specs.LinuxDevice{Type: "c", Major: 1, Minor: 3}, unix.S_IFCHR | 0o666, unix.Mkdev(1, 3)},
		{specs.LinuxDevice{Type: "u", Major: 1, Minor: 3, FileMode: &mode}, unix.S_IFCHR | 0o640, unix.Mkdev(1, 3)},
		{specs.LinuxDevice{Type: "b", Major: 8}, unix.S_IFBLK | 0o666, unix.Mkdev(8, 0)},
		{specs.LinuxDevice{Type: "p", Major: 9, Minor: 9}, unix.S_IFIFO | 0o666, 0},
	} {
		if mode, number := modeAndNumber(&c.device); mode != c.mode || number != c.number {
			t.Errorf("%+v: %#o, %d; want %#o, %d", c.device, mode, number, c.mode, c.number)
		}
	}
	maps := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 1000, Size: 1}, {ContainerID: 1, HostID: 100000, Size: 10}}
	for id, want := range map[uint32]uint32{0: 1000, 1: 100000, 10: 100009, 11: 0} {
		if got := hostID(maps, id); got != want {
			t.Errorf("ID %d is %d on the host, want %d", id, got, want)
		}
	}
}

// TestReplacesNull: the container's /dev/null is used only if minirun creates it.
func TestReplacesNull(t *testing.T) {
	bound := &specs.Spec{Mounts: []specs.Mount{{Destination: "/dev", Type: "bind", Source: "/dev"}}}
	mounted := &specs.Spec{Mounts: []specs.Mount{{Destination: "dev/", Type: "tmpfs"}}}
	for _, c := range []struct {
		name string
		spec *specs.Spec
		in   Input
		want bool
	}{
		{"its own mount namespace", mounted, Input{MountNS: true}, true},
		{"mounts on the host", mounted, Input{OnHost: true}, true},
		{"no mounts", mounted, Input{}, false},
		{"a volume on /dev", bound, Input{MountNS: true}, false},
	} {
		if got := ReplacesNull(c.spec, c.in); got != c.want {
			t.Errorf("%s: %t, want %t", c.name, got, c.want)
		}
	}
}

func TestPaths(t *testing.T) {
	for destination, want := range map[string]string{"/a/../b/": "b", "a": "a", "/": ".", "../..": ".",
		"//x//y": "x/y"} {
		if got := relativePath(cleanPath(destination)); got != want {
			t.Errorf("%q: %q, want %q", destination, got, want)
		}
	}
	for path, want := range map[string]bool{"/dev": true, "/dev/null": true, "/device": false, "/": false} {
		if got := inDev(path); got != want {
			t.Errorf("%s is in /dev: %t, want %t", path, got, want)
		}
	}
}

// TestTmpfsOptions: a tmpfs is created with fsconfig(2) if it accepts all options.
func TestTmpfsOptions(t *testing.T) {
	long := strings.Repeat("x", maxValue+1)
	for _, c := range []struct {
		fstype  string
		options []string
		want    string // "-": mount(2) has to create it
	}{
		{"tmpfs", nil, "source=none"},
		{"tmpfs", []string{"nosuid", "ro", "noatime", "size=64k", "mode=755"}, "source=none size=64k mode=755"},
		{"tmpfs", []string{"noswap", "sync"}, "source=none sync= noswap="},
		{"tmpfs", []string{"size="}, "-"},
		{"tmpfs", []string{"mpol=bind:0,2"}, "-"},
		{"tmpfs", []string{"size=" + long}, "-"},
		{"tmpfs", []string{long}, "-"},
		{"tmpfs", []string{"silent"}, "-"},
		{"ramfs", nil, "-"},
	} {
		o, err := spec.ParseMountOptions(c.options)
		if err != nil {
			t.Fatal(err)
		}
		compiler := compiler{spec: &specs.Spec{}}
		options, ok := compiler.tmpfsOptions(&specs.Mount{Type: c.fstype, Source: "none"}, o)
		var words []string
		for _, option := range options {
			words = append(words, option[0]+"="+option[1])
		}
		if got := strings.Join(words, " "); ok != (c.want != "-") || ok && got != c.want {
			t.Errorf("%s %.40q: %q, %t; want %q", c.fstype, c.options, got, ok, c.want)
		}
	}
}

// TestFreshMounts: below a new, empty file system there are no links, unless a volume may have put
// some there.
func TestFreshMounts(t *testing.T) {
	m := func(destination, fstype string, options ...string) specs.Mount {
		return specs.Mount{Destination: destination, Type: fstype, Source: "/src", Options: options}
	}
	proc, dev, devpts := m("/proc", "proc"), m("/dev", "tmpfs"), m("/dev/pts", "devpts")
	for _, c := range []struct {
		name   string
		mounts []specs.Mount
		path   string
		want   bool
	}{
		{"the image", nil, "/dev/shm", false},
		{"a new /dev", []specs.Mount{proc, dev}, "/dev/shm", true},
		{"a new file system in it", []specs.Mount{dev, devpts}, "/dev/pts/x", true},
		{"a bound /dev", []specs.Mount{m("/dev", "bind")}, "/dev/shm", false},
		{"a tmpfs with the image's files", []specs.Mount{m("/dev", "tmpfs", "tmpcopyup")}, "/dev/shm", false},
		{"a tmpfs elsewhere: the image may have a link there", []specs.Mount{m("/run", "tmpfs")}, "/run/x", false},
		{"a volume in a new /dev", []specs.Mount{dev, m("/dev/v", "bind")}, "/dev/v/x", false},
		{"a volume elsewhere may lead into it", []specs.Mount{dev, m("/v", "bind")}, "/dev/shm", false},
		{"but not into /proc", []specs.Mount{proc, m("/v", "bind")}, "/proc/x", true},
		{"a remount changes nothing", []specs.Mount{dev, m("/dev", "tmpfs", "remount")}, "/dev/x", true},
		{"a file system with files", []specs.Mount{m("/dev", "overlay")}, "/dev/x", false},
	} {
		compiler := compiler{spec: &specs.Spec{Mounts: c.mounts}, fresh: map[string]bool{}}
		for i := range c.mounts {
			o, err := spec.ParseMountOptions(c.mounts[i].Options)
			if err != nil {
				t.Fatal(err)
			}
			compiler.recordMount(i, &c.mounts[i], o)
		}
		if got := compiler.isBelowNewFilesystem(c.path); got != c.want {
			t.Errorf("%s: %s is below a new file system: %t, want %t", c.name, c.path, got, c.want)
		}
	}
}

// TestDelayedReadonly: a tmpfs becomes read-only at the end, other file systems at once.
func TestDelayedReadonly(t *testing.T) {
	for _, c := range []struct {
		fstype string
		option string
		want   bool
	}{{"tmpfs", "ro", true}, {"tmpfs", "rro", true}, {"tmpfs", "rw", false}, {"proc", "ro", false}} {
		o, err := spec.ParseMountOptions([]string{c.option, "nosuid"})
		if err != nil {
			t.Fatal(err)
		}
		before := o
		got := (&compiler{}).delayReadonly(&specs.Mount{Type: c.fstype}, &o)
		readonly := o.Flags&unix.MS_RDONLY != 0 || o.RecSet&unix.MOUNT_ATTR_RDONLY != 0
		if got != c.want || c.want && readonly || o.Flags&unix.MS_NOSUID == 0 || c.fstype != "tmpfs" &&
			o.Flags != before.Flags {
			t.Errorf("%s %s: delayed %t, still read-only %t", c.fstype, c.option, got, readonly)
		}
	}
}

// TestPropagationOfRoot: the keywords of linux.rootfsPropagation.
func TestPropagationOfRoot(t *testing.T) {
	for word, want := range map[string]uintptr{
		"": 0, "private": unix.MS_PRIVATE, "rslave": unix.MS_SLAVE | unix.MS_REC,
		"rshared": unix.MS_SHARED | unix.MS_REC,
	} {
		if got := propagationFlags(word); got != want {
			t.Errorf("%q: %#x, want %#x", word, got, want)
		}
	}
}
