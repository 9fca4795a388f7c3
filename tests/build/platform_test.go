package build

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// here is this machine's platform, and there is a different one.
var here, there = "linux/" + runtime.GOARCH, map[bool]string{true: "linux/arm64", false: "linux/amd64"}[runtime.GOARCH == "amd64"]

// twoPlatforms creates an image for both platforms, with an index: its file /arch names the platform;
// the one for this machine has a shell.
func (s *store) twoPlatforms(name string) {
	s.T.Helper()
	dir := contextDir(s.T, map[string]string{"Dockerfile": "FROM scratch\nARG TARGETARCH\nADD base.tar /\nCOPY $TARGETARCH /arch\n", "amd64": "amd64\n", "arm64": "arm64\n"}, "cp "+baseArchive(s.T)+" base.tar")
	s.build("--platform", here+","+there, "-t", name, dir)
}

// platforms builds for both platforms and returns the result.
func (s *store) platforms(dir string, args ...string) (*result, string) {
	s.T.Helper()
	file := filepath.Join(s.T.TempDir(), "out.tar")
	said := s.build(append(args, "--platform", here+","+there, "-o", "type=oci,dest="+file, dir)...)
	return openResult(s.T, file), said
}

// file returns the contents of a file in a layer, or "" if the layer does not have it.
func (r *result) file(platform, name string) string {
	r.t.Helper()
	for _, l := range r.manifest(platform).Layers {
		cmd := exec.Command("tar", "-xO", name)
		cmd.Stdin = strings.NewReader(string(r.plain(l)))
		if out, err := cmd.Output(); err == nil {
			return string(out)
		}
	}
	return ""
}

// TestEachPlatformHasItsOwnBase: every platform has a separate base and separate arguments; steps that
// do not depend on the result's platform are built for this machine.
func TestEachPlatformHasItsOwnBase(t *testing.T) {
	s := newStore(t)
	s.twoPlatforms("both")
	dir := contextDir(t, map[string]string{"Dockerfile": `FROM --platform=$BUILDPLATFORM both AS cross
ARG TARGETPLATFORM TARGETOS TARGETARCH TARGETVARIANT BUILDPLATFORM BUILDARCH
RUN echo "$BUILDPLATFORM $BUILDARCH to $TARGETPLATFORM $TARGETOS $TARGETARCH $TARGETVARIANT" > /made; cat /arch >> /made
FROM both
ARG TARGETARCH
LABEL for=$TARGETARCH
COPY --from=cross /made /made
COPY --from=both /arch /copied
`}, "")
	r, said := s.platforms(dir)
	for _, p := range []string{here, there} {
		arch := strings.TrimPrefix(p, "linux/")
		if got, want := r.file(p, "made"), fmt.Sprintf("%s %s to %s linux %s \n%s\n", here, runtime.GOARCH, p, arch, runtime.GOARCH); got != want {
			t.Errorf("%s: made %q, want %q", p, got, want)
		}
		if base, copied := r.file(p, "arch"), r.file(p, "copied"); base != arch+"\n" || copied != arch+"\n" {
			t.Errorf("%s: the base is for %q, --from for %q", p, base, copied)
		}
		if c := r.config(r.manifest(p)); c.Architecture != arch || c.OS != "linux" || c.Config.Labels["for"] != arch {
			t.Errorf("%s: the configuration is for %s/%s, %v", p, c.OS, c.Architecture, c.Config.Labels)
		}
	}
	other := strings.TrimPrefix(there, "linux/")
	for _, name := range []string{"[" + here + "->" + other + " cross 2/2] RUN", "[" + here + " cross 2/2] RUN", "[" + there + " stage-1 2/3] COPY", "[" + here + " stage-1 3/3] COPY"} {
		if !strings.Contains(said, name) {
			t.Errorf("no step is called %s…:\n%s", name, said)
		}
	}
	s.build("--platform", here+","+there, "-t", "result", dir)
	if got := s.Do("run", "--rm", "result", "cat", "/copied"); got != runtime.GOARCH {
		t.Errorf("run has taken the image for %s", got)
	}
}

