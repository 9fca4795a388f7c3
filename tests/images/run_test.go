package images

import (
	"archive/tar"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	docker "github.com/moby/docker-image-spec/specs-go/v1"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/tests/testbundle"
)

// name returns the name of a container that Watch recognizes as this test's.
func name(s string) string { return testbundle.Prefix + s }

// TestRunFlags: docker's flags, and their effect as seen in the container.
func TestRunFlags(t *testing.T) {
	config := docker.DockerOCIImageConfig{ImageConfig: oci.ImageConfig{
		Env: []string{"PATH=/bin", "A=image", "B=image"}, WorkingDir: "/home", User: "user", Cmd: []string{"sh"}, Labels: map[string]string{"l": "image"},
		Volumes: map[string]struct{}{"/vol": {}},
	}}
	s := loaded(t, config, layer{entries: []tar.Header{dir("vol"), file("vol/seed", "seed"), link("vol/l", "seed")}})
	host := filepath.Join(s.Host, "data")
	write(t, filepath.Join(host, "f"), "host")
	os.Chmod(host, 0o777)
	t.Setenv("FROM_HOST", "host's")
	for _, c := range []struct {
		name  string
		flags []string
		run   string
		want  string
	}{
		{"user of the image", nil, "id -u; id -g; id -G", "1000\n1000\n1000 50"},
		{"-u number", []string{"-u", "7"}, "id -u; id -g", "7\n0"},
		{"-u user:group", []string{"-u", "user:friends"}, "id -u; id -g", "1000\n50"},
		{"-w", []string{"-w", "/tmp"}, "pwd", "/tmp"},
		{"a working directory that is not there", []string{"-w", "/new/dir", "-u", "0"}, "pwd", "/new/dir"},
		{"directory of the image", nil, "pwd", "/home"},
		{"environment", []string{"-e", "A=flag", "-e", "C=x=y", "-e", "FROM_HOST", "-e", "NOT_SET"}, "echo $A $B $C $FROM_HOST $NOT_SET", "flag image x=y host's"},
		{"--hostname", []string{"--hostname", "h"}, "hostname; cat /etc/hostname; grep -c h /etc/hosts", "h\nh\n3"},
		{"-v", []string{"-v", host + ":/mnt"}, "cat /mnt/f; echo x >/mnt/g; cat /mnt/g", "hostx"},
		{"-v ro", []string{"-v", host + ":/mnt:ro"}, "cat /mnt/f; echo x 2>/dev/null >/mnt/h || echo no", "hostno"},
		{"a volume with a name", []string{"-v", "named:/vol", "-u", "0"}, "cat /vol/l; echo more >>/vol/seed", "seed"},
		{"it is kept", []string{"-v", "named:/vol"}, "cat /vol/seed", "seedmore"},
		{"the image's volume", []string{"-u", "0"}, "cat /vol/l; grep -c ' /vol ' /proc/self/mountinfo", "seed1"},
		{"--tmpfs", []string{"--tmpfs", "/tmp:size=1m"}, "grep ' /tmp ' /proc/self/mountinfo | grep -o 'size=[0-9]*k'", "size=1024k"},
		{"--read-only", []string{"--read-only", "-u", "0"}, "touch /x 2>/dev/null || echo no", "no"},
		{"it can be written to", []string{"-u", "0"}, "touch /x && echo yes", "yes"},
		{"--network none", nil, "ls /sys/class/net", "lo"},
		{"capabilities", []string{"-u", "0"}, "grep CapEff /proc/self/status", "CapEff:\t00000000a80425fb"},
		{"--cap-drop ALL --cap-add", []string{"-u", "0", "--cap-drop", "ALL", "--cap-add", "chown"}, "grep CapEff /proc/self/status", "CapEff:\t0000000000000001"},
		{"seccomp", nil, "grep Seccomp: /proc/self/status", "Seccomp:\t2"},
		{"seccomp=unconfined", []string{"--security-opt", "seccomp=unconfined"}, "grep Seccomp: /proc/self/status", "Seccomp:\t0"},
		{"no-new-privileges", []string{"--security-opt", "no-new-privileges"}, "grep NoNewPrivs /proc/self/status", "NoNewPrivs:\t1"},
		{"without -i there is no input", nil, "cat | wc -c", "0"},
		{"-i", []string{"-i"}, "cat", "input"},
		{"ports below 1024", []string{"-u", "1000"}, "cat /proc/sys/net/ipv4/ip_unprivileged_port_start", "0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.Stdin = "input"
			args := append([]string{"run", "--rm", "--name", name("flags")}, c.flags...)
			if got := s.Do(append(args, "busybox", "sh", "-c", c.run)...); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	for words, flags := range map[string][]string{
		"--memory": {"--memory", "lots"}, "--cpus": {"--cpus", "no"}, "create it first": {"-v", "/none/such:/x"}, "--network": {"--network", "x"}, "--publish": {"--network", "host", "-p", "1:1"},
		"capability": {"--cap-add", "nonsense"}, "nobody-here": {"-u", "nobody-here"}, "must be an absolute path": {"-w", "x"}, "--volume": {"-v", "/a:b"}, "--stop-signal": {"--stop-signal", "X"}, "must not begin with -": {"--name=-d"},
	} {
		s.Minirun(append(append([]string{"run", "--rm"}, flags...), "busybox", "true")...).Fails(t, words)
	}
	if got := s.Do("ps", "-a", "-q"); got != "" {
		t.Errorf("left: %s", got)
	}
	for status, argv := range map[int][]string{127: {"/none"}, 126: {"/etc/passwd"}, 42: {"sh", "-c", "exit 42"}} {
		if r := s.Minirun(append([]string{"run", "--rm", "--name", name("status"), "busybox"}, argv...)...); r.Status != status {
			t.Errorf("%q: status %d, want %d: %s", argv, r.Status, status, r.Stderr)
		}
	}
	s.Check()
}

// TestLimitFlagsSetCgroup: the cgroup has the values of the flags.
func TestLimitFlagsSetCgroup(t *testing.T) {
	s := loaded(t, runs("sleep", "1000"))
	id := name("limits")
	s.Do("run", "-d", "--name", id, "--memory", "32m", "--cpus", "0.5", "--pids-limit", "50", "busybox")
	defer s.Do("rm", "-f", id)
	var got struct {
		Data struct {
			Memory struct{ Usage struct{ Limit uint64 } }
			Pids   struct{ Limit uint64 }
		}
	}
	s.JSON(&got, "events", "--stats", id)
	if got.Data.Memory.Usage.Limit != 32<<20 || got.Data.Pids.Limit != 50 {
		t.Errorf("%+v", got)
	}
}

// TestDetachedContainerCommands: run -d, ps, logs, exec, stop, rm.
func TestDetachedContainerCommands(t *testing.T) {
	config := runs("sh", "-c", `trap 'echo bye; exit 7' USR1; echo out; echo err >&2; printf partial; while :; do sleep 0.1; done`)
	config.StopSignal = "SIGUSR1"
	s := loaded(t, config)
	id := name("d")
	if got := s.Do("run", "-d", "--name", id, "busybox"); got != id {
		t.Errorf("printed %q", got)
	}
	s.Minirun("run", "-d", "--name", id, "busybox").Fails(t, "exists")
	testbundle.Await(t, "the log", func() bool { r := s.Minirun("logs", id); return r.Stdout == "out\n" && r.Stderr == "err\n" })
	if got := s.Do("logs", "-t", id); !strings.HasPrefix(got, time.Now().UTC().Format("2006-")) {
		t.Errorf("logs -t: %q", got)
	}
	var list []struct{ Container, State, Name string }
	s.JSON(&list, "ps", "--format", "json")
	if len(list) != 1 || list[0].Container != id || list[0].State != "running" || list[0].Name != "docker.io/library/busybox:latest" {
		t.Errorf("ps: %+v", list)
	}
	if got := s.Do("exec", "-i", "-w", "/tmp", "-e", "X=y", id, "sh", "-c", "pwd; echo $X"); got != "/tmp\ny" {
		t.Errorf("exec: %q", got)
	}
	s.Do("exec", id, "sh", "-c", "echo later:x:77:78::/:/bin/sh >>/etc/passwd")
	for user, want := range map[string]string{"user": "1000 1000 1000 50", "later": "77 78 78", "5": "5 0 0", "user:friends": "1000 50 50"} {
		if got := strings.Join(strings.Fields(s.Do("exec", "-u", user, id, "sh", "-c", "id -u; id -g; id -G")), " "); got != want {
			t.Errorf("exec -u %s: %s, want %s", user, got, want)
		}
	}
	s.Minirun("exec", "-u", "nobody-here", id, "true").Fails(t, "nobody-here")
	s.Minirun("rm", id).Fails(t, "is running", "hint: ")
	begin := time.Now()
	s.Do("stop", id)
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("stop took %s: the image's signal was not sent", took)
	}
	if got := s.Do("ps", "-a"); !strings.Contains(got, "Exited (7)") {
		t.Errorf("ps -a: %s", got)
	}
	if got := s.Do("ps", "-q"); got != "" {
		t.Errorf("ps shows %q", got)
	}
	if got := s.Do("logs", "--tail", "1", id); got != "partialbye" {
		t.Errorf("logs --tail 1: %q", got)
	}
	s.Check()
	s.Do("rm", id)
	s.Minirun("logs", id).Fails(t, "no such container")
	s.Minirun("run", "-d", "--name", id, "busybox", "/none").Exit(t, 127)
	if got := s.Do("ps", "-a", "-q"); got != "" {
		t.Errorf("a container that did not start is left: %s", got)
	}
	s.Do("run", "-d", "--rm", "--name", id, "busybox", "true")
	testbundle.Await(t, "--rm", func() bool { return s.Do("ps", "-a", "-q") == "" })
	s.Do("run", "-d", "--name", id, "busybox", "sleep", "1000")
	s.Do("rm", "-f", id)
	s.Do("run", "-d", "-t", "--name", id, "busybox", "sh", "-c", "test -t 0 && test -t 1 && echo terminal")
	testbundle.Await(t, "a terminal's log", func() bool { return strings.Contains(s.Do("logs", id), "terminal\r") || s.Do("logs", id) == "terminal" })
	s.Do("rm", "-f", id)
}

// TestLogsFollowEndsWithContainer: logs -f ends with the container and prints all of its output.
func TestLogsFollowEndsWithContainer(t *testing.T) {
	s := loaded(t, runs("sh", "-c", "for i in $(seq 2000); do echo line $i; done; sleep 0.3; echo last"))
	id := name("f")
	s.Do("run", "-d", "--name", id, "busybox")
	defer s.Do("rm", "-f", id)
	got := strings.Split(s.Do("logs", "-f", id), "\n")
	if len(got) != 2001 || got[2000] != "last" || got[1999] != "line 2000" {
		t.Errorf("%d lines, the last %q", len(got), got[len(got)-1])
	}
}

// TestHealthcheckStates: starting, healthy, unhealthy, healthy again; a check that hangs.
func TestHealthcheckStates(t *testing.T) {
	config := runs("sleep", "1000")
	config.Healthcheck = &docker.HealthcheckConfig{Test: []string{"CMD-SHELL", "cat /healthy; exit $(cat /status)"}, Interval: 200 * time.Millisecond, Timeout: time.Second, Retries: 2}
	s := loaded(t, config)
	id := name("h")
	health := func() string {
		var list []struct {
			HealthState struct {
				Status string
				Log    []struct {
					Status int
					Output string
				}
			}
		}
		s.JSON(&list, "ps", "--format", "json")
		if len(list) != 1 {
			return fmt.Sprint(len(list), " containers")
		}
		h := list[0].HealthState
		if n := len(h.Log); n > 0 {
			return fmt.Sprintf("%s %d %s", h.Status, h.Log[n-1].Status, strings.TrimSpace(h.Log[n-1].Output))
		}
		return h.Status
	}
	s.Do("run", "-d", "--name", id, "busybox", "sh", "-c", "echo 0 >/status; echo fine >/healthy; exec sleep 1000")
	defer s.Do("rm", "-f", id)
	testbundle.Await(t, "healthy", func() bool { return health() == "healthy 0 fine" })
	s.Do("exec", id, "sh", "-c", "echo 1 >/status; echo ill >/healthy")
	testbundle.Await(t, "unhealthy", func() bool { return health() == "unhealthy 1 ill" })
	if got := s.Do("ps"); !strings.Contains(got, "(unhealthy") {
		t.Errorf("ps: %s", got)
	}
	if got := s.Do("inspect", id); !strings.Contains(got, "health    unhealthy") || !strings.Contains(got, "status 1  ill") {
		t.Errorf("inspect: %s", got)
	}
	if got := s.Do("state", id); strings.Contains(got, "health") {
		t.Errorf("the runtime knows: %s", got)
	}
	s.Do("exec", id, "sh", "-c", "echo 0 >/status")
	testbundle.Await(t, "healthy again", func() bool { return strings.HasPrefix(health(), "healthy") })
	s.Do("exec", id, "sh", "-c", "rm /healthy; mkfifo /healthy")
	testbundle.Await(t, "a check that hangs", func() bool { return strings.HasPrefix(health(), "unhealthy -1 the check did not finish") })
	testbundle.Await(t, "the end of what hung", func() bool { return strings.Count(s.Do("exec", id, "ps"), "cat /healthy") <= 1 })
	s.Do("run", "--rm", "--no-healthcheck", "--name", name("n"), "busybox", "true")
}

// TestHundredContainersShareFiles: a hundred containers created from an image share one copy of its
// files.
func TestHundredContainersShareFiles(t *testing.T) {
	s := loaded(t, runs("sleep", "1000"))
	used := func() int64 {
		out := tool(t, "du", "-sB1", s.StoreDir)
		n, err := strconv.ParseInt(strings.Fields(out)[0], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := used()
	const count = 100
	for n := range count {
		s.Do("run", "-d", "--name", name(fmt.Sprint("c", n)), "busybox")
	}
	after := used()
	t.Logf("the store takes %d bytes, with %d containers %d: %d each", before, count, after, (after-before)/count)
	if (after-before)/count > 200<<10 {
		t.Errorf("a container takes %d bytes", (after-before)/count)
	}
	if files, err := os.ReadDir(filepath.Join(s.StoreDir, "layers")); err != nil || len(files) != 1 {
		t.Errorf("%d layers, %v", len(files), err)
	}
	args := []string{"rm", "-f"}
	for n := range count {
		args = append(args, name(fmt.Sprint("c", n)))
	}
	s.Do(args...)
}

// TestBundleRunsWithOtherRuntimes: what `bundle` writes also runs with runc and crun.
func TestBundleRunsWithOtherRuntimes(t *testing.T) {
	s := loaded(t, docker.DockerOCIImageConfig{ImageConfig: oci.ImageConfig{Entrypoint: []string{"sh", "-c"}, Cmd: []string{"echo $A; id -u; pwd"}, Env: []string{"A=b", "PATH=/bin"}, User: "user", WorkingDir: "/tmp"}})
	b := filepath.Join(s.Host, "bundle")
	s.Do("bundle", "busybox", b)
	want := "b\n1000\n/tmp"
	if got := s.Do("run", b); got != want {
		t.Errorf("minirun: %q", got)
	}
	need(t, "runc", "runc")
	if got := tool(t, "runc", "--root", filepath.Join(s.Host, "runc"), "run", "-b", b, name("runc")); got != want {
		t.Errorf("runc: %q", got)
	}
	s.Do("bundle", "--layers", "busybox", b+"2")
	if got := s.Do("run", b+"2"); got != want {
		t.Errorf("with layers: %q", got)
	}
	text, err := os.ReadFile(filepath.Join(b, "config.json"))
	if err != nil || !json.Valid(text) {
		t.Error(err)
	}
}

// TestUnprivilegedUserRunsImages: an unprivileged user imports, runs and removes images; files have the
// owners that the image specifies, in the user's ranges.
func TestUnprivilegedUserRunsImages(t *testing.T) {
	testbundle.Need(t)
	u := testbundle.NewUnprivileged(t)
	y := busybox(t)
	y.entries = append(y.entries, with(file("theirs", "x"), func(h *tar.Header) { h.Uid, h.Gid = 1000, 50 }), dir("d"), file("d/gone", "x"), with(file("dev/zero", ""), func(h *tar.Header) { h.Typeflag, h.Devmajor, h.Devminor = tar.TypeChar, 1, 5 }))
	write(t, filepath.Join(u.Home, "rootfs.tar"), string(archive(t, y.entries)))
	as := func(script string) string { t.Helper(); return u.Do(t, script) }
	as("minirun import rootfs.tar box")
	if got := as(`minirun run --rm box sh -c 'stat -c "%u:%g" /theirs /etc; id -u; rm -r /d; mkdir /d; ls /d | wc -l'`); got != "1000:50\n0:0\n0\n0" {
		t.Errorf("%q", got)
	}
	as("minirun run -d --name box -u 1000 box sh -c 'echo hello; exec sleep 1000'")
	testbundle.Await(t, "the log", func() bool { return as("minirun logs box") == "hello" })
	if got := as("minirun exec box id -u"); got != "1000" {
		t.Errorf("exec: %q", got)
	}
	as("minirun stop -t 1 box")
	as("minirun rm box")
	as("minirun store check")
	as("minirun prune --all --force")
	if files, err := os.ReadDir(filepath.Join(u.Home, "data/minirun/layers")); err != nil || len(files) != 0 {
		t.Errorf("%d layers are left, %v", len(files), err)
	}
}

// TestStoreIsPrivate: another user of the host cannot reach an image's programs, some of which are
// set-user-ID (CVE-2021-41091).
func TestStoreIsPrivate(t *testing.T) {
	s := loaded(t, runs("true"))
	for _, path := range []string{"layers", "containers", "blobs/sha256", "index.json"} {
		out, err := exec.Command("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "ls", filepath.Join(s.StoreDir, path)).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "Permission denied") {
			t.Errorf("another user can list %s: %s", path, out)
		}
	}
}

// TestRunInteractiveTerminal: run -it.
func TestRunInteractiveTerminal(t *testing.T) {
	s := loaded(t, runs("sh", "-c", "test -t 0 && test -t 1 && echo terminal $TERM"))
	need(t, "script", "bsdutils")
	out := tool(t, "script", "-qec", fmt.Sprintf("%s --root %s --store %s run --rm -it --name %s busybox", testbundle.Binary, s.Root, s.StoreDir, name("tty")), "/dev/null")
	if !strings.Contains(out, "terminal xterm") { // script adds a zero byte somewhere
		t.Errorf("%q", out)
	}
}
