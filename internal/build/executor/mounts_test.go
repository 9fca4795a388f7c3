package executor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/minirun/minirun/internal/build/graph"
)

// other creates a layer of another stage.
func (x *box) other(files map[string]string, links map[string]string) Mounted {
	x.t.Helper()
	x.n++
	dir := filepath.Join(x.Store.Dir, "layers", "other"+string(rune('a'+x.n)), "fs")
	write := func(name string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			x.t.Fatal(err)
		}
		return path
	}
	for name, text := range files {
		if err := os.WriteFile(write(name), []byte(text), 0o644); err != nil {
			x.t.Fatal(err)
		}
	}
	for name, target := range links {
		if err := os.Symlink(target, write(name)); err != nil {
			x.t.Fatal(err)
		}
	}
	return Mounted{Layers: []string{dir}}
}

// fails runs a step that must fail, with these words in its error.
func (x *box) fails(s *Step, words ...string) {
	x.t.Helper()
	err := x.Run(context.Background(), s)
	if err == nil {
		x.t.Fatal("it succeeds")
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			x.t.Errorf("%v: does not say %q", err, w)
		}
	}
}

func TestBind(t *testing.T) {
	x := newBox(t)
	one := x.other(map[string]string{"dir/a": "A", "dir/sub/b": "B", "file": "F"}, map[string]string{"link": "/dir"})
	two := x.other(map[string]string{"dir/c": "C"}, nil)
	both := Mounted{Layers: append(one.Layers, two.Layers...)}
	for name, c := range map[string]struct {
		from   Mounted
		mount  graph.Mount
		script string
		want   string
	}{
		"directory": {one, graph.Mount{Source: "dir", ReadOnly: true}, "ls /m; cat /m/sub/b", "a\nsub\nB"},
		"all":       {one, graph.Mount{ReadOnly: true}, "ls /m", "dir\nfile\nlink"},
		"file":      {one, graph.Mount{Source: "/file", ReadOnly: true}, "cat /m", "F"},
		"link":      {one, graph.Mount{Source: "/link/sub", ReadOnly: true}, "ls /m", "b"},
		"layers":    {both, graph.Mount{Source: "dir", ReadOnly: true}, "ls /m", "a\nc\nsub"},
		"read-only": {one, graph.Mount{Source: "dir", ReadOnly: true}, "touch /m/x 2>&1 || true",
			"touch: /m/x: Read-only file system"},
		"writable": {one, graph.Mount{Source: "dir"}, "echo x > /m/a; rm -r /m/sub; ls /m; cat /m/a", "a\nx"},
		"file, rw": {both, graph.Mount{Source: "file"}, "echo x > /m; cat /m", "x"},
		"nothing":  {Mounted{}, graph.Mount{ReadOnly: true}, "ls /m | wc -l", "0"},
	} {
		t.Run(name, func(t *testing.T) {
			c.mount.Type, c.mount.Target = "bind", "/m"
			s, out := x.step(c.script, c.mount)
			s.Mounts[0] = c.from
			said, layer := x.run(s, out)
			if said = strings.ReplaceAll(said, "can't create /m/x", "/m/x"); said != c.want {
				t.Errorf("%q", said)
			}
			if left := files(t, layer); len(left) > 0 {
				t.Errorf("the layer has %s", left)
			}
		})
	}
	if got := files(t, one.Layers[0]); strings.Join(got, " ") != "dir dir/a dir/sub dir/sub/b file link" {
		t.Errorf("the other stage has %s", got)
	}
	s, _ := x.step("true", graph.Mount{Type: "bind", Target: "/m", Source: "/gone", ReadOnly: true})
	s.Mounts[0] = one
	x.fails(s, "--mount=type=bind,target=/m", "/gone", "no such file")
}

// TestBindLinks: links of a stage resolve inside it, not to the host's files (CVE-2024-23651).
func TestBindLinks(t *testing.T) {
	x := newBox(t)
	secret := filepath.Join(x.host, "secret")
	if err := os.WriteFile(secret, []byte("the host's"), 0o644); err != nil {
		t.Fatal(err)
	}
	evil := x.other(map[string]string{"etc/hostname": "the stage's"}, map[string]string{
		"absolute": secret, "up": "../../../../../../../../../../.." + secret, "magic": "/proc/self/root" + secret,
		"hostname": "/../../etc/hostname",
	})
	for _, source := range []string{"absolute", "up", "magic", "../../../../../.." + secret} {
		s, _ := x.step("cat /m", graph.Mount{Type: "bind", Target: "/m", Source: source, ReadOnly: true})
		s.Mounts[0] = evil
		x.fails(s, "no such file")
	}
	s, out := x.step("cat /m", graph.Mount{Type: "bind", Target: "/m", Source: "hostname", ReadOnly: true})
	s.Mounts[0] = evil
	if said, _ := x.run(s, out); said != "the stage's" {
		t.Errorf("%q", said)
	}
	// A target that is a link is resolved in the container's root.
	if err := os.Symlink(x.host, filepath.Join(x.layer, "out")); err != nil {
		t.Fatal(err)
	}
	said, layer := x.run(x.step("echo x > /out/m/file; ls "+x.host+"/m", graph.Mount{Type: "tmpfs", Target: "/out/m"}))
	if said != "file" || len(files(t, layer)) > 0 {
		t.Errorf("%q, the layer has %s", said, files(t, layer))
	}
	if _, err := os.Stat(filepath.Join(x.host, "m")); err == nil {
		t.Error("the place to mount on was made on the host")
	}
}