// TestMissingPlatformErrorNamesAvailableOnes: the error names the available platforms, and is reported
// before anything is built.
func TestMissingPlatformErrorNamesAvailableOnes(t *testing.T) {
	s := newStore(t)
	s.twoPlatforms("both")
	t.Setenv("XDG_CONFIG_HOME", unreachable(t))
	for name, has := range map[string]string{"both": here + ", " + there, "base": here} {
		dir := contextDir(t, map[string]string{"Dockerfile": "FROM --platform=$BUILDPLATFORM base AS a\nRUN true\nFROM " + name + "\nCOPY --from=a /bin/sh /sh\n"}, "")
		r := s.Minirun("build", "--progress", "plain", "--platform", here+",linux/s390x", dir)
		r.Fails(t, name+" is in the store for "+has+", not for linux/s390x")
		if strings.Contains(r.Stderr, "RUN true\n#") {
			t.Errorf("%s: something was built: %s", name, r.Stderr)
		}
	}
}

// unreachable returns a configuration in which docker.io is a port of this machine on which nothing
// listens.
func unreachable(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "minirun"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "minirun", "registries.json"), []byte(`{"mirrors": {"docker.io": ["http://127.0.0.1:1"]}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestSharedStageRunsOnce: a stage that two platforms share runs once, with --no-cache too; a stage that
// depends on the platform runs for each.
func TestSharedStageRunsOnce(t *testing.T) {
	s := newStore(t)
	s.twoPlatforms("both")
	dir := contextDir(t, map[string]string{"Dockerfile": `FROM --platform=$BUILDPLATFORM base AS shared
RUN --mount=type=cache,target=/count echo shared >> /count/runs; sleep 0.3; head -c 16 /dev/urandom > /random
FROM --platform=$BUILDPLATFORM base AS own
ARG TARGETARCH
RUN --mount=type=cache,target=/count echo own $TARGETARCH >> /count/runs
FROM scratch
COPY --from=shared /random /random
COPY --from=own /bin/busybox /own
`}, "")
	count := contextDir(t, map[string]string{"Dockerfile": "FROM base\nARG N\nRUN --mount=type=cache,target=/count cp /count/runs /runs\n"}, "")
	runs := func(n int) string {
		out := filepath.Join(t.TempDir(), "out")
		s.build("--build-arg", fmt.Sprint("N=", n), "-o", out, "--no-cache", count)
		text, err := os.ReadFile(filepath.Join(out, "runs"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for n, args := range [][]string{nil, {"--no-cache"}} {
		r, _ := s.platforms(dir, args...)
		got := runs(n)
		if shared, own := strings.Count(got, "shared"), strings.Count(got, "own "); shared != n+1 || own != 2*(n+1) {
			t.Errorf("%v: after %d builds the shared stage has run %d times, the other one %d", args, n+1, shared, own)
		}
		if a, b := r.file(here, "random"), r.file(there, "random"); a == "" || a != b {
			t.Errorf("%v: the platforms have not got the same file of the stage that they share", args)
		}
	}
}

// TestPlatformsAreBuiltConcurrently: the RUN of one platform continues only after that of the other has
// started.
func TestPlatformsAreBuiltConcurrently(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": `FROM --platform=$BUILDPLATFORM base AS meet
ARG TARGETARCH
RUN --mount=type=cache,target=/m touch /m/$TARGETARCH; for i in $(seq 600); do [ -e /m/amd64 ] && [ -e /m/arm64 ] && exit; sleep 0.05; done; echo alone; exit 1
FROM scratch
COPY --from=meet /bin/busybox /
`}, "")
	s.platforms(dir)
}

// TestNativePlatformIsPreferred: a processor that runs more than one architecture prefers its native
// one, whatever the order in the index.
func TestNativePlatformIsPreferred(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("this machine runs one architecture")
	}
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /arch\n", "amd64": "amd64", "386": "386"}, "")
	for i, order := range []string{"linux/amd64,linux/386", "linux/386,linux/amd64"} {
		s.build("--platform", order, "-t", "like", dir)
		to := filepath.Join(t.TempDir(), "to")
		s.Do("unpack", "like", to)
		if text, err := os.ReadFile(filepath.Join(to, "arch")); string(text) != "amd64" {
			t.Errorf("of %s: %s, %v", order, text, err)
		}
		on := contextDir(t, map[string]string{"Dockerfile": "FROM like\n"}, "")
		s.build("--platform", "linux/386", "-o", fmt.Sprint(to, i), on)
		if text, err := os.ReadFile(filepath.Join(fmt.Sprint(to, i), "arch")); string(text) != "386" {
			t.Errorf("a base of %s for 386: %s, %v", order, text, err)
		}
	}
}

// TestFailureOfOnePlatformStopsTheOther: a step that fails for one platform stops the other one, and
// the error is that of the step.
func TestFailureOfOnePlatformStopsTheOther(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM --platform=$BUILDPLATFORM base\nARG TARGETARCH\nRUN if [ $TARGETARCH = arm64 ]; then exit 7; fi; sleep 30\n"}, "")
	r := s.Minirun("build", "--progress", "plain", "--platform", "linux/amd64,linux/arm64", "-t", "failed", dir)
	r.Fails(t, "exit code: 7", ">>> RUN if")
	if out := s.Do("images", "-q", "failed"); out != "" {
		t.Errorf("there is an image %s", out)
	}
	s.Check()
}

// TestBaseIsPulledForEachPlatform: base images are pulled from an index in a registry, one platform at
// a time, and the image that had the name before is kept.
func TestBaseIsPulledForEachPlatform(t *testing.T) {
	host := testbundle.Registry(t)
	from := newStore(t)
	name := host + "/both:1"
	from.twoPlatforms(name)
	from.Do("push", "-q", name)
	s := newStore(t)
	s.Do("pull", "-q", name) // as users do: for this machine only
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM " + name + "\nCOPY Dockerfile /\n"}, "")
	for range 2 { // the second time the registry gets no request
		s.build("--platform", there, "-t", "other", dir)
		r, _ := s.platforms(dir)
		for _, p := range []string{here, there} {
			if got := r.file(p, "arch"); "linux/"+strings.TrimSpace(got) != p {
				t.Errorf("%s: the base is for %s", p, got)
			}
		}
		if got := s.Do("run", "--rm", name, "cat", "/arch"); got != runtime.GOARCH {
			t.Errorf("run takes the image for %s", got)
		}
	}
	s.Check()
	only := newStore(t)
	only.build("--platform", there, "-t", "other", dir)
	only.Minirun("push", name, host+"/elsewhere:1").Fails(t, "the image for "+here+" in its index was not pulled", "pull --all-platforms")
	if got := only.Do("run", "--rm", name, "cat", "/arch"); got != runtime.GOARCH { // pulled now
		t.Errorf("run takes the image for %s", got)
	}
	missing := s.Minirun("build", "--platform", "linux/riscv64", dir)
	missing.Fails(t, name+" is in the store for ", here, there, "not for linux/riscv64")
	missing = newStore(t).Minirun("build", "--platform", "linux/riscv64", dir)
	missing.Fails(t, "no image for linux/riscv64 (available: ", here, there)
}

// TestPlatformOfBaseAlone: an image that its registry has for a single platform is also used as the
// base for other platforms, with a warning, as in BuildKit.
func TestPlatformOfBaseAlone(t *testing.T) {
	host := testbundle.Registry(t)
	name := host + "/alone:1"
	from := newStore(t)
	from.Do("tag", "base", name)
	from.Do("push", "-q", name)
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM " + name + "\nCOPY Dockerfile /\nRUN true\n"}, "")
	r := s.Minirun("build", "--progress", "plain", "--platform", there, "-t", "other", dir)
	want := "InvalidBaseImagePlatform: Base image " + name + " was pulled with platform \"" + here + "\", expected \"" + there + "\""
	if r.Status != 0 || !strings.Contains(r.Stderr, want) {
		t.Errorf("status %d: no %q in\n%s", r.Status, want, r.Stderr)
	}
}

// TestPlatformsDifferByOSVersion: platforms that differ only in the OS version are distinct, and the
// version of a base image is preserved.
func TestPlatformsDifferByOSVersion(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nARG TARGETPLATFORM\nCOPY <<E /is\n$TARGETPLATFORM\nE\n"}, "")
	out := t.TempDir()
	s.build("--platform", "windows(10.1)/amd64,windows(10.2)/amd64", "-o", out, dir)
	checkOnly(t, out, "windows(10.1)_amd64", "windows(10.2)_amd64")
	text, err := os.ReadFile(filepath.Join(out, "windows(10.2)_amd64", "is"))
	if err != nil || string(text) != "windows(10.2)/amd64\n" {
		t.Errorf("%v: %q", err, text)
	}
	s.build("--platform", "windows(10.1)/amd64", "-t", "below", dir)
	file := filepath.Join(out, "above.tar")
	s.build("--platform", "windows/amd64", "-o", "type=oci,dest="+file, contextDir(t, map[string]string{"Dockerfile": "FROM below\nENV A=b\n"}, ""))
	r := openResult(t, file)
	if got := r.config(r.manifest("")).OSVersion; got != "10.1" {
		t.Errorf("the version of the system is %q", got)
	}
}

// TestPlatformWithoutEmulation: the error names the machine that the program is for, and what to
// install.
func TestPlatformWithoutEmulation(t *testing.T) {
	if registered, err := filepath.Glob("/proc/sys/fs/binfmt_misc/qemu-*"); err != nil || len(registered) > 0 {
		t.Skip("this machine has emulators: ", registered)
	}
	s := newStore(t)
	dir := foreignContext(t)
	r := s.Minirun("build", "--progress", "plain", "--platform", there, dir)
	r.Fails(t, ">>> RUN hello", "exec format error", "no QEMU user emulation for "+there, "hint: on Debian", "apt-get install qemu-user-static binfmt-support")
}

// foreignContext returns a context with a shell for the other platform, which prints its arguments.
func foreignContext(t *testing.T) string {
	t.Helper()
	dir := contextDir(t, map[string]string{
		"Dockerfile": "FROM scratch AS base\nCOPY sh /bin/sh\nFROM base\nRUN hello from $0\nFROM base\nCOPY --from=1 /said /said\n",
		"sh.go":      "package main\n\nimport (\n\t\"os\"\n\t\"runtime\"\n)\n\nfunc main() {\n\tif err := os.WriteFile(\"/said\", []byte(runtime.GOARCH+\": \"+os.Args[2]+\"\\n\"), 0o644); err != nil {\n\t\tpanic(err)\n\t}\n}\n",
	}, "")
	cmd := exec.Command("go", "build", "-o", "sh", "sh.go")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+strings.TrimPrefix(there, "linux/"), "GOFLAGS=", "GO111MODULE=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("the go command makes no program for %s: %v: %s", there, err, out)
	}
	return dir
}

// emulators lists QEMU's programs, and how the kernel recognizes the binaries for them
// (Documentation/admin-guide/binfmt-misc.rst). With the flag F the kernel opens the program at
// registration, so it is available in every root file system.
var emulators = map[string]struct{ program, rule string }{
	"linux/arm64": {"/usr/bin/qemu-aarch64-static", `:qemu-aarch64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/usr/bin/qemu-aarch64-static:F`},
	"linux/amd64": {"/usr/bin/qemu-x86_64-static", `:qemu-x86_64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x3e\x00:\xff\xff\xff\xff\xff\xfe\xfe\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/usr/bin/qemu-x86_64-static:F`},
}

// TestRunWithEmulator: RUN executes a program for another machine, with QEMU. The kernel's table of
// emulators belongs to a user namespace (since Linux 6.7), so the test creates one and does not
// change the machine's own table.
func TestRunWithEmulator(t *testing.T) {
	e := emulators[there]
	if _, err := os.Stat(e.program); err != nil {
		t.Skip("needs qemu-user-static: ", err)
	}
	s := newStore(t)
	dir := foreignContext(t)
	out := filepath.Join(s.Host, "out")
	script := `mount -t binfmt_misc none /proc/sys/fs/binfmt_misc && printf '%s' "$0" > /proc/sys/fs/binfmt_misc/register || exit 77
exec "$@"`
	args := append([]string{"-c", script, e.rule, testbundle.Binary, "--root", s.Root}, s.Global...)
	args = append(args, "build", "--progress", "plain", "--platform", here+","+there, "--target", "1", "-o", out)
	cmd := exec.Command("sh", append(args, dir)...)
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1 << 16}}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS, UidMappings: ids, GidMappings: ids, GidMappingsEnableSetgroups: true}
	// Both platforms have the other one's shell, so the kernel consults the table for this one too.
	r := testbundle.Finish(t, cmd)
	if r.Status == 77 || strings.Contains(r.Stderr, "fork/exec") {
		t.Skip("no binfmt_misc in a user namespace: ", r.Stderr)
	}
	r.Exit(t, 0)
	arch := strings.TrimPrefix(there, "linux/")
	text, err := os.ReadFile(filepath.Join(out, "linux_"+arch, "said"))
	if string(text) != arch+": hello from $0\n" {
		t.Errorf("it said %q, %v: %s", text, err, r.Stderr)
	}
	if !regexp.MustCompile(`\[` + there + ` stage-1 2/2\] RUN hello`).MatchString(r.Stderr) {
		t.Errorf("no step of the other platform: %s", r.Stderr)
	}
	if registered, err := filepath.Glob("/proc/sys/fs/binfmt_misc/qemu-*"); err != nil || len(registered) > 0 {
		t.Errorf("the machine has now %q", registered)
	}
}
