package images

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestDockerFlags: more of docker's flags, and their effect as seen in the container.
func TestDockerFlags(t *testing.T) {
	s := loaded(t, runs("sh"))
	t.Chdir(t.TempDir())
	write(t, "env", "# comment\nA=file\nB=file\n")
	write(t, "labels", "a.b=c\n")
	write(t, "data/f", "host")
	s.Wd, _ = os.Getwd()
	for _, c := range []struct {
		name  string
		flags string
		run   string
		want  string
	}{
		{"--env-file", "--env-file env -e B=flag", "echo $A $B", "file flag"},
		{"--group-add", "--group-add 77 --group-add friends", "id -G", "0 50 77"},
		{"--domainname", "--domainname d.example", "cat /proc/sys/kernel/domainname", "d.example"},
		{"--ulimit", "--ulimit nofile=100:200 --ulimit core=0", "ulimit -n; ulimit -Hn; ulimit -c", "100\n200\n0"},
		{"--shm-size", "--shm-size 1m", "grep ' /dev/shm ' /proc/mounts | grep -o 'size=[0-9]*k'", "size=1024k"},
		{"--sysctl", "--sysctl net.core.somaxconn=77", "cat /proc/sys/net/core/somaxconn", "77"},
		{"--oom-score-adj", "--oom-score-adj 500", "cat /proc/self/oom_score_adj", "500"},
		{"--device", "--device /dev/null:/dev/nothing:rw", "echo x >/dev/nothing && stat -c '%t %T' /dev/nothing", "1 3"},
		{"--device-cgroup-rule", "--device-cgroup-rule 'c 1:3 rwm'", "mknod /x c 1 3 && echo x >/x && echo yes", "yes"},
		{"--mount bind", "--mount type=bind,source=./data,target=/mnt,readonly", "cat /mnt/f; touch /mnt/x 2>/dev/null || echo no", "hostno"},
		{"--mount tmpfs", "--mount type=tmpfs,dst=/mnt,tmpfs-size=1m,tmpfs-mode=1770",
			"stat -c %a /mnt; grep ' /mnt ' /proc/mounts | grep -o 'size=[0-9]*k'", "1770\nsize=1024k"},
		{"--mount volume", "--mount type=volume,src=v1,dst=/mnt", "echo kept >/mnt/f", ""},
		{"the volume is kept", "-v v1:/mnt:ro", "cat /mnt/f; touch /mnt/g 2>/dev/null || echo no", "kept\nno"},
		{"a relative path", "-v ./data:/mnt", "cat /mnt/f", "host"},
		{"nocopy", "-v v2:/bin2:nocopy", "ls /bin2 | wc -l", "0"},
		{"tmpfs exec", "--tmpfs /mnt:exec,size=16m", "cp /bin/busybox /mnt/echo && /mnt/echo yes", "yes"},
		{"--cap-add ALL", "--cap-add ALL --cap-drop SYS_ADMIN", "grep -q CapEff.*ff /proc/self/status && echo many", "many"},
		{"systempaths=unconfined", "--security-opt systempaths=unconfined", "touch /proc/sys/kernel/domainname && echo yes", "yes"},
		{"no-new-privileges:true", "--security-opt no-new-privileges:true", "grep NoNewPrivs /proc/self/status", "NoNewPrivs:\t1"},
		{"--ipc none", "--ipc none", "grep -c /dev/shm /proc/mounts", "0"},
		{"--ipc host", "--ipc host", "test $(readlink /proc/self/ns/ipc) = " + link0("ipc") + " && echo same", "same"},
		{"--uts host", "--uts host", "test $(readlink /proc/self/ns/uts) = " + link0("uts") + " && echo same", "same"},
		{"--pid host", "--pid host", "test $(readlink /proc/self/ns/pid) = " + link0("pid") + " && echo same", "same"},
		{"--userns host", "--userns host", "echo yes", "yes"},
		{"an image's path of its own hosts file", "-v ./data/f:/etc/hosts", "cat /etc/hosts", "host"},
		{"--privileged", "--privileged", "grep Seccomp: /proc/self/status; mount -t tmpfs x /mnt && echo mounted; " +
			"mknod /fuse c 10 229 && echo devices; grep -c ' /sys .*ro,' /proc/mounts", "Seccomp:\t0\nmounted\ndevices\n0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := s.Command("run", "--rm", "--name", name("flags"))
			cmd.Args = append(cmd.Args, splitShell(c.flags)...)
			cmd.Args = append(cmd.Args, "busybox", "sh", "-c", c.run)
			r := testbundle.Finish(t, cmd)
			if got := strings.TrimSpace(r.Stdout); got != c.want || r.Status == 125 {
				t.Errorf("got %q, want %q; status %d %s", got, c.want, r.Status, r.Stderr)
			}
		})
	}
	if got := s.Do("ps", "-a", "-q"); got != "" {
		t.Errorf("left: %s", got)
	}
	s.Check()
}

// link0 returns the namespace of this process.
func link0(kind string) string {
	text, _ := os.Readlink("/proc/self/ns/" + kind)
	return text
}

// splitShell splits a line at spaces, except in single quotes.
func splitShell(line string) (words []string) {
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			words = append(words, part)
		} else {
			words = append(words, strings.Fields(part)...)
		}
	}
	return words
}

