package images

import (
	"archive/tar"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestAllTags: push -a and pull -a transfer all images of a repository, and no others.
func TestAllTags(t *testing.T) {
	host := testbundle.Registry(t)
	s, l := newStore(t), newLayout(t)
	for _, name := range []string{"one", "two"} {
		l.add(name, runs("sh"), layer{entries: []tar.Header{file(name, "1")}})
	}
	s.Do("load", "-q", l.dir)
	s.Do("tag", "one", host+"/app:1")
	s.Do("tag", "two", host+"/app:2")
	s.Do("tag", "two", host+"/other:1")
	s.Do("push", "-q", "--all-tags", "--disable-content-trust", host+"/app")
	s.Do("rmi", "-f", host+"/app:1", host+"/app:2", "one", "two")
	s.Do("pull", "-q", "-a", host+"/app")
	if names := s.images(); names[host+"/app:1"].ID == "" || names[host+"/app:2"].ID == "" || len(names) != 3 {
		t.Errorf("%v", names)
	}
	s.Minirun("pull", "-a", host+"/app:1").Fails(t, "has a tag", "hint: minirun pull --all-tags "+host+"/app")
	s.Minirun("pull", "-a", host+"/none").Fails(t, "list the tags of "+host+"/none", "no such tag or repository")
	s.Minirun("push", "-a", host+"/app:1").Fails(t, "without a tag", "hint: minirun push --all-tags "+host+"/app")
	s.Minirun("push", "-a", host+"/appp").Fails(t, "no such image")
}

// TestArchiveFlags: flags of save, load and import that docker has.
func TestArchiveFlags(t *testing.T) {
	s := loaded(t, runs("sh"))
	archive := filepath.Join(s.Host, "a.tar")
	s.Minirun("save", "--platform", "linux/s390x", "-o", archive, "busybox").Fails(t, "not for linux/s390x", "hint: ")
	s.Do("save", "-q", "--platform", "linux/"+runtime.GOARCH, "-o", archive, "busybox")
	s.Minirun("load", "-i", archive, archive).Fails(t, "both", "hint: ")
	s.Do("load", "-q", "-i", archive)
	id := name("archives")
	s.Do("run", "--name", id, "busybox", "true")
	defer s.Do("rm", id)
	s.Do("export", "-o", archive, id)
	s.Do("import", "--no-unpack", "-m", "from export", "--platform", "linux/arm64/v8", archive, "flat")
	if out := s.Do("inspect", "-f", "{{.Architecture}} {{.Comment}}", "flat"); out != "arm64 from export" {
		t.Errorf("%q", out)
	}
	s.Minirun("import", "--platform", "linux/amd64,linux/arm64", archive).Fails(t, "one --platform")
	if !strings.Contains(s.Do("history", "--no-trunc", "flat"), "minirun import a.tar") {
		t.Error(s.Do("history", "flat"))
	}
}
