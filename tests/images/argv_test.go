package images

import (
	"archive/tar"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// A start is one combination of an image's ENTRYPOINT and CMD, and of the command line.
type start struct {
	entrypoint, cmd string // as in a Dockerfile; "" for none
	flag            *string
	args            []string
}

func (s start) String() string {
	flag := "-"
	if s.flag != nil {
		flag = fmt.Sprintf("%q", *s.flag)
	}
	return fmt.Sprintf("ENTRYPOINT %s CMD %s --entrypoint %s %q", s.entrypoint, s.cmd, flag, s.args)
}

func (s start) changes() (out []string) {
	for _, c := range [2][2]string{{"ENTRYPOINT", s.entrypoint}, {"CMD", s.cmd}} {
		if c[1] != "" {
			out = append(out, "-c", c[0]+" "+c[1])
		}
	}
	return out
}

// starts returns all combinations.
func starts() (out []start) {
	for _, entrypoint := range []string{"", `["/bin/argv", "E"]`, "/bin/argv E"} {
		for _, cmd := range []string{"", `["/bin/argv", "C"]`, `["C"]`, "/bin/argv C"} {
			for _, flag := range []*string{nil, new(string), ptr("/bin/argv")} {
				for _, args := range [][]string{nil, {"/bin/argv", "A"}} {
					out = append(out, start{entrypoint, cmd, flag, args})
				}
			}
		}
	}
	return out
}

func ptr(s string) *string { return &s }

// flags returns the flags of run and create.
func (s start) flags(image string) (out []string) {
	if s.flag != nil {
		out = append(out, "--entrypoint", *s.flag)
	}
	return append(append(out, image), s.args...)
}

// TestArgumentsAreThoseOfDocker: minirun executes what Docker would execute, for each combination of
// ENTRYPOINT and CMD, in shell and exec form, with arguments and --entrypoint.
func TestArgumentsAreThoseOfDocker(t *testing.T) {
	s := newStore(t)
	docker := startDocker(t, s)
	y := busybox(t)
	y.entries = append(y.entries, with(file("bin/argv", "#!/bin/sh\nprintf '[%s]' \"$0\" \"$@\"\n"), func(h *tar.Header) { h.Mode = 0o755 }), link("bin/C", "argv"))
	rootfs := filepath.Join(s.Host, "rootfs.tar")
	write(t, rootfs, string(archive(t, y.entries)))
	images := map[string]string{}
	for n, c := range starts() {
		key := strings.Join(c.changes(), "|")
		image, ok := images[key]
		if !ok {
			image = fmt.Sprintf("argv:%d", n)
			images[key] = image
			s.Do(append(append([]string{"import"}, c.changes()...), rootfs, image)...)
			docker(append(append([]string{"import"}, c.changes()...), rootfs, image)...)
		}
		want, refused := docker(append([]string{"create"}, c.flags(image)...)...), false
		if strings.HasPrefix(want, "error: ") {
			refused = true
			if !strings.Contains(want, "o command specified") {
				t.Fatalf("%s: docker: %s", c, want)
			}
		} else {
			want = docker("inspect", "-f", `[{{json .Path}},{{json .Args}}]`, want)
		}
		r := s.Minirun(append([]string{"run", "--name", name("argv")}, c.flags(image)...)...)
		if refused {
			if r.Status != 125 || !strings.Contains(r.Stderr, "nothing to run") {
				t.Errorf("%s: docker refuses, minirun: status %d: %s%s", c, r.Status, r.Stdout, r.Stderr)
			}
			continue
		}
		var list []struct{ Command []string }
		if r.Status != 0 {
			t.Errorf("%s: status %d: %s", c, r.Status, r.Stderr)
			continue
		}
		s.JSON(&list, "ps", "-a", "--format", "json")
		s.Do("rm", name("argv"))
		if got := list[0].Command; !slices.Equal(got, dockersArgv(t, want)) {
			t.Errorf("%s: minirun executes %q, docker %s", c, got, want)
		}
	}
	t.Logf("%d combinations", len(starts()))
}

// TestDockerLoadsSavedImage: Docker loads what save writes, with the same ID, and vice versa.
func TestDockerLoadsSavedImage(t *testing.T) {
	s := loaded(t, runs("echo", "hello"), layer{entries: []tar.Header{file("f", "f")}, compression: "plain"})
	docker := startDocker(t, s)
	saved, back := filepath.Join(s.Host, "saved.tar"), filepath.Join(s.Host, "back.tar")
	s.Do("save", "-q", "-o", saved, "busybox")
	if got := docker("load", "-q", "-i", saved); got != "Loaded image: busybox:latest" {
		t.Fatal(got)
	}
	id := s.images()["docker.io/library/busybox:latest"].ID
	if got := docker("inspect", "-f", "{{.Id}}", "busybox"); got != id {
		t.Errorf("docker calls it %s, minirun %s", got, id)
	}
	if got := docker("save", "-o", back, "busybox"); got != "" {
		t.Fatal(got)
	}
	other := newStore(t)
	other.Do("load", "-q", back)
	if got := other.images()["docker.io/library/busybox:latest"].ID; got != id {
		t.Errorf("back from docker it is %s, was %s", got, id)
	}
	if got := other.Do("run", "--rm", "--name", name("back"), "busybox"); got != "hello" {
		t.Errorf("%q", got)
	}
	other.Check()
}

func dockersArgv(t *testing.T, text string) []string {
	t.Helper()
	var both [2]json.RawMessage
	var argv []string
	var first string
	err := json.Unmarshal([]byte(text), &both)
	if err == nil {
		if err = json.Unmarshal(both[0], &first); err == nil {
			err = json.Unmarshal(both[1], &argv)
		}
	}
	if err != nil {
		t.Fatal(text, err)
	}
	return append([]string{first}, argv...)
}

// startDocker starts a separate dockerd for the test and returns a function that runs docker and
// returns its output, or "error: " and its output.
func startDocker(t *testing.T, s *store) func(args ...string) string {
	t.Helper()
	need(t, "dockerd", "docker.io")
	const client = "/usr/bin/docker"
	if _, err := os.Stat(client); err != nil {
		t.Skipf("needs %s of Debian's package docker.io", client)
	}
	dir := filepath.Join(s.Host, "docker")
	write(t, filepath.Join(dir, "daemon.json"), "{}")
	socket := "unix://" + dir + "/sock"
	cmd := exec.Command("dockerd", "--config-file", dir+"/daemon.json", "--host", socket, "--data-root", dir+"/data", "--exec-root", dir+"/exec", "--pidfile", dir+"/pid",
		"--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver", "vfs", "--cgroup-parent", "/"+testbundle.Prefix+"docker")
	log, err := os.Create(dir + "/log")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(unix.SIGTERM)
		_ = cmd.Wait()
		_ = unix.Unmount(dir+"/exec/netns/default", unix.MNT_DETACH)
		log.Close()
	})
	call := func(args ...string) string {
		c := exec.Command(client, args...)
		c.Env = append(os.Environ(), "DOCKER_HOST="+socket, "DOCKER_CONFIG="+dir)
		out, err := c.CombinedOutput()
		if err != nil {
			return "error: " + string(out)
		}
		return strings.TrimSpace(string(out))
	}
	for end := time.Now().Add(60 * time.Second); strings.HasPrefix(call("version"), "error: "); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			text, _ := os.ReadFile(dir + "/log")
			t.Fatalf("dockerd does not answer: %s", text)
		}
	}
	return call
}
