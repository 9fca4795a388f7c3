package build

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOptionsRejected: unsupported flags are rejected by name before anything is built, and the
// message names the alternative.
func TestOptionsRejected(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY f /f\n", "f": "content\n"}, "")
	for _, c := range [][2]string{
		{"-D", "minirun --debug build"},
		{"--policy filename=x.rego", "does not evaluate policies"},
		{"--network bridge", "--network bridge: must be default, host or none"},
		{"--network container:x", "must be default, host or none"},
		{"--allow frob", "--allow frob: must be network.host, security.insecure or device"},
		{"--allow device=a,b=c", `unknown option "b=c"`},
		{"--allow buildx.local.delete", "mode=delete"},
		{"--no-cache --no-cache-filter x", "cannot be combined with --no-cache-filter"},
		{"--add-host a", `--add-host "a"`},
		{"--add-host a:1", "numeric address"},
		{"--add-host a:10.0.0.1,b", `--add-host "b"`},
		{"--label =x", `--label "=x"`},
		{"--secret type=socket,id=x", "type=socket is not file or env"},
		{"--progress loud", "must be auto, tty, plain, quiet, none or rawjson"},
		{"--builder other", "only builder"},
		{"--cache-to type=gha", `unknown type "gha"`},
		{"--cache-from type=s3,region=r,bucket=b", "type"},
		{"--invoke on-error", "invoke"},
		{"--pull=always", "pull"},
	} {
		r := s.Minirun(append(append([]string{"build"}, strings.Fields(c[0])...), dir)...)
		r.Fails(t, c[1])
		if strings.Contains(r.Stderr, "COPY") {
			t.Errorf("%s: something was built: %s", c[0], r.Stderr)
		}
	}
}

// TestOptionsWithoutEffect: flags that docker buildx accepts without effect are accepted, and a
// message names them.
func TestOptionsWithoutEffect(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY f /f\n", "f": "content\n", "Dockerfile.rego": "package docker\n"}, "")
	r := s.Minirun("build", "--compress", "--cpu-period", "1", "--cpu-quota", "1", "--cpu-shares", "1", "--cpuset-cpus", "0", "--cpuset-mems", "0", "--disable-content-trust",
		"--force-rm", "--isolation", "default", "-m", "1g", "--memory-swap", "1g", "--rm", "--security-opt", "seccomp=unconfined", "--squash", "--no-cache-filter", "some,stage-0", dir)
	r.Exit(t, 0)
	for _, want := range []string{
		"--compress has no effect", "--cpu-period has no effect", "use --resource cpu-quota=", "--cpu-shares has", "--cpuset-cpus has", "--cpuset-mems has", "--disable-content-trust has",
		"--force-rm has", "--isolation has", "--memory has no effect, as with docker buildx: use --resource memory=SIZE", "--memory-swap has", "--rm has",
		"--security-opt has no effect, as with docker buildx: use RUN --security=insecure", "--squash has", "--no-cache-filter some: no stage has this name", "Dockerfile.rego: minirun does not evaluate policies",
	} {
		if !strings.Contains(r.Stderr, want) {
			t.Errorf("no %q in\n%s", want, r.Stderr)
		}
	}
	if r := s.Minirun("build", "--policy", "disabled=true", "--cpu-shares=1", dir); r.Status != 0 || strings.Contains(r.Stderr, "policies") || strings.Contains(r.Stderr, "stage has") {
		t.Errorf("status %d: %s", r.Status, r.Stderr)
	}
}

// TestOptionsApplyToSteps: comma-separated lists, host names, and labels without values.
func TestOptionsApplyToSteps(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM base AS a\nRUN echo a > /a\nFROM base AS b\nRUN echo b > /b; cat /etc/hosts\nFROM base\nCOPY --from=a /a /\nCOPY --from=b /b /\n"}, "")
	hosts := []string{"--add-host", "one:10.0.0.1,two=[2001:db8::1]", "--add-host", "here:host-gateway"}
	out := s.builds(dir, append(hosts, "-t", "x", "--label", "alone", "--label", "k=v")...)
	for _, want := range []string{"10.0.0.1\tone\n", "2001:db8::1\ttwo\n", "127.0.0.1\there\n"} {
		if !strings.Contains(out.said, want) {
			t.Errorf("no %q in %s", want, out.said)
		}
	}
	archive := filepath.Join(t.TempDir(), "x.tar")
	s.Do("save", "-q", "-o", archive, "x")
	image := openResult(t, archive)
	if got := image.config(image.manifest("")).Config.Labels; len(got) != 2 || got["k"] != "v" {
		t.Errorf("labels: %q", got)
	}
	if again := s.builds(dir, append(hosts, "--no-cache-filter", "b,A")...); len(again.ran) != 2 {
		t.Errorf("with --no-cache-filter b,A ran %q", again.ran)
	}
	if again := s.builds(dir, append(hosts, "--no-cache-filter", "b")...); len(again.ran) != 1 {
		t.Errorf("with --no-cache-filter b ran %q", again.ran)
	}
	for mode, silent := range map[string]bool{"none": true, "quiet": false} {
		r := s.Minirun(append(append([]string{"build", "--progress", mode}, hosts...), dir)...)
		if r.Status != 0 || r.Stderr != "" || (r.Stdout == "") != silent {
			t.Errorf("--progress %s: status %d, printed %q and %q", mode, r.Status, r.Stdout, r.Stderr)
		}
	}
	id := filepath.Join(t.TempDir(), "id")
	s.build(append(hosts, "--iidfile", id, dir)...)
	if text, err := os.ReadFile(id); err != nil || !strings.HasPrefix(string(text), "sha256:") {
		t.Errorf("--iidfile: %q, %v", text, err)
	}
}
