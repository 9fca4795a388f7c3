package images

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestVersionAndInfo: both as text, as JSON and with docker's templates.
func TestVersionAndInfo(t *testing.T) {
	s := loaded(t, runs("sleep", "1000"))
	if got, want := s.Do("version"), s.Do("--version"); got != want {
		t.Errorf("version prints %q, --version %q", got, want)
	}
	var v struct{ Version, Commit, Arch string }
	s.JSON(&v, "version", "--format", "json")
	if v.Version == "" || v.Commit == "" || v.Arch != runtime.GOARCH {
		t.Errorf("%+v", v)
	}
	if got := s.Do("version", "--format", "{{.Client.Version}} {{.Server.Version}}"); got != v.Version+" "+v.Version {
		t.Errorf("docker's template: %q", got)
	}
	s.Do("run", "-d", "--name", "i-running", "busybox")
	t.Cleanup(func() { s.Minirun("rm", "-f", "i-running") })
	s.Do("run", "--name", "i-stopped", "--entrypoint", "/bin/true", "busybox")
	var i struct {
		Containers, ContainersRunning, ContainersStopped, Images, NCPU int
		Store, Root, CgroupVersion, KernelVersion                      string
		SecurityOptions                                                []string
	}
	s.JSON(&i, "info", "--format", "json")
	if i.Containers != 2 || i.ContainersRunning != 1 || i.ContainersStopped != 1 || i.Images != 1 || i.Store != s.StoreDir || i.Root != s.Root {
		t.Errorf("%+v", i)
	}
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err != nil || strings.TrimSpace(string(release)) != i.KernelVersion {
		t.Errorf("kernel %q, want %q (%v)", i.KernelVersion, release, err)
	}
	if got := s.Do("system", "info", "--format", "{{.ContainersRunning}}"); got != "1" {
		t.Errorf("a template: %q", got)
	}
	if out := s.Do("info"); !strings.Contains(out, "2: 1 running, 0 paused, 1 stopped") {
		t.Errorf("text: %s", out)
	}
	s.Minirun("info", "--format", "{{.Nope}}").Fails(t, "--format")
}

// usage is a line of system df.
type usage struct {
	Type              string
	Total, Active     int
	Size, Reclaimable int64
	Items             []struct {
		Name   string
		Active bool
	}
}

func (s *store) usage(kind string) usage {
	s.T.Helper()
	var all []usage
	s.JSON(&all, "system", "df", "-v", "--format", "json")
	for _, u := range all {
		if u.Type == kind {
			return u
		}
	}
	s.T.Fatalf("no %s in %+v", kind, all)
	return usage{}
}

// TestSystemDiskUsage: what no container uses is reclaimable.
func TestSystemDiskUsage(t *testing.T) {
	s := loaded(t, runs("true"))
	if u := s.usage("Images"); u.Total != 1 || u.Active != 0 || u.Size == 0 || u.Reclaimable != u.Size {
		t.Errorf("an image without a container: %+v", u)
	}
	s.Do("tag", "busybox", "second")
	s.Do("run", "--name", "df", "-v", "data:/data", "--entrypoint", "/bin/sh", "busybox", "-c", "echo a >/data/a; echo b >/b")
	t.Cleanup(func() { s.Minirun("rm", "-f", "df") })
	if u := s.usage("Images"); u.Total != 1 || u.Active != 1 || u.Reclaimable != 0 || !strings.Contains(u.Items[0].Name, "second") {
		t.Errorf("an image with two names and a container: %+v", u)
	}
	if u := s.usage("Containers"); u.Total != 1 || u.Active != 0 || u.Size == 0 || u.Reclaimable != u.Size {
		t.Errorf("a stopped container: %+v", u)
	}
	if u := s.usage("Local Volumes"); u.Total != 1 || u.Active != 1 || u.Size == 0 || u.Reclaimable != 0 {
		t.Errorf("a volume of a container: %+v", u)
	}
	s.Do("rm", "df")
	if u := s.usage("Local Volumes"); u.Total != 1 || u.Active != 0 || u.Reclaimable != u.Size {
		t.Errorf("a volume without a container: %+v", u)
	}
	if out := s.Do("system", "df"); !strings.HasPrefix(out, "TYPE ") || strings.Count(out, "\n") != 4 {
		t.Errorf("text: %s", out)
	}
	if out := s.Do("system", "df", "--format", "{{.Type}}: {{.TotalCount}}"); !strings.HasPrefix(out, "Images: 1\nContainers: 0\n") {
		t.Errorf("a template: %s", out)
	}
}

