package images

import (
	"archive/tar"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	docker "github.com/moby/docker-image-spec/specs-go/v1"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/tests/testbundle"
)

// groupsOf is a shell command that prints the supplementary groups according to the kernel, on one
// line.
const groupsOf = `sed -n 's/^Groups:[[:space:]]*//p' /proc/self/status | xargs echo`

// The primary group must be one of the supplementary groups: otherwise a program could leave the
// group with a set-group-ID program, and gain access where a file's mode denies it to the group
// (CVE-2022-36109, CVE-2023-25173).
func TestPrimaryGroupIsSupplementary(t *testing.T) {
	config := runs("sleep", "1000")
	config.User = "1000:2000"
	s := loaded(t, config)
	id := name("groups")
	s.Do("run", "-d", "--name", id, "busybox")
	defer s.Do("rm", "-f", id)
	if got := s.Do("exec", id, "sh", "-c", groupsOf); got != "2000" {
		t.Errorf("the image's user, in exec: groups %q, want 2000", got)
	}
	for who, want := range map[string]string{"1000:2000": "2000", "0:7": "7", "7": "0", "user": "50 1000", "user:friends": "50", "": "2000"} {
		var flags []string
		if who != "" {
			flags = []string{"-u", who}
			if got := s.Do("exec", "-u", who, id, "sh", "-c", groupsOf); got != want {
				t.Errorf("exec -u %s: groups %q, want %q", who, got, want)
			}
		}
		if got := s.Do(slices.Concat([]string{"run", "--rm", "--name", name("g")}, flags, []string{"busybox", "sh", "-c", groupsOf})...); got != want {
			t.Errorf("run %q: groups %q, want %q", flags, got, want)
		}
	}
}

// An ID in the image that is out of range is an error and never root (CVE-2024-40635).
func TestIDsOfTheImageOutOfRange(t *testing.T) {
	const passwd = "root:x:0:0::/:\nuser:x:1000:1000::/:\nbits32:x:4294967296:4294967296::/:\nnochange:x:4294967295:1000::/:\n" +
		"bits64:x:18446744073709551616:1000::/:\nnegative:x:-1:1000::/:\ntext:x:root:1000::/:\nshort:x\ngroup32:x:1000:4294967296::/:\nmember:x:1001:1001::/:\n" +
		"largest:x:4294967294:4294967294::/:\n"
	const group = "root:x:0:root\nbits32:x:4294967296:\noutside:x:4294967295:member\n"
	s := loaded(t, runs("sleep", "1000"), layer{entries: []tar.Header{file("etc/passwd", passwd), file("etc/group", group)}})
	id := name("ids")
	s.Do("run", "-d", "--name", id, "busybox")
	defer s.Do("rm", "-f", id)
	for _, who := range []string{
		"bits32", "nochange", "bits64", "negative", "text", "short", "group32", "member", "user:bits32", "user:outside",
		"4294967295", "4294967296", "-1", "1000:4294967295", "1000:4294967296",
	} {
		for _, verb := range [][]string{{"run", "--rm", "--name", name("i"), "-u=" + who, "busybox"}, {"exec", "-u=" + who, id}} {
			r := s.Minirun(append(verb, "id")...)
			if r.Status == 0 || !strings.Contains(r.Stderr, "ID") && !strings.Contains(r.Stderr, "fields") {
				t.Errorf("%s as %s: status %d: %s%s", verb[0], who, r.Status, r.Stdout, r.Stderr)
			}
		}
	}
	if got := s.Do("exec", "-u", "largest", id, "id", "-u"); got != "4294967294" {
		t.Errorf("the largest ID: %s", got)
	}
}

// A label of the image must not control the runtime, neither in a container nor in a bundle for
// another runtime.
func TestLabelsAreNotOrdersToTheRuntime(t *testing.T) {
	config := runs("sleep", "1000")
	config.Labels = map[string]string{"org.opencontainers.image.title": "title"}
	orders := []string{
		"krun.cpus", "module.wasm.image/variant", "org.opencontainers.runc.version", "run.oci.handler", "org.systemd.property.ExecStart", "org.criu.config",
		"dev.minirun.upper", "dev.minirun.die-with-parent", "io.katacontainers.hypervisor", "bundle",
	}
	for _, o := range orders {
		config.Labels[o] = "image"
	}
	s := loaded(t, config)
	id, dir := name("labels"), filepath.Join(s.Host, "bundle")
	s.Do("run", "-d", "--name", id, "-l", "krun.cpus=user", "busybox")
	defer s.Do("rm", "-f", id)
	s.Do("bundle", "busybox", dir)
	text, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{"run": s.Do("state", id), "bundle": string(text)} {
		var c struct{ Annotations map[string]string }
		if err := json.Unmarshal([]byte(text), &c); err != nil {
			t.Fatal(err)
		}
		for _, o := range orders {
			if c.Annotations[o] == "image" {
				t.Errorf("%s: the label %s is an annotation", what, o)
			}
		}
		if c.Annotations["org.opencontainers.image.title"] != "title" || (c.Annotations["krun.cpus"] == "user") != (what == "run") {
			t.Errorf("%s: %v", what, c.Annotations)
		}
	}
}

