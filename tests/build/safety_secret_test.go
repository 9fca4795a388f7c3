package build

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minirun/minirun/tests/testbundle"
)

// waitFor waits until a condition is true.
func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited for %s", what)
		}
	}
}

// TestSecretIsVisibleOnlyToItsStep: a secret is visible only to the step that mounts it: it is not in
// the store, during the step or afterwards, nor in the output or the result.
func TestSecretIsVisibleOnlyToItsStep(t *testing.T) {
	s := newStore(t)
	secret, variable := "secret-"+rand.Text(), "variable-"+rand.Text()
	t.Setenv("MY_SECRET", variable)
	file := filepath.Join(s.Host, "file")
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := contextDir(t, map[string]string{"Dockerfile": `FROM base AS one
RUN --mount=type=secret,id=f --mount=type=secret,id=v,env=TOKEN --mount=type=secret,id=v,target=/etc/token --mount=type=secret,id=f,target=/deep/er/file,mode=0444 \
    --mount=type=cache,target=/meet,id=meet sha256sum /run/secrets/f /etc/token > /sums && [ "$TOKEN" = "$(cat /etc/token)" ] && cp /run/secrets/f /run/secrets/v /tmp 2>/dev/null; \
    rm -f /tmp/*; if [ -e /meet/wait ]; then touch /meet/there; until [ -e /meet/go ]; do sleep 0.01; done; fi
FROM base
COPY --from=one / /all
RUN --mount=type=secret,id=v,env=TOKEN true
`, "x": ""}, "")
	flags := []string{"--secret", "id=f,src=" + file, "--secret", "id=v,env=MY_SECRET", "-t", "image"}
	nowhere := func(when, where string) {
		t.Helper()
		for _, text := range []string{secret, variable} {
			if found := holding(t, where, text); len(found) > 0 {
				t.Errorf("%s, the secret is in %q", when, found)
			}
		}
	}
	silent := func(what string, r testbundle.Result) {
		t.Helper()
		for _, text := range []string{secret, variable} {
			if strings.Contains(r.Stdout+r.Stderr, text) {
				t.Errorf("%s says the secret: %s%s", what, r.Stdout, r.Stderr)
			}
		}
	}
	build := func(more ...string) testbundle.Result {
		t.Helper()
		return s.Minirun(append(append(append([]string{"build"}, flags...), more...), dir)...)
	}
	first := build("--progress", "rawjson")
	first.Exit(t, 0)
	silent("rawjson", first)
	nowhere("after a build", s.StoreDir)

	// While a step has the secrets.
	meet, err := filepath.Glob(filepath.Join(s.StoreDir, "build", "cache-mounts", "*", "fs"))
	if err != nil || len(meet) != 1 {
		t.Fatal(meet, err)
	}
	shell(t, meet[0], "touch wait")
	done := make(chan testbundle.Result)
	go func() { done <- build("--no-cache", "--progress", "plain", "--explain", "text") }()
	waitFor(t, "the step", func() bool { _, err := os.Stat(filepath.Join(meet[0], "there")); return err == nil })
	nowhere("during a step", s.StoreDir)
	nowhere("during a step", s.Root)
	shell(t, meet[0], "touch go")
	second := <-done
	second.Exit(t, 0)
	silent("plain and --explain", second)
	shell(t, meet[0], "rm -f wait go there")

	// In the results and in what the build reports.
	for _, what := range []string{"json", filepath.Join(s.Host, "e.svg"), filepath.Join(s.Host, "e.html")} {
		r := build("--explain", what, "--metadata-file", filepath.Join(s.Host, "metadata"), "--iidfile", filepath.Join(s.Host, "iid"))
		r.Exit(t, 0)
		silent("--explain "+what, r)
	}
	build("-o", "type=oci,compression=uncompressed,dest="+filepath.Join(s.Host, "image.tar")).Exit(t, 0)
	build("-o", filepath.Join(s.Host, "result")).Exit(t, 0)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	nowhere("afterwards", s.Host) // contains the store

	// Neither a step that fails nor one that cannot start prints them.
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"false", `["/not/there"]`, `--mount=type=bind,target=/m,source=not-there true`, "--mount=type=secret,id=not-given,required true"} {
		if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM base\nRUN --mount=type=secret,id=v,env=TOKEN --mount=type=secret,id=f "+command+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		r := build("--progress", "plain")
		r.Fails(t)
		silent(command, r)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	nowhere("after builds that failed", s.Host)

	// The check detects a value that is not secret: an argument.
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM base\nARG A\nRUN true\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	flags = append(flags[2:], "--build-arg", "A="+variable)
	build("--progress", "plain").Exit(t, 0)
	if found := holding(t, s.StoreDir, variable); len(found) < 2 {
		t.Errorf("an argument is only in %q: the check sees nothing", found)
	}
}

// TestSecretsAreNotKeys: neither the key nor the record of a cached step distinguishes one secret
// from another.
func TestSecretsAreNotKeys(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM base\nRUN --mount=type=secret,id=f cat /run/secrets/f > /dev/null\n", "one": "1", "two": "2"}, "")
	var records [2]map[string]bool
	for i, name := range []string{"one", "two"} {
		other := s.fork(name)
		other.builds(dir, "--secret", "id=f,src="+filepath.Join(dir, name))
		list, err := os.ReadDir(filepath.Join(other.StoreDir, "build", "cache"))
		if err != nil || len(list) == 0 {
			t.Fatal(list, err)
		}
		records[i] = map[string]bool{}
		for _, e := range list {
			records[i][e.Name()] = true
		}
	}
	for name := range records[0] {
		if !records[1][name] {
			t.Errorf("the key %s depends on the secret", name)
		}
	}
}