// TestPruneContainers removes stopped containers and no others, and asks first.
func TestPruneContainers(t *testing.T) {
	s := loaded(t, runs("sleep", "1000"))
	s.Do("run", "-d", "--name", "p-running", "busybox")
	t.Cleanup(func() { s.Minirun("rm", "-f", "p-running", "p-stopped") })
	s.Do("run", "--name", "p-stopped", "--entrypoint", "/bin/true", "busybox")
	names := func() string {
		list := strings.Fields(s.Do("ps", "-a", "--format", "{{.Names}}"))
		slices.Sort(list)
		return strings.Join(list, " ")
	}
	for _, command := range []string{"container prune", "system prune"} {
		r := s.Minirun(strings.Fields(command)...)
		r.Fails(t, "not a terminal", "hint: minirun "+command+" --force")
	}
	if got := names(); got != "p-running p-stopped" {
		t.Fatalf("without an answer only %q are left", got)
	}
	s.answer(t, "n", "container", "prune")
	if got := names(); got != "p-running p-stopped" {
		t.Errorf("after the answer n: %q", got)
	}
	s.answer(t, "y", "container", "prune")
	if got := names(); got != "p-running" {
		t.Errorf("after the answer y: %q", got)
	}
	s.Do("run", "--name", "p-stopped", "--entrypoint", "/bin/true", "busybox")
	if out := s.Do("container", "prune", "-f"); !strings.HasPrefix(out, "p-stopped\nremoved 1 containers (") {
		t.Errorf("container prune -f prints %q", out)
	}
	s.Do("run", "--name", "p-stopped", "--entrypoint", "/bin/true", "busybox")
	s.Do("system", "prune", "--force")
	if got := names(); got != "p-running" {
		t.Errorf("after system prune: %q", got)
	}
	if out := s.Do("images", "-q"); out == "" {
		t.Error("system prune removed an image with a name")
	}
}

// answer runs a command on a terminal and answers its question.
func (s *store) answer(t *testing.T, answer string, args ...string) {
	t.Helper()
	p := testbundle.NewPty(t)
	cmd := s.Command(args...)
	p.Attach(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.Expect("[y/N]")
	p.Type(answer + "\r")
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %v: %s", args, err, p.Rest())
	}
}

// TestNouns: docker's long forms do the same as the short ones, and a container or an image with the
// name of a noun is not affected.
func TestNouns(t *testing.T) {
	s := loaded(t, runs("sleep", "1000"))
	s.Do("image", "tag", "busybox", "image")
	s.Do("container", "run", "-d", "--name", "container", "image")
	t.Cleanup(func() { s.Minirun("rm", "-f", "container", "system") })
	for short, long := range map[string]string{
		"ps -q": "container ls -q", "images": "image ls", "history busybox": "image history busybox", "build du": "buildx du",
		"ps": "container list", "build --help": "builder build --help", "build history ls": "buildx history ls",
	} {
		if a, b := s.Do(strings.Fields(short)...), s.Do(strings.Fields(long)...); a != b {
			t.Errorf("%s prints %q\n%s prints %q", short, a, long, b)
		}
	}
	if got := s.Do("container", "exec", "container", "echo", "image", "ls"); got != "image ls" {
		t.Errorf("container exec: %q", got)
	}
	if got := s.Do("exec", "container", "echo", "container"); got != "container" {
		t.Errorf("exec container: %q", got)
	}
	s.Do("container", "stop", "-t", "0", "container")
	s.Do("container", "rm", "container")
	s.Do("run", "--rm", "--name", "system", "--entrypoint", "/bin/true", "image")
	s.Do("image", "rm", "image")
	archive := filepath.Join(s.Host, "saved.tar")
	s.Do("image", "save", "-o", archive, "busybox")
	s.Do("image", "remove", "busybox")
	s.Do("image", "load", "-i", archive)
	if out := s.Do("image", "ls", "-q"); out == "" {
		t.Error("no image after image load")
	}
	for line, want := range map[string]string{
		"image frob": `image: unknown subcommand "frob"`, "container lss": "did you mean minirun container ls?",
		"buildx create": `buildx: unknown subcommand "create"`, "system frob": `system: unknown subcommand "frob"`,
	} {
		s.Minirun(strings.Fields(line)...).Fails(t, want)
	}
}

// TestStoreOfAnotherUser: without root, a store that cannot be written to is an error with a hint.
func TestStoreOfAnotherUser(t *testing.T) {
	u := testbundle.NewSingleID(t)
	for _, line := range []string{"store init", "pull busybox"} {
		out := u.Do(t, "if minirun --store /minirun-none "+line+" 2>&1; then exit 1; fi")
		if !strings.Contains(out, "permission denied\nhint: use sudo, or choose another directory with --store") {
			t.Errorf("%s: %s", line, out)
		}
	}
}

// TestSystemPruneEverything: --all removes images that no container uses, --volumes anonymous volumes. A
// volume with a name may hold somebody's data.
func TestSystemPruneEverything(t *testing.T) {
	s := loaded(t, runs("true"))
	s.Do("volume", "create")
	s.Do("run", "--name", "all", "-v", "data:/data", "--entrypoint", "/bin/true", "busybox")
	s.Do("system", "prune", "--force", "--volumes")
	if u := s.usage("Local Volumes"); u.Total != 1 || u.Items[0].Name != "data" {
		t.Errorf("after --volumes: %+v", u)
	}
	if u := s.usage("Images"); u.Total != 1 {
		t.Errorf("without --all: %+v", u)
	}
	s.Do("system", "prune", "--force", "--all")
	for _, kind := range []string{"Images", "Containers", "Build Cache"} {
		if u := s.usage(kind); u.Total != 0 || u.Size != 0 {
			t.Errorf("after --all: %+v", u)
		}
	}
}