func TestCache(t *testing.T) {
	x := newBox(t)
	m := graph.Mount{Type: "cache", Target: "/c", ID: "../../../x/..", UID: 1000, GID: 50, Mode: 0o710}
	if got := x.says("stat -c '%u:%g %a' /c; echo 1 > /c/one", m); got != "1000:50 710" {
		t.Errorf("%q", got)
	}
	said, layer := x.run(x.step("cat /c/one", m))
	if said != "1" || len(files(t, layer)) > 0 {
		t.Errorf("%q, the layer has %s", said, files(t, layer))
	}
	m.ID = "other"
	if got := x.says("ls /c", m); got != "" {
		t.Errorf("another cache has %q", got)
	}
	m.ID, m.ReadOnly = "../../../x/..", true
	if got := x.says("touch /c/no 2> /dev/null || cat /c/one", m); got != "1" {
		t.Errorf("%q", got)
	}
	entries, err := os.ReadDir(filepath.Join(x.Store.Dir, "build", "cache-mounts"))
	if err != nil || len(entries) != 2 || len(entries[0].Name()) != 64 {
		t.Errorf("%v, %v", entries, err)
	}
	begins := graph.Mount{Type: "cache", Target: "/c", ID: "begins", From: &graph.Node{}, Source: "d"}
	s, out := x.step("cat /c/f; echo new > /c/f", begins)
	stage := x.other(map[string]string{"d/f": "from the stage"}, nil)
	s.Mounts[0] = stage
	if said, _ := x.run(s, out); said != "from the stage" {
		t.Errorf("%q", said)
	}
	s, out = x.step("cat /c/f", begins)
	s.Mounts[0] = stage
	if said, _ := x.run(s, out); said != "new" {
		t.Errorf("%q", said)
	}
}

// TestCacheIdentityHasOwnerAndMode: caches with the same ID but a different owner, mode or initial content
// are separate, so that no step gets a directory that it cannot write to.
func TestCacheIdentityHasOwnerAndMode(t *testing.T) {
	x := newBox(t)
	one, two := x.other(map[string]string{"d/f": "1", "e/f": "1"}, nil), x.other(map[string]string{"d/f": "1"}, nil)
	for name, c := range map[string]struct {
		mount graph.Mount
		from  Mounted
	}{
		"plain":           {mount: graph.Mount{}},
		"default owner":   {mount: graph.Mount{Described: true, Mode: 0o755}},
		"uid":             {mount: graph.Mount{Described: true, Mode: 0o755, UID: 1000}},
		"gid":             {mount: graph.Mount{Described: true, Mode: 0o755, GID: 1000}},
		"mode":            {mount: graph.Mount{Described: true, Mode: 0o700}},
		"no mode":         {mount: graph.Mount{Described: true}},
		"stage":           {mount: graph.Mount{From: &graph.Node{}, Source: "d"}, from: one},
		"its other files": {mount: graph.Mount{From: &graph.Node{}, Source: "e"}, from: one},
		"other stage":     {mount: graph.Mount{From: &graph.Node{}, Source: "d"}, from: two},
	} {
		c.mount.Type, c.mount.Target, c.mount.ID = "cache", "/c", "one"
		s, out := x.step("cat /c/who 2>/dev/null; echo '"+name+"' > /c/who", c.mount)
		s.Mounts[0] = c.from
		if said, _ := x.run(s, out); said != "" {
			t.Errorf("%s: the cache is that of %q", name, said)
		}
		s, out = x.step("cat /c/who", c.mount)
		s.Mounts[0] = c.from
		if said, _ := x.run(s, out); said != name {
			t.Errorf("%s: the second time it is that of %q", name, said)
		}
	}
	entries, err := os.ReadDir(filepath.Join(x.Store.Dir, "build", "cache-mounts"))
	if err != nil || len(entries) != 9 {
		t.Errorf("%d caches, want 9: %v", len(entries), err)
	}
}

