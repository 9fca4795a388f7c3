package solver

import (
	"fmt"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/build/graph"
)

// sampleRun is a RUN with a value for everything that its key covers.
func sampleRun() *graph.Run {
	return &graph.Run{
		Argv: []string{"/bin/sh", "-c", "make"}, Env: []string{"A=1", "HTTP_PROXY=http://proxy"}, Cwd: "/w", User: "u",
		Network: "default",
		Mounts:  []graph.Mount{{Type: "cache", Target: "/c", ID: "c"}}, Hosts: []string{"h=1.2.3.4"},
		Files: []graph.File{{Name: "E", Content: "x"}},
	}
}

func sampleCopy() *graph.Copy {
	return &graph.Copy{
		Sources: []graph.Source{{Context: "context", Path: "a"}, {File: &graph.File{Name: "E", Content: "x"}}}, Dest: "/d/",
		Chown: "u",
	}
}

var linuxAMD64 = oci.Platform{OS: "linux", Architecture: "amd64"}

// TestKeysAreStable: if these keys change, the caches of all users are lost.
func TestKeysAreStable(t *testing.T) {
	var r recipe
	r.add(parentKind, "sha256:aa")
	r.add(epochKind, "x")
	r.addNamed(mountFilesKind, "/m", "sha256:bb")
	r.addNamed(sourceFilesKind, "/p", "z")
	r.add(filesKind, "q")
	r.add(directoryKind, "/w", "u")
	r.add("owner", "1")
	for _, c := range []struct {
		name string
		r    recipe
		want string
	}{
		{"RUN", runRecipe(sampleRun(), linuxAMD64), "e5bbb48d1910249bf51de39aaec4b32cdaa460f11a70c2897457e691c6d88469"},
		{"COPY", copyRecipe(sampleCopy()), "3c34a29fdb9721c564dd7330720bd6f620f2a2a9091a402218426d8bc95b74bb"},
		{"inputs", r, "f5df5f5ef90cabb553b6fa7a39e2d528a175dcd7e1854202eeb04d075ab5d40c"},
		{"content", r.withContent(recipe{{Kind: filesKind, Value: "1"}}),
			"3af1d9b9fcce2f7d7c95127eaca06b77c830f809a44269062ad3ae5f272228d8"},
	} {
		if got := c.r.key().Encoded(); got != c.want {
			t.Errorf("the key of %s is %s, want %s", c.name, got, c.want)
		}
	}
}

