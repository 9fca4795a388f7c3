package build

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestUnprivilegedUserBuilds: an unprivileged user can build, the files have the owners that the
// Dockerfile specifies, and the cache works.
func TestUnprivilegedUserBuilds(t *testing.T) {
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
	u.Do(t, "minirun prune --all --build --force")
	for _, dir := range []string{"layers", "build/cache", "tmp", "build/run"} {
		if files, err := os.ReadDir(filepath.Join(u.Home, "data/minirun", dir)); err != nil || len(files) != 0 {
			t.Errorf("%s: %d are left, %v", dir, len(files), err)
		}
	}
}

// TestUserWithOneIDBuilds: a user who has only one ID can build and run whatever needs no other ID:
// without a line in /etc/subuid, without newuidmap, and as root of a user namespace created by
// unshare(1). Anything that needs another ID fails with a message that names /etc/subuid.
func TestUserWithOneIDBuilds(t *testing.T) {
	for name, c := range map[string]struct {
		user func(testing.TB) *testbundle.Unprivileged
		with string // a command that runs minirun
	}{
		"no line in subuid": {testbundle.NewSingleID, ""},
		"no newuidmap":      {testbundle.NewUnprivileged, "env PATH=$HOME "},
		"user namespace":    {testbundle.NewSingleID, "unshare -Urm "},
	} {
		t.Run(name, func(t *testing.T) {
			u := c.user(t)
			minirun := c.with + "minirun "
			testbundle.CopyFile(t, baseArchive(t), filepath.Join(u.Home, "base.tar"), 0o644)
			u.Do(t, "mkdir root && tar -xf base.tar -C root --no-same-owner && tar --owner=0 --group=0 -cf own.tar -C root . && mkdir -m 777 context && echo f > context/f")
			u.Do(t, minirun+"import own.tar base")
			says := func(command string, want ...string) {
				t.Helper()
				got := u.Do(t, minirun+command+" 2>&1 && echo it succeeded || true")
				for _, w := range append(want, "hint: ", "/etc/subuid") {
					if !strings.Contains(got, w) {
						t.Errorf("%s: %s, want %q", command, got, w)
					}
				}
				if strings.Contains(got, "it succeeded") {
					t.Errorf("%s: %s", command, got)
				}
			}
			build := func(dockerfile string) {
				t.Helper()
				if err := os.WriteFile(filepath.Join(u.Home, "context", "Dockerfile"), []byte(dockerfile), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			build(`FROM base
RUN echo bin:x:1:root >> /etc/group
RUN --mount=type=cache,target=/c --mount=type=secret,id=s --mount=type=tmpfs,target=/t --mount=type=bind,target=/b \
    id -u > /id && id -g >> /id && cat /b/f /run/secrets/s >> /id && touch /c/x /t/x && ls /dev/pts >> /id
COPY f /srv/f
WORKDIR /w
CMD cat /id /srv/f && pwd && ls /dev/pts
`)
			u.Do(t, minirun+"build --secret id=s,src=context/f -t app context 2>&1")
			want := "0\n0\nf\nf\nptmx\nf\n/w\nptmx"
			if got := u.Do(t, minirun+"run --rm app"); got != want {
				t.Errorf("run: %q, want %q", got, want)
			}
			u.Do(t, minirun+"bundle app bundle")
			if got := u.Do(t, minirun+"run -b bundle single"); got != want {
				t.Errorf("run of the bundle: %q, want %q", got, want)
			}
			u.Do(t, minirun+"unpack app unpacked")
			says("import base.tar owned", `entry "./home/app/"`, "chown to 1000:1000", "does not map uid 1000 and gid 1000")
			says("run --rm -u app app", "does not map uid 1000")
			for dockerfile, want := range map[string]string{
				"COPY --chown=33 f /srv/app/": "/srv/app", "COPY --chown=0:33 f /f": "to /f: chown to 0:33: invalid argument: the user namespace does not map gid 33: ",
				"USER app\nRUN id": "user 1000: ", "RUN --mount=type=cache,target=/c,uid=33 id": "target=/c: ",
			} {
				build("FROM base\n" + dockerfile + "\n")
				says("build --progress plain context", want, "does not map ")
			}
		})
	}
}
