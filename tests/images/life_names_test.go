package images

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestMissingContainerHints: an error about a container that does not exist names what has this name,
// or a similar one.
func TestMissingContainerHints(t *testing.T) {
	s := loaded(t, runs("true"))
	web := name("web")
	s.Do("run", "--name", web, "busybox")
	defer s.Do("rm", web)
	b := testbundle.New(t, testbundle.Args("/bin/sleep", "1000"))
	b.Root = s.Root
	b.Detach().Exit(t, 0)
	bundle := b.ID
	defer s.Do("delete", "-f", bundle)
	typo := strings.Replace(web, "web", "wbe", 1)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"stop", typo}, "hint: did you mean " + web + "?"},
		{[]string{"kill", typo}, "hint: did you mean " + web + "?"},
		{[]string{"logs", typo}, "hint: did you mean " + web + "?"},
		{[]string{"exec", typo, "true"}, "hint: did you mean " + web + "?"},
		{[]string{"inspect", typo}, "hint: did you mean " + web + "?"},
		{[]string{"exec", web, "true"}, "container " + web + " is not running: Exited (0)"},
		{[]string{"exec", web, "true"}, "start it with: minirun start " + web},
		{[]string{"pause", web}, "start it with: minirun start " + web},
		{[]string{"kill", web}, "hint: start it with: minirun start " + web},
		{[]string{"stop", bundle}, "minirun delete " + bundle},
		{[]string{"rm", "busybox"}, "busybox is an image; run a container from it with: minirun run busybox"},
		{[]string{"start", "busybox"}, "busybox is an image"},
		{[]string{"wait", "no-container-has-this-name"}, "minirun ps -a lists the containers"},
	} {
		s.Minirun(c.args...).Fails(t, c.want)
	}
	if r := s.Minirun("rm", "-f", typo); r.Status != 0 || r.Stdout != "" || !strings.Contains(r.Stderr, "no such container") {
		t.Errorf("rm -f: %+v", r)
	}
}

// TestKillForms: docker's form and runc's.
func TestKillForms(t *testing.T) {
	s := loaded(t, runs("sh", "-c", "trap 'echo got hup' HUP; trap 'echo got term' TERM; echo ready; while :; do sleep 0.05; done"))
	a, b := name("a"), name("b")
	logs := func(id, want string) {
		t.Helper()
		testbundle.Await(t, want, func() bool { return strings.Contains(s.Do("logs", id), want) })
	}
	for _, id := range []string{a, b} {
		s.Do("run", "-d", "--restart", "always", "--name", id, "busybox")
		defer s.Do("rm", "-f", id)
		logs(id, "ready")
	}
	if got := s.Do("kill", "-s", "HUP", a, b); got != a+"\n"+b {
		t.Errorf("printed %q", got)
	}
	logs(a, "got hup")
	logs(b, "got hup")
	if got := s.Do("kill", a, "TERM"); got != "" { // runc's
		t.Errorf("printed %q", got)
	}
	logs(a, "got term")
	s.Minirun("kill", "-s", "NOPE", a).Fails(t, "NOPE")
	s.Minirun("kill", "--all", "-s", "HUP", a).Fails(t, "--all")
	if got := s.Do("kill", a, b); got != a+"\n"+b { // SIGKILL, which ends restarts
		t.Errorf("printed %q", got)
	}
	for _, id := range []string{a, b} {
		if got := s.state(id); got.State != "exited" || got.End.Status != 137 || got.Restarts != 0 {
			t.Errorf("%+v", got)
		}
	}
	s.Minirun("delete", "-f", a).Fails(t, "hint: remove it with: minirun rm "+a)
	s.Do("start", a)
	s.Minirun("delete", "-f", a).Fails(t, "hint: remove it with: minirun rm -f "+a)
}

// TestBundleComesFirst: an engine's container, with its own --root, may have the name of a container
// created from an image.
func TestBundleComesFirst(t *testing.T) {
	s := loaded(t, runs("true"))
	b := testbundle.New(t, testbundle.Args("/bin/sleep", "1000"))
	b.Global = s.Global
	s.Do("run", "--name", b.ID, "busybox")
	defer s.Do("rm", b.ID)
	b.Detach().Exit(t, 0)
	b.Minirun("start", b.ID).Fails(t, "cannot start an already running container")
	if r := b.Minirun("kill", b.ID, "KILL"); r.Status != 0 || r.Stdout != "" {
		t.Errorf("%+v", r)
	}
	b.Minirun("delete", "-f", b.ID).Exit(t, 0)
	if got := s.state(b.ID); got.State != "exited" || got.End.Status != 0 {
		t.Errorf("%+v", got)
	}
}

// TestPauseNames: pause and unpause take several names; exec in a paused container is an error.
func TestPauseNames(t *testing.T) {
	s := loaded(t, runs("sleep", "1000"))
	a, b := name("a"), name("b")
	for _, id := range []string{a, b} {
		s.Do("run", "-d", "--name", id, "busybox")
		defer s.Do("rm", "-f", id)
	}
	s.Do("pause", a, b)
	if got := s.Do("ps"); strings.Count(got, "(Paused)") != 2 {
		t.Errorf("ps: %s", got)
	}
	s.Minirun("exec", a, "true").Fails(t, "paused", "hint: minirun resume "+a)
	s.Do("unpause", a)
	s.Do("exec", a, "true")
	s.Do("stop", "-t", "0", a, b) // also the paused one
	s.Minirun("unpause", a, b).Fails(t, "minirun start "+a, "minirun start "+b)
}

// TestRename: a stopped container has all its files under its new name.
func TestRename(t *testing.T) {
	s := loaded(t, runs("sh", "-c", "echo x >>/f; echo y >>/v/f; cat /f /v/f /etc/hostname; hostname; sleep 1000"))
	before, after := name("old"), name("new")
	s.Do("run", "-d", "-v", "/v", "--name", before, "busybox")
	s.Minirun("rename", before, after).Fails(t, "hint: minirun stop "+before)
	s.Do("stop", "-t", "0", before)
	s.Do("run", "--name", name("other"), "busybox", "true")
	defer s.Do("rm", name("other"))
	s.Minirun("rename", before, name("other")).Fails(t, "already exists")
	s.Minirun("rename", before, "a/b").Fails(t, "a/b")
	s.Do("rename", before, after)
	if got := s.state(before); got.State != "" {
		t.Errorf("left: %+v", got)
	}
	if _, err := os.Stat(filepath.Join(s.StoreDir, "containers", before)); err == nil {
		t.Error("its directory is left")
	}
	s.Do("start", after)
	want := "x\nx\ny\ny\n" + before + "\n" + before
	testbundle.Await(t, "the second run", func() bool { return strings.HasSuffix(s.Do("logs", after), want) })
	s.Do("rm", "-f", after)
	s.Check()
}