// TestKeyOfRun: what changes the key of a RUN, and what does not.
func TestKeyOfRun(t *testing.T) {
	want := runRecipe(sampleRun(), linuxAMD64).key()
	other := &graph.Node{}
	for _, c := range []struct {
		name    string
		change  func(op *graph.Run)
		differs bool
	}{
		{"nothing", func(*graph.Run) {}, false},
		{"the command", func(op *graph.Run) { op.Argv[2] = "make all" }, true},
		{"arguments that are split differently", func(op *graph.Run) { op.Argv = []string{"/bin/sh", "-c make"} }, true},
		{"a variable", func(op *graph.Run) { op.Env[0] = "A=2" }, true},
		{"a new variable", func(op *graph.Run) { op.Env = append(op.Env, "B=") }, true},
		{"the value of a proxy", func(op *graph.Run) { op.Env[1] = "HTTP_PROXY=http://other" }, false},
		{"a proxy in lower case", func(op *graph.Run) { op.Env = append(op.Env, "https_proxy=x") }, false},
		{"the working directory", func(op *graph.Run) { op.Cwd = "/" }, true},
		{"the user", func(op *graph.Run) { op.User = "" }, true},
		{"the network", func(op *graph.Run) { op.Network = "none" }, true},
		{"--security=insecure", func(op *graph.Run) { op.Insecure = true }, true},
		{"the host name", func(op *graph.Run) { op.Hostname = "h" }, true},
		{"a host", func(op *graph.Run) { op.Hosts = []string{"h=1.2.3.5"} }, true},
		{"a device", func(op *graph.Run) { op.Devices = []graph.Device{{Name: "v/c=d", Found: []string{"v/c=d"}}} }, true},
		{"a here-document", func(op *graph.Run) { op.Files[0].Content = "y" }, true},
		{"the options of a mount", func(op *graph.Run) { op.Mounts[0].ReadOnly = true }, true},
		{"the ID of a cache", func(op *graph.Run) { op.Mounts[0].ID = "d" }, true},
		{"the source of a mount, which has an ingredient of its own", func(op *graph.Run) { op.Mounts[0].From = other },
			false},
		{"--shm-size", func(op *graph.Run) { op.Limits.ShmSize = 1 }, true},
		{"--ulimit", func(op *graph.Run) {
			op.Limits.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 1, Hard: 2}}
		}, true},
		{"--resource", func(op *graph.Run) { op.Limits.Resources = &specs.LinuxResources{} }, false},
		{"--cgroup-parent", func(op *graph.Run) { op.Limits.CgroupParent = "/p" }, false},
	} {
		op := sampleRun()
		c.change(op)
		if got := runRecipe(op, linuxAMD64).key(); (got != want) != c.differs {
			t.Errorf("%s: the key differs: %t, want %t", c.name, got != want, c.differs)
		}
	}
	if runRecipe(sampleRun(), oci.Platform{OS: "linux", Architecture: "arm64"}).key() == want {
		t.Error("another platform has the same key")
	}
}

// TestKeyOfCopy: what changes the key of a COPY or ADD, and what does not.
func TestKeyOfCopy(t *testing.T) {
	want := copyRecipe(sampleCopy()).key()
	yes := true
	for _, c := range []struct {
		name    string
		change  func(op *graph.Copy)
		differs bool
	}{
		{"nothing", func(*graph.Copy) {}, false},
		{"ADD", func(op *graph.Copy) { op.Add = true }, true},
		{"a source", func(op *graph.Copy) { op.Sources[0].Path = "b" }, true},
		{"the order of the sources", func(op *graph.Copy) { op.Sources[0], op.Sources[1] = op.Sources[1], op.Sources[0] },
			true},
		{"a here-document", func(op *graph.Copy) { op.Sources[1].File.Content = "y" }, true},
		{"the destination", func(op *graph.Copy) { op.Dest = "/d" }, true},
		{"--chown", func(op *graph.Copy) { op.Chown = "" }, true},
		{"--chmod", func(op *graph.Copy) { op.Chmod = "755" }, true},
		{"--link", func(op *graph.Copy) { op.Link = true }, true},
		{"--parents", func(op *graph.Copy) { op.Parents = true }, true},
		{"--exclude", func(op *graph.Copy) { op.Exclude = []string{"*.o"} }, true},
		{"--unpack", func(op *graph.Copy) { op.Unpack = &yes }, true},
		{"--keep-git-dir", func(op *graph.Copy) { op.KeepGitDir = &yes }, true},
		{"--checksum", func(op *graph.Copy) { op.Checksum = "sha256:aa" }, false},
		{"the words of the instruction", func(op *graph.Copy) { op.Words.Dest = "d/" }, false},
	} {
		op := sampleCopy()
		c.change(op)
		if got := copyRecipe(op).key(); (got != want) != c.differs {
			t.Errorf("%s: the key differs: %t, want %t", c.name, got != want, c.differs)
		}
	}
}