// An image's HEALTHCHECK cannot make the host start processes without a pause.
func TestHealthcheckWithoutPauseIsRefused(t *testing.T) {
	for what, h := range map[string]docker.HealthcheckConfig{
		"interval": {Interval: 1}, "timeout": {Timeout: time.Millisecond - 1}, "start period": {StartPeriod: -1}, "start interval": {StartInterval: 1}, "retries": {Retries: -1},
	} {
		config := runs("true")
		h.Test = []string{"CMD", "true"}
		config.Healthcheck = &h
		s := loaded(t, config)
		s.Minirun("run", "--rm", "--name", name("h"), "busybox").Fails(t, "HEALTHCHECK", what, "hint:")
		s.Do("run", "--rm", "--no-healthcheck", "--name", name("h"), "busybox")
	}
	s := loaded(t, runs("true"))
	for _, flag := range []string{"--health-interval=1ns", "--health-interval=-1s", "--health-timeout=999us", "--health-start-period=-1h", "--health-retries=-1"} {
		s.Minirun("run", "--rm", "--name", name("h"), "--health-cmd", "true", flag, "busybox").Fails(t, "--health-", "must be")
	}
	s.Do("run", "--rm", "--name", name("h"), "--health-cmd", "true", "--health-interval=1ms", "busybox")
	if got := s.Do("ps", "-a", "-q"); got != "" {
		t.Errorf("left: %s", got)
	}
}

// A health check runs in all cgroups of its container, so the container's limit of processes also
// applies to a check that forks endlessly.
func TestHealthcheckIsInTheContainersCgroups(t *testing.T) {
	const limit = 12
	s := loaded(t, runs("sh", "-c", "cat /proc/self/cgroup >/own; exec sleep 1000"))
	id := name("cgroup")
	check := "cat /proc/self/cgroup >/probe.new; mv /probe.new /probe; while :; do sleep 100 & done 2>/dev/null"
	s.Do("run", "-d", "--name", id, "--pids-limit", strconv.Itoa(limit), "--health-cmd", check, "--health-interval", "100ms", "--health-timeout", "1s", "busybox")
	defer s.Do("rm", "-f", id)
	file := func(name string) string {
		text, _ := os.ReadFile(filepath.Join(s.StoreDir, "containers", id, "upper", name))
		return string(text)
	}
	testbundle.Await(t, "the check", func() bool { return file("probe") != "" })
	if own, probe := file("own"), file("probe"); own != probe || !strings.Contains(own, id) && own != "0::/\n" {
		t.Errorf("the check is in the cgroups\n%s\nthe program in\n%s", probe, own)
	}
	var most uint64
	for begin := time.Now(); time.Since(begin) < 2*time.Second; time.Sleep(20 * time.Millisecond) {
		var got struct {
			Data struct{ Pids struct{ Current uint64 } }
		}
		s.JSON(&got, "events", "--stats", id)
		most = max(most, got.Data.Pids.Current)
		processes := 0
		list, _ := filepath.Glob("/proc/[0-9]*/cgroup")
		for _, path := range list {
			if text, _ := os.ReadFile(path); strings.Contains(string(text), "/"+id) {
				processes++
			}
		}
		if processes > limit {
			t.Fatalf("%d processes, the limit is %d", processes, limit)
		}
	}
	if most < limit/2 {
		t.Errorf("only %d processes: the check has not forked", most)
	}
}

// TestUnreadableConfigurationIsNotStored: an image whose configuration cannot be parsed, which umoci,
// skopeo and podman reject too, gets no name in the store; otherwise the store could not be listed
// any more.
func TestUnreadableConfigurationIsNotStored(t *testing.T) {
	for _, created := range []string{`""`, `"2020-01-01"`, `5`} {
		l := newLayout(t)
		d := l.image(runs("sh"), layer{entries: []tar.Header{file("f", "f")}})
		var m oci.Manifest
		readBlob(t, l, d, &m)
		m.Config = l.blob(oci.MediaTypeImageConfig, []byte(`{"created":`+created+`,"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]}}`))
		bad := l.document(oci.MediaTypeImageManifest, m)
		l.name("bad", bad)
		l.name("index", l.document(oci.MediaTypeImageIndex, oci.Index{Manifests: []oci.Descriptor{bad}}))
		s, r := newStore(t), newRegistry(t, l)
		for _, args := range [][]string{{"pull", "--no-unpack", r.host() + "/x:bad"}, {"pull", "--all-platforms", "--no-unpack", r.host() + "/x:index"}, {"load", l.dir}} {
			s.Minirun(args...).Fails(t, "configuration "+m.Config.Digest.String())
		}
		if got := s.images(); len(got) > 0 {
			t.Errorf("created %s: the store has %v", created, got)
		}
		s.Do("prune")
		s.Check()
	}
}