// TestWrongFlagsHaveNoEffects: nothing is pulled, created or written for a wrong value.
func TestWrongFlagsHaveNoEffects(t *testing.T) {
	s := loaded(t, runs("true"))
	dir := t.TempDir()
	old := filepath.Join(dir, "old.cid")
	write(t, old, "web")
	for _, line := range []string{
		"--memory 12x", "--cpus abc", "-v nonsense", "-v new:/x:color", "--health-interval x", "--stop-signal X",
		"--pids-limit x", "--ulimit x=1", "--gpus all", "--link x", "--mount type=bind,src=/none/such,dst=/x",
		"--volumes-from nothing", "--ipc container:nothing", "--pid container:nothing", "--group-add nothing", "--cidfile " + old,
		"--cidfile /none/such/file", "--device vendor.example/class=nothing", "-v new:/x --group-add nothing",
		"--mount type=volume,dst=/x,volume-opt=size=1g", "--env-file /none/such", "--platform windows/amd64",
		"-v new:/x --pid container:nothing", "-v /x --cidfile " + old,
	} {
		for _, command := range []string{"run", "create"} {
			r := s.Minirun(append(append([]string{command, "--name", name("x")}, strings.Fields(line)...), "busybox", "true")...)
			if r.Status != 125 || r.Stdout != "" || strings.Count(r.Stderr, "\n") > 4 {
				t.Errorf("%s %s: status %d, %s%s", command, line, r.Status, r.Stdout, r.Stderr)
			}
		}
	}
	if got := s.Do("ps", "-a", "-q"); got != "" {
		t.Errorf("containers are left: %s", got)
	}
	if left, _ := filepath.Glob(filepath.Join(s.StoreDir, "containers", "*")); len(left) > 0 {
		t.Errorf("left: %s", left)
	}
	if left, _ := filepath.Glob(filepath.Join(s.StoreDir, "volumes", "[a-z0-9]*")); len(left) > 0 {
		t.Errorf("left: %s", left)
	}
	if text, _ := os.ReadFile(old); string(text) != "web" {
		t.Errorf("the file of --cidfile was replaced: %q", text)
	}
}

// TestFlagsForABundleNameItsField: also in other places of the command line, and for create.
func TestFlagsForABundleNameItsField(t *testing.T) {
	testbundle.Need(t)
	b := testbundle.New(t)
	b.Write()
	for line, field := range map[string]string{
		"-m 64m BUNDLE": "linux.resources.memory.limit", "BUNDLE -m 64m": "linux.resources.memory.limit",
		"ID BUNDLE -u 1000": "process.user", "-b BUNDLE -e X=1 ID": "process.env", "ID -b BUNDLE --read-only": "root.readonly",
		"--privileged ID BUNDLE": "process.capabilities", "-p 80:80 ID BUNDLE": "", "-itw / ID BUNDLE": "process.terminal",
	} {
		for _, command := range []string{"run", "create"} {
			words := strings.Fields(strings.NewReplacer("BUNDLE", b.Dir, "ID", b.ID).Replace(line))
			r := b.Minirun(append([]string{command}, words...)...)
			want := "hint: "
			if field != "" {
				want = "hint: set " + field + " in " + b.Dir + "/config.json"
			}
			if r.Status != 1 || !strings.Contains(r.Stderr, want) || strings.Count(r.Stderr, "\n") > 4 {
				t.Errorf("%s %s: status %d: %s", command, line, r.Status, r.Stderr)
			}
			if _, err := os.Stat(b.State()); err == nil {
				t.Fatalf("%s %s: a container was created", command, line)
			}
		}
	}
}

// TestCreateFromImage: create IMAGE is docker create.
func TestCreateFromImage(t *testing.T) {
	s := loaded(t, runs("echo", "started"))
	id := name("created")
	cidfile := filepath.Join(t.TempDir(), "cid")
	if got := s.Do("create", "--name", id, "--cidfile", cidfile, "-m", "64m", "busybox", "echo", "-m"); got != id {
		t.Errorf("printed %q", got)
	}
	if text, _ := os.ReadFile(cidfile); string(text) != id {
		t.Errorf("--cidfile: %q", text)
	}
	s.Minirun("create", "--name", id, "busybox").Fails(t, "exists")
	if _, err := os.Stat(filepath.Join(s.Root, id)); err == nil {
		t.Error("the runtime has a container")
	}
	s.Minirun("create", "--pid-file", "x", "busybox").Fails(t, "--pid-file is for a bundle")
	s.Do("rm", id)
}

// TestVolumesFrom: the volumes of another container, which may have been removed with its volumes kept.
func TestVolumesFrom(t *testing.T) {
	config := runs("sh")
	config.Volumes = map[string]struct{}{"/own": {}}
	s := loaded(t, config)
	data, user := name("data"), name("user")
	s.Do("run", "--name", data, "-v", "named:/named", "busybox", "sh", "-c", "echo a >/own/f; echo b >/named/f")
	if got := s.Do("run", "--rm", "--name", user, "--volumes-from", data+":ro", "busybox", "sh", "-c",
		"cat /own/f /named/f; touch /own/g 2>/dev/null || echo no"); got != "a\nb\nno" {
		t.Errorf("%q", got)
	}
	// --rm of the second container has not removed the volume of the first one.
	if got := s.Do("run", "--rm", "--name", user, "--volumes-from", data, "busybox", "cat", "/own/f"); got != "a" {
		t.Errorf("%q", got)
	}
	s.Do("rm", data)
}

// TestSharedProcesses: --pid container:NAME.
func TestSharedProcesses(t *testing.T) {
	s := loaded(t, runs("sleep", "1000"))
	donor, other := name("donor"), name("other")
	s.Do("run", "-d", "--name", donor, "busybox")
	if got := s.Do("run", "--rm", "--name", other, "--pid", "container:"+donor, "busybox", "sh", "-c",
		"ps | grep -c '[s]leep 1000'"); got != "1" {
		t.Errorf("%q", got)
	}
	s.Do("rm", "-f", donor)
	s.Minirun("run", "--rm", "--pid", "container:"+donor, "busybox", "true").Fails(t, "no such container")
}
