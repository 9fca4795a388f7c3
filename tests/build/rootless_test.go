package build

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestRootless: a user without privilege builds, with the owners that the
// Dockerfile says, and has the cache.
func TestRootless(t *testing.T) {
	u := testbundle.NewUnprivileged(t)
	testbundle.CopyFile(t, baseArchive(t), filepath.Join(u.Home, "base.tar"), 0o644)
	const text = `FROM base AS builder
RUN --mount=type=cache,target=/cache --mount=type=secret,id=s echo made > /x && chown 33:34 /x && cat /run/secrets/s | wc -c >> /x
FROM base
COPY --from=builder /x /
COPY --chown=app --chmod=600 context /etc/context
RUN rm -r /home && mkdir /home
WORKDIR /w
USER app
CMD stat -c "%n %u:%g %a" /x /etc/context /w && cat /x && id -u && ls /home
`
	context := filepath.Join(u.Home, "context")
	if err := os.Mkdir(context, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"Dockerfile": text, "context": "c", "secret": "hunter2"} {
		if err := os.WriteFile(filepath.Join(context, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	u.Do(t, "minirun import base.tar base")
	const build = "minirun build --progress plain --secret id=s,src=context/secret -t app context 2>&1"
	u.Do(t, build)
	if got := u.Do(t, build); strings.Contains(got, "DONE") && strings.Count(got, "CACHED") != 7 {
		t.Errorf("the second time not all is cached: %s", got)
	}
	want := "/x 33:34 644\n/etc/context 1000:1000 600\n/w 0:0 755\nmade\n7\n1000"
	if got := u.Do(t, "minirun run --rm app"); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	u.Do(t, "minirun store check")
	u.Do(t, "minirun prune --all --build")
	for _, dir := range []string{"layers", "build/cache", "tmp", "build/run"} {
		if files, err := os.ReadDir(filepath.Join(u.Home, "data/minirun", dir)); err != nil || len(files) != 0 {
			t.Errorf("%s: %d are left, %v", dir, len(files), err)
		}
	}
}
