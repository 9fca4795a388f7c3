package build

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// cdiSpec describes two devices, the second of which has a device node, and a directory and a file of
// the host.
func cdiSpec(t testing.TB, host string) string {
	t.Helper()
	dir := t.TempDir()
	text := fmt.Sprintf(`cdiVersion: "0.6.0"
kind: "vendor1.com/device"
containerEdits:
  env: ["COMMON=1"]
devices:
- name: foo
  containerEdits:
    env: ["FOO=injected"]
- name: node
  containerEdits:
    deviceNodes:
    - path: /dev/vendor1
      hostPath: /dev/zero
      permissions: rw
    mounts:
    - {hostPath: %q, containerPath: /mnt/dir, options: [ro, bind]}
    - {hostPath: %q, containerPath: /mnt/file, options: [ro, bind]}
`, host, filepath.Join(host, "file"))
	if err := os.WriteFile(filepath.Join(dir, "vendor1.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestRunDeviceGetsWhatCDIDescribes: RUN --device provides what the host's CDI specs describe, if
// --allow permits it. Its variables override those of the image, and nothing of it ends up in the
// layer.
func TestRunDeviceGetsWhatCDIDescribes(t *testing.T) {
	testbundleRoot(t)
	s := newStore(t)
	host := contextDir(t, map[string]string{"file": "of the host\n"}, "")
	specs := []string{"--cdi-spec-dir", cdiSpec(t, host)}
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM base\nARG FOO=arg\nENV COMMON=env\n" +
		"RUN --device=vendor1.com/device=foo echo have $FOO $COMMON\n" +
		"RUN --device=name=vendor1.com/device=node,required [ -c /dev/vendor1 ] && head -c 3 /dev/vendor1 | od -An -tx1 && cat /mnt/file /mnt/dir/file\n" +
		"RUN --device=vendor1.com/device=none echo none $FOO; ls /dev/vendor1 /mnt\n"}, "")
	allowed := append([]string{"--allow", "device"}, specs...)
	out := s.try(dir, allowed...)
	for _, want := range []string{"have injected 1\n", " 00 00 00\n", "of the host\nof the host\n", "none arg\n"} {
		if !strings.Contains(out.said, want) {
			t.Errorf("no %q in %s", want, out.Stderr)
		}
	}
	if out.Status == 0 || strings.Contains(out.said, "\n/dev/vendor1\n") {
		t.Errorf("the third RUN has the device: %s", out.said)
	}
	same := contextDir(t, map[string]string{"Dockerfile": "FROM base\nRUN --device=vendor1.com/device=foo echo have $FOO\n"}, "")
	s.builds(same, allowed...)
	if again := s.builds(same, allowed...); len(again.ran) > 0 {
		t.Errorf("again ran %q", again.ran)
	}
	if other := s.builds(same, "--cdi-spec-dir", t.TempDir()); other.said != "have\n" {
		t.Errorf("on a machine without the device: %q, cached %q", other.said, other.cached)
	}
}

// TestRunDeviceRejected: invalid or forbidden devices are rejected before anything runs.
func TestRunDeviceRejected(t *testing.T) {
	s := newStore(t)
	specs := []string{"--cdi-spec-dir", cdiSpec(t, t.TempDir())}
	for _, c := range []struct {
		run   string
		flags []string
		want  string
	}{
		{"--device=vendor1.com/device=foo", nil, "device vendor1.com/device=foo is requested by the build but not allowed\nhint: use --allow device=vendor1.com/device=foo"},
		{"--device=vendor1.com/device=foo", []string{"--allow", "device=vendor1.com/device=node"}, "not allowed"},
		{"--device=vendor1.com/device=*", []string{"--allow", "device=vendor1.com/device=foo"}, "device vendor1.com/device=node is requested"},
		{"--device=vendor1.com/none,required", []string{"--allow", "device"}, `required device "vendor1.com/none" is not registered: the devices are vendor1.com/device=foo`},
		{"--device=a,b=c", nil, "unexpected key 'b'"},
	} {
		dir := contextDir(t, map[string]string{"Dockerfile": "FROM base\nRUN echo first\nRUN " + c.run + " :\n"}, "")
		r := s.Minirun(append(append(append([]string{"build", "--progress", "plain"}, c.flags...), specs...), dir)...)
		r.Fails(t, c.want)
		if strings.Contains(r.Stderr, "first\n#") {
			t.Errorf("%s: something ran: %s", c.run, r.Stderr)
		}
	}
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM base\nRUN --device=vendor1.com/device=foo :\n"}, "")
	s.Do("build", "--check", dir)
}
