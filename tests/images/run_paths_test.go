package images

import (
	"archive/tar"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestLayersOfImage: the changes of each layer.
func TestLayersOfImage(t *testing.T) {
	s, l := newStore(t), newLayout(t)
	l.add("app", runs("sh"),
		layer{entries: []tar.Header{dir("etc"), file("etc/a", "aaaa"), file("etc/b", "bb"), dir("opt"), file("opt/x", "xxx")}, command: "FROM base"},
		layer{entries: []tar.Header{file("etc/a", "new"), file("etc/.wh.b", ""), file("n", "n")}, command: "RUN change"},
		layer{entries: []tar.Header{file(".wh.opt", "")}, command: "RUN rm -r /opt"})
	s.Do("load", "-q", l.dir)
	var views []struct {
		Number                  int
		Command                 string
		Added, Changed, Removed int
		Wasted                  int64
	}
	s.JSON(&views, "layers", "--format", "json", "app")
	want := "[{1 FROM base 5 0 0 0} {2 RUN change 1 1 1 6} {3 RUN rm -r /opt 0 0 1 3}]"
	if got := fmt.Sprint(views); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	s.JSON(&views, "layers", "--format", "json", "--range", "2-2", "app")
	if len(views) != 1 || views[0].Number != 2 {
		t.Errorf("--range: %v", views)
	}
	if got := s.Do("layers", "--tree", "app"); !strings.Contains(got, "-   b\n") || !strings.Contains(got, "~   a  3B\n") {
		t.Errorf("--tree: %s", got)
	}
	if got := s.Do("layers", "--why", "/etc/a", "app"); !strings.Contains(got, "2  file") || !strings.Contains(got, "visible") {
		t.Errorf("--why: %s", got)
	}
	s.Minirun("layers", "--why", "/etc/b", "app").Fails(t, "does not exist in a container")
}

// TestVolumeThroughLink: if the path of an image's volume leads outside through symbolic links, the
// volume is not filled with the host's files (CVE-2022-23648).
func TestVolumeThroughLink(t *testing.T) {
	for path, entries := range map[string][]tar.Header{
		"/v":                     {link("v", "/../../../../../../etc")},
		"/a/v":                   {link("a", "../../../../../../..")},
		"/v/../../../../../etc":  {dir("v")},
		"/../../../../../../etc": nil,
	} {
		config := runs("sh", "-c", "cat /*/shadow /*/*/shadow /shadow 2>/dev/null | wc -c")
		config.Volumes = map[string]struct{}{path: {}}
		s := loaded(t, config, layer{entries: entries})
		r := s.Minirun("run", "--name", name("v"), "busybox")
		if r.Status == 0 && strings.TrimSpace(r.Stdout) != "0" {
			t.Errorf("%s: the container reads the host's: %s", path, r.Stdout)
		}
		found, _ := exec.Command("find", filepath.Join(s.StoreDir, "containers"), "-name", "shadow").Output()
		if len(found) > 0 {
			t.Errorf("%s: copied from the host: %s", path, found)
		}
		_ = s.Minirun("rm", "-f", name("v"))
	}
}

// TestDanglingTargetsOfImages: the target of a mount on a dangling symbolic link in the image is
// created below the container's root: this applies to the files that every container gets, volumes, a
// tmpfs and a volume of the image.
func TestDanglingTargetsOfImages(t *testing.T) {
	config := runs("sh", "-c", "grep -c . /run/systemd/resolve/stub.conf; cat /usr/share/zone/UTC; touch /srv/data/x /srv/own/x && stat -c %a /scratch/deep")
	config.Volumes = map[string]struct{}{"/own": {}}
	s := loaded(t, config, layer{entries: []tar.Header{
		dir("etc"), link("etc/hosts", "../run/systemd/resolve/stub.conf"), link("etc/localtime", "/usr/share/zone/UTC"),
		link("data", "srv/data"), link("own", "../../../srv/own"), link("tmplink", "/scratch/deep"),
	}})
	zone := filepath.Join(t.TempDir(), "zone")
	if err := os.WriteFile(zone, []byte("UTC\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := s.Minirun("run", "--rm", "-v", zone+":/etc/localtime:ro", "-v", "/data", "--tmpfs", "/tmplink", "busybox")
	lines := strings.Fields(r.Stdout)
	if r.Status != 0 || len(lines) != 3 || lines[0] == "0" || lines[1] != "UTC" || lines[2] != "1777" {
		t.Errorf("status %d: %s%s", r.Status, r.Stdout, r.Stderr)
	}
	if _, err := os.Lstat("/scratch/deep"); err == nil {
		t.Error("a place to mount on was made on the host")
	}
}

// TestExecHostilePasswd: exec looks up a user in a container that has turned its /etc/passwd into a
// trap.
func TestExecHostilePasswd(t *testing.T) {
	s := loaded(t, runs("sleep", "1000"))
	id := name("p")
	s.Do("run", "-d", "--name", id, "busybox")
	defer s.Do("rm", "-f", id)
	only := fmt.Sprintf("hostuser%d", os.Getpid())
	for trap, words := range map[string]string{
		"rm -f /etc/passwd; mkfifo /etc/passwd":                                              "not a regular file",
		"rm -f /etc/passwd; ln -s /proc/1/root/../../../../etc/passwd /etc/passwd":           "user",
		"rm -rf /etc/passwd; mkdir /etc/passwd":                                              "is a directory",
		"rm -rf /etc/passwd; dd if=/dev/zero of=/etc/passwd bs=1M count=2 2>/dev/null; true": "the limit is",
		"rm -rf /etc/passwd; ln -s passwd /etc/passwd":                                       "user",
	} {
		s.Do("exec", id, "sh", "-c", trap)
		s.Minirun("exec", "-u", only, id, "true").Fails(t, words)
	}
}