// TestCacheSharingLocks: two concurrent steps signal each other through files in a separate cache.
func TestCacheSharingLocks(t *testing.T) {
	x := newBox(t)
	meet := graph.Mount{Type: "cache", Target: "/meet", ID: "meet"}
	both := func(sharing, first, second string) (a, b string) {
		t.Helper()
		m := graph.Mount{Type: "cache", Target: "/c", ID: "it is " + sharing, Sharing: sharing}
		s1, out1 := x.step(first, meet, m)
		s2, out2 := x.step(second, meet, m)
		var wait sync.WaitGroup
		var err1 error
		wait.Go(func() { err1 = x.Run(context.Background(), s1) })
		waitFor(t, "the first to have its cache", there(filepath.Join(x.cacheDir("meet"), "fs", sharing+"-1")))
		err2 := x.Run(context.Background(), s2)
		wait.Wait()
		if err1 != nil || err2 != nil {
			t.Errorf("%s: %v, %v: %s %s", sharing, err1, err2, out1, out2)
		}
		return strings.TrimSpace(out1.String()), strings.TrimSpace(out2.String())
	}
	until := func(file string) string { return "i=0; until [ -e " + file + " ]; do sleep 0.01; done; " }
	a, b := both("shared", "touch /c/mine /meet/shared-1; "+until("/meet/shared-2")+"ls /c", "ls /c; touch /meet/shared-2")
	if a != "mine" || b != "mine" {
		t.Errorf("shared: %q, %q", a, b)
	}
	a, b = both("private", "touch /c/mine /meet/private-1; "+until("/meet/private-2")+"ls /c",
		"ls /c; touch /c/theirs /meet/private-2")
	if a != "mine" || b != "" {
		t.Errorf("private: %q, %q", a, b)
	}
	// The second must wait for the first to end: otherwise it would see the first step's
	// unfinished files.
	a, b = both("locked", "touch /c/half /meet/locked-1; sleep 0.3; mv /c/half /c/whole; ls /c", "ls /c")
	if a != "whole" || b != "whole" {
		t.Errorf("locked: %q, %q", a, b)
	}
	// Waiting for a lock can be cancelled.
	lock, err := takeCache(context.Background(), x.cacheDir("L"), "L", "locked")
	if err != nil {
		t.Fatal(err)
	}
	defer lock.lock.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s, _ := x.step("true", graph.Mount{Type: "cache", Target: "/c", ID: "L", Sharing: "locked"})
	if err := x.Run(ctx, s); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestCacheLinks: links that a step puts into a shared cache cannot lead another step to the
// host.
func TestCacheLinks(t *testing.T) {
	x := newBox(t)
	m := graph.Mount{Type: "cache", Target: "/c", ID: "shared"}
	x.says("ln -s "+x.host+" /c/out; ln -s / /c/root", m)
	inner := graph.Mount{Type: "tmpfs", Target: "/c/out/deep"}
	x.says("test -d "+x.host+"/deep", m, inner) // created in the container
	inner.Target = "/c/root/tmp"
	x.says("touch /tmp/x", m, inner)
	if _, err := os.Stat(filepath.Join(x.host, "deep")); err == nil {
		t.Error("a place to mount on was made on the host")
	}
}

// TestMountOnDanglingLink: a mountpoint is a dangling link in the layers or in a cache. The directory
// that is created for it is not in any layer.
func TestMountOnDanglingLink(t *testing.T) {
	x := newBox(t)
	for name, to := range map[string]string{"dangling": "/srv/missing/dir", "climbs": "../../../../climbed"} {
		if err := os.Symlink(to, filepath.Join(x.layer, name)); err != nil {
			t.Fatal(err)
		}
	}
	cache := graph.Mount{Type: "cache", Target: "/c", ID: "links"}
	x.says("ln -s inner/place /c/link", cache)
	said, layer := x.run(x.step("touch /srv/missing/dir/x /climbed/sub/x /c/inner/place/x && stat -c %a /srv/missing/dir",
		cache, graph.Mount{Type: "tmpfs", Target: "/dangling"}, graph.Mount{Type: "cache", Target: "/climbs/sub"},
		graph.Mount{Type: "tmpfs", Target: "/c/link"}))
	if said != "1777" || len(files(t, layer)) > 0 {
		t.Errorf("%q, the layer has %s", said, files(t, layer))
	}
}

func TestTmpfsHasSize(t *testing.T) {
	x := newBox(t)
	said, layer := x.run(x.step("stat -c %a /t /tmp; echo x > /t/x; dd if=/dev/zero of=/t/big bs=1024 count=100 2>&1 | grep -o 'No space.*'; true",
		graph.Mount{Type: "tmpfs", Target: "/t", Size: 65536}))
	if said != "1777\n1777\nNo space left on device" || len(files(t, layer)) > 0 {
		t.Errorf("%q, the layer has %s", said, files(t, layer))
	}
}
