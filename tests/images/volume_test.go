package images

import (
	"os"
	"strings"
	"testing"
)

// TestVolumes: create, use, list, inspect and remove volumes.
func TestVolumes(t *testing.T) {
	s := loaded(t, runs("sh"))
	if got := s.Do("volume", "ls", "-q"); got != "" {
		t.Errorf("a new store has volumes: %q", got)
	}
	if got := s.Do("volume", "create", "--label", "a=b", "vol"); got != "vol" {
		t.Errorf("create prints %q", got)
	}
	anonymous := s.Do("volume", "create")
	if len(anonymous) != 64 {
		t.Errorf("an anonymous volume is called %q", anonymous)
	}
	s.Do("volume", "create", "vol") // again
	// An empty volume gets the image's files.
	if got := s.Do("run", "--name", name("v"), "-v", "vol:/etc", "busybox", "sh", "-c", "echo more >/etc/x; cat /etc/x; test -s /etc/passwd && echo seeded"); got != "more\nseeded" {
		t.Errorf("%q", got)
	}
	if got := s.Do("volume", "ls"); got != "DRIVER   VOLUME NAME\nlocal    "+anonymous+"\nlocal    vol" {
		t.Errorf("ls: %s", got)
	}
	for flags, want := range map[string]string{
		"--filter label=a -q": "vol", "--filter label!=a -q": anonymous, "--filter dangling=true -q": anonymous,
		"--filter dangling=0 -q": "vol", "--filter name=vo -q --filter driver=local --filter label=a=b": "vol",
		"--filter driver=x -q": "", "--filter label=a --format {{.Name}}:{{.Labels}}": "vol:a=b",
	} {
		if got := s.Do(append([]string{"volume", "ls"}, strings.Fields(flags)...)...); got != want {
			t.Errorf("ls %s: %q, want %q", flags, got, want)
		}
	}
	var list []struct {
		Name, Driver, Mountpoint string
		Labels                   map[string]string
	}
	s.JSON(&list, "volume", "inspect", "vol")
	if len(list) != 1 || list[0].Labels["a"] != "b" || list[0].Driver != "local" {
		t.Errorf("%+v", list)
	}
	if text, err := os.ReadFile(list[0].Mountpoint + "/x"); err != nil || string(text) != "more\n" {
		t.Errorf("%s: %q, %v", list[0].Mountpoint, text, err)
	}
	if got := s.Do("volume", "inspect", "-f", "{{.Mountpoint}}", "vol"); got != list[0].Mountpoint {
		t.Errorf("%q", got)
	}
	// In use, also by a stopped container.
	s.Minirun("volume", "rm", "vol").Fails(t, "in use by container "+name("v"), "hint: ")
	if got := s.Do("volume", "prune", "-f"); !strings.HasPrefix(got, anonymous+"\nTotal reclaimed space: ") {
		t.Errorf("prune: %q", got)
	}
	s.Do("rm", name("v"))
	if got := s.Do("volume", "rm", "vol"); got != "vol" {
		t.Errorf("rm prints %q", got)
	}
	s.Minirun("volume", "rm", "vol").Fails(t, "no such volume: vol")
	s.Do("volume", "rm", "-f", "vol")
	s.Minirun("volume", "inspect", "vol").Fails(t, "no such volume")
	for line, words := range map[string]string{
		"volume create -d nfs x": "only local", "volume create a/b": "not a valid volume name", "volume create -o size=1g x": "must be type, device or o",
		"volume ls --filter color=red": "unknown key", "volume ls --filter dangling=maybe": "true or false", "volume ls -q --format x": "cannot be combined",
		"volume prune": "--force", "volume rm": "NAME", "volume creat x": "create", "volume create --label =x y": "NAME=VALUE",
		"volume create -o type=none -o o=bind -o device=/none/such x": "no such file",
	} {
		s.Minirun(strings.Fields(line)...).Fails(t, words)
	}
	if got := s.Do("volume", "ls", "-q"); got != "" {
		t.Errorf("left: %s", got)
	}
	s.Check()
}

// TestVolumeDriverOptions: a volume that is another file system.
func TestVolumeDriverOptions(t *testing.T) {
	s := loaded(t, runs("sh"))
	host := t.TempDir()
	write(t, host+"/f", "host")
	s.Do("volume", "create", "-o", "type=tmpfs", "-o", "o=size=1m,mode=1700", "scratch")
	s.Do("volume", "create", "--opt", "type=none", "--opt", "o=bind", "--opt", "device="+host, "bound")
	if got := s.Do("run", "--rm", "-v", "scratch:/s", "-v", "bound:/b:ro", "busybox", "sh", "-c",
		"grep ' /s ' /proc/mounts | grep -o 'size=[0-9]*k'; cat /b/f; touch /b/g 2>/dev/null || echo no"); got != "size=1024k\nhostno" {
		t.Errorf("%q", got)
	}
	s.Minirun("run", "--rm", "--mount", "type=volume,src=scratch,dst=/s,volume-opt=type=ext4,volume-opt=device=/dev/x",
		"busybox", "true").Fails(t, "exists with other options")
	s.Do("volume", "rm", "scratch", "bound")
	if _, err := os.Stat(host + "/f"); err != nil {
		t.Error(err)
	}
}

// TestAnonymousVolumes: --rm and rm -v remove them, rm keeps them.
func TestAnonymousVolumes(t *testing.T) {
	config := runs("true")
	config.Volumes = map[string]struct{}{"/own": {}}
	s := loaded(t, config)
	count := func() int { return len(strings.Fields(s.Do("volume", "ls", "-q"))) }
	s.Do("run", "--rm", "-v", "/more", "busybox")
	if n := count(); n != 0 {
		t.Errorf("--rm leaves %d volumes", n)
	}
	s.Minirun("run", "busybox", "/none").Exit(t, 127)
	if n := count(); n != 0 {
		t.Errorf("a container that did not start leaves %d volumes", n)
	}
	s.Do("run", "--name", name("a"), "busybox")
	s.Do("run", "--name", name("b"), "--volumes-from", name("a"), "busybox")
	s.Do("rm", "-v", name("a"))
	if n := count(); n != 1 {
		t.Errorf("%d volumes, but another container uses one", n)
	}
	s.Do("rm", name("b"))
	if n := count(); n != 1 {
		t.Errorf("rm has removed the volume")
	}
	s.Do("volume", "prune", "--force")
	s.Do("run", "--name", name("a"), "busybox")
	s.Do("rm", "-v", name("a"))
	if n := count(); n != 0 {
		t.Errorf("rm -v leaves %d volumes", n)
	}
}