// TestKeyOfRequest: which file systems the first key of a step depends on.
func TestKeyOfRequest(t *testing.T) {
	stage := &graph.Stage{Platform: linuxAMD64}
	from := &graph.Node{Stage: stage}
	epoch := time.Unix(1, 0)
	fromStage := []graph.Source{{From: from, Path: "a"}}
	const parent, input, time1 = "parent", "input", "epoch"
	for _, c := range []struct {
		name  string
		op    graph.Op
		needs map[string]bool
	}{
		{"RUN", &graph.Run{}, map[string]bool{parent: true, time1: true}},
		{"RUN --mount=from", &graph.Run{Mounts: []graph.Mount{{From: from, Target: "/m"}}},
			map[string]bool{parent: true, input: true, time1: true}},
		{"COPY", &graph.Copy{Sources: []graph.Source{{Context: "context", Path: "a"}}},
			map[string]bool{parent: true, time1: true}},
		{"COPY --from", &graph.Copy{Sources: fromStage}, map[string]bool{parent: true, input: true, time1: true}},
		{"COPY --link", &graph.Copy{Sources: fromStage, Link: true}, map[string]bool{input: true, time1: true}},
		{"COPY --link --chown=NUMBER", &graph.Copy{Sources: fromStage, Link: true, Chown: "1:2"},
			map[string]bool{input: true, time1: true}},
		{"COPY --link --chown=USER", &graph.Copy{Sources: fromStage, Link: true, Chown: "u"},
			map[string]bool{parent: true, input: true, time1: true}},
		{"COPY --link --chown=NUMBER:GROUP", &graph.Copy{Sources: fromStage, Link: true, Chown: "1:g"},
			map[string]bool{parent: true, input: true, time1: true}},
		{"WORKDIR", &graph.Workdir{Path: "/w"}, map[string]bool{parent: true, time1: true}},
	} {
		key := func(parent, input string, epoch *time.Time) digest.Digest {
			n := &graph.Node{Stage: stage, Op: c.op}
			return requestRecipe(n, digest.FromString(parent), epoch,
				func(*graph.Node) digest.Digest { return digest.FromString(input) }).key()
		}
		want := key("1", "1", nil)
		keys := map[string]digest.Digest{
			parent: key("2", "1", nil), input: key("1", "2", nil), time1: key("1", "1", &epoch),
		}
		for what, got := range keys {
			if (got != want) != c.needs[what] {
				t.Errorf("%s: the key depends on %s: %t, want %t", c.name, what, got != want, c.needs[what])
			}
		}
	}
}

// TestContentReplacesProducers: the second key does not depend on the steps that produced the inputs.
func TestContentReplacesProducers(t *testing.T) {
	recipeFrom := func(producer, content string) recipe {
		var r recipe
		r.add(parentKind, "p")
		r.addNamed(sourceFilesKind, "a", producer)
		r.addNamed(mountFilesKind, "/m", producer)
		return r.withContent(recipe{{Kind: filesKind, Value: content}})
	}
	if recipeFrom("1", "x").key() != recipeFrom("2", "x").key() {
		t.Error("the key depends on the step that produced the files")
	}
	if recipeFrom("1", "x").key() == recipeFrom("1", "y").key() {
		t.Error("the key does not depend on the content of the files")
	}
}

// TestReadsOutside: a step that reads a context or a URL is looked up only by content.
func TestReadsOutside(t *testing.T) {
	from := &graph.Node{}
	for _, c := range []struct {
		op   graph.Op
		want bool
	}{
		{&graph.Run{Mounts: []graph.Mount{{From: from}}}, false},
		{&graph.Workdir{}, false},
		{&graph.Copy{Sources: []graph.Source{{From: from}}}, false},
		{&graph.Copy{Sources: []graph.Source{{File: &graph.File{}}}}, false},
		{&graph.Copy{Sources: []graph.Source{{From: from}, {Context: "context"}}}, true},
		{&graph.Copy{Sources: []graph.Source{{URL: "http://a/b"}}}, true},
	} {
		if got := readsOutside(&graph.Node{Op: c.op}); got != c.want {
			t.Errorf("%s: %t, want %t", fmt.Sprintf("%#v", c.op), got, c.want)
		}
	}
}
