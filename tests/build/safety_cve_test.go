package build

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestCVE202423651 (BuildKit): two steps share a cache at the same time, and one of them renames
// directories in it while the other mounts there.
func TestCVE202423651(t *testing.T) {
	o := newOutside(t, newStore(t))
	mounts := mountsOf()
	var steps strings.Builder
	for i := range 12 {
		fmt.Fprintf(&steps, "RUN --mount=type=cache,id=shared,target=/c --mount=type=bind,from=tree,target=/c/sub/m,rw --mount=type=tmpfs,target=/c/sub/n true; echo %d; echo x > /c/sub/m/new 2>/dev/null; cat /c/sub/secret /c/sub/m/secret 2>/dev/null; true\n", i)
	}
	dockerfile := `FROM base AS tree
RUN mkdir /t && ln -s OUT /t/l
FROM base AS swap
RUN --mount=type=cache,id=shared,target=/c rm -f /c/stop; mkdir -p /c/real/m /c/real/n; ln -sfn OUT /c/link; ln -sfn / /c/up; ln -sfn ` + strings.Repeat("../", 20) + `OUT /c/rel; i=0; while [ $i -lt 4000 ] && [ ! -e /c/stop ]; do for l in link rel real up; do ln -sfn $l /c/sub.$$ 2>/dev/null; mv -T /c/sub.$$ /c/sub 2>/dev/null || { rm -rf /c/sub; mv /c/sub.$$ /c/sub; }; done; i=$((i+1)); done; echo swapped $i
FROM base AS mounts
` + steps.String() + `RUN --mount=type=cache,id=shared,target=/c touch /c/stop
FROM base
COPY --from=swap /etc/passwd /a
COPY --from=mounts /etc/passwd /b
`
	races := 0
	for range 4 {
		dir := contextDir(t, map[string]string{"Dockerfile": o.path(dockerfile)}, "")
		b, out := o.builds(dir, "--no-cache")
		if o.leaked(b, out) {
			t.Errorf("the outside was read: %s", b.said)
		}
		races += len(b.ran)
		o.untouched()
	}
	if races == 0 {
		t.Error("no step ran")
	}
	if now := mountsOf(); !slices.Equal(now, mounts) {
		t.Errorf("mounts: %q, before %q", now, mounts)
	}
}

// TestCVE202423652 (BuildKit): mountpoints that were created for a step are removed after it, and the
// step has replaced them with symbolic links to the host.
func TestCVE202423652(t *testing.T) {
	o := newOutside(t, newStore(t))
	for name, c := range map[string]struct{ mounts, script string }{
		"a directory": {"--mount=type=tmpfs,target=/x/empty", "mv /x /y; ln -s OUT /x"},
		"a file":      {"--mount=type=secret,id=s,target=/x/nothing", "mv /x /y; ln -s OUT /x"},
		"deep":        {"--mount=type=cache,target=/a/x/empty", "mv /a /b; mkdir /a; ln -s OUT /a/x"},
		"the default": {"--mount=type=secret,id=s", "mv /run /run2; mkdir /run; ln -s OUT /run/secrets"},
		"/proc":       {"--mount=type=tmpfs,target=/proc/x", "true"},
		"hosts":       {"", "mv /etc /etc2; ln -s OUT /etc"},
	} {
		t.Run(name, func(t *testing.T) {
			b, out := o.build("FROM base\nRUN "+c.mounts+" "+c.script+" || true; echo ran\n", "true", "--secret", "id=s,src="+filepath.Join(o.dir, "nothing"))
			if name != "/proc" && (b.Status != 0 || !strings.Contains(b.said, "ran\n")) {
				t.Errorf("status %d: %s%s", b.Status, b.said, b.Stderr)
			}
			if o.leaked(b, out) {
				t.Error("the outside was read")
			}
		})
	}
}

// TestCVE202423653 (BuildKit): a build starts a container without a check of its entitlements. In
// minirun only RUN starts containers, and RUN is checked when the graph is built, before anything
// runs.
func TestCVE202423653(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM base\nRUN echo first\nRUN --security=insecure true\n"}, "")
	b := s.try(dir)
	if b.Status == 0 || len(b.ran) > 0 || strings.Contains(b.said, "first") {
		t.Errorf("status %d, %q ran: %s", b.Status, b.ran, b.Stderr)
	}
}

// TestCVE20249407 (Buildah): bind-propagation in a --mount reaches the host.
func TestCVE20249407(t *testing.T) {
	o := newOutside(t, newStore(t))
	for _, option := range []string{"bind-propagation=rshared", "bind-propagation=shared,rw", "relabel=shared", "Z", "bind-nonrecursive"} {
		if b, _ := o.build("FROM base\nRUN --mount=type=bind,target=/m,"+option+" true\n", "true"); b.Status == 0 {
			t.Errorf("%s is taken", option)
		}
	}
	// Mounts made in a step are not visible outside it.
	mounts := mountsOf()
	b, _ := o.build("FROM base\nRUN --security=insecure --mount=type=bind,target=/m,rw --mount=type=cache,target=/c mount -t tmpfs none /m && mount -t tmpfs none /c && mount -t tmpfs none /tmp && echo mounted\n", "true", "--allow", "security.insecure")
	if now := mountsOf(); b.said != "mounted\n" || !slices.Equal(now, mounts) {
		t.Errorf("%s%s: mounts: %q, before %q", b.said, b.Stderr, now, mounts)
	}
}

// TestCVE20249675 (Buildah): the id of a cache leads out of the directory of caches.
func TestCVE20249675(t *testing.T) {
	o := newOutside(t, newStore(t))
	caches := filepath.Join(o.store.StoreDir, "build", "cache-mounts")
	ids := []string{"../../../../outside", "..", ".", "/", "OUT", "a/../../b", "../lock", "%2e%2e", strings.Repeat("n", 5000)}
	for _, id := range ids {
		b, out := o.build("FROM base\nRUN --mount=type=cache,target=/m,id="+id+" ls -a /m | wc -l; cat /m/secret; echo x > /m/new; echo > /m/../../new\n", "true")
		if b.Status != 0 || !strings.HasPrefix(b.said, "2\n") || o.leaked(b, out) {
			t.Errorf("%.50s: status %d: %s%s", id, b.Status, b.said, b.Stderr)
		}
	}
	entries, err := os.ReadDir(caches)
	if err != nil || len(entries) != len(ids) {
		t.Errorf("%d caches for %d ids, %v", len(entries), len(ids), err)
	}
	for _, e := range entries {
		if len(e.Name()) != 64 || strings.Trim(e.Name(), "0123456789abcdef") != "" {
			t.Errorf("the cache %q", e.Name())
		}
	}
	// The source of a cache that is initialized with a stage's files leads into the stage.
	b, out := o.build("FROM base AS s\nRUN ln -s OUT /l\nFROM base\nRUN --mount=type=cache,from=s,source=l,target=/m,id=x cat /m/secret\n", "true")
	if b.Status == 0 || o.leaked(b, out) {
		t.Errorf("status %d: %s", b.Status, b.said)
	}
}

// TestCVE202411218 (Buildah, Podman): stages that are built at the same time share a mounted file
// system, and one of them replaces what the other mounts. In minirun a stage that is mounted is
// complete, and what is written to it is discarded.
func TestCVE202411218(t *testing.T) {
	o := newOutside(t, newStore(t))
	b, out := o.build(`FROM base AS source
RUN mkdir -p /d/sub && echo inside > /d/sub/secret
FROM base AS swap
RUN --mount=from=source,target=/m,rw i=0; while [ $i -lt 500 ]; do rm -rf /m/d; ln -s OUT /m/d; rm /m/d; mkdir -p /m/d/sub; ln -s OUT /m/d/sub/link; i=$((i+1)); done; rm -rf /m/d; ln -s OUT /m/d
FROM base AS reads
RUN --mount=from=source,source=/d/sub,target=/m,rw cat /m/secret; echo x > /m/secret; rm -rf /m/*
RUN --mount=from=source,source=/d,target=/m,rw cat /m/sub/secret
RUN --mount=from=source,source=/d/sub/secret,target=/m cat /m
FROM base
COPY --from=swap /etc/passwd /a
COPY --from=reads /etc/passwd /b
COPY --from=source /d /d
`, "true")
	if b.Status != 0 || strings.Count(b.said, "inside\n") != 3 || o.leaked(b, out) {
		t.Errorf("status %d: %s%s", b.Status, b.said, b.Stderr)
	}
	if text, err := os.ReadFile(filepath.Join(out, "d/sub/secret")); err != nil || string(text) != "inside\n" {
		t.Errorf("%q, %v", text, err)
	}
}

// TestCVE20241753 (Buildah, Podman): the source of a mount, in the context or a stage, is a symbolic
// link to the host's root.
func TestCVE20241753(t *testing.T) {
	o := newOutside(t, newStore(t))
	for name, c := range map[string]struct{ before, mount, script string }{
		"the context": {"", "source=root", "ln -s / root"},
		"deep":        {"", "source=d/root/OUT", "mkdir d; ln -s / d/root"},
		"up":          {"", "source=root", "ln -s " + strings.Repeat("../", 20) + " root"},
		"a stage":     {"FROM base AS s\nRUN ln -s / /root2; ln -s ../../../.. /up\n", "from=s,source=root2", "true"},
		"a stage, up": {"FROM base AS s\nRUN ln -s / /root2; ln -s ../../../.. /up\n", "from=s,source=up", "true"},
		"all":         {"", "source=/", "ln -s / root"},
	} {
		t.Run(name, func(t *testing.T) {
			b, out := o.build(c.before+"FROM base\nRUN --mount=type=bind,target=/m,rw,"+c.mount+" cat /m/OUT/secret /m/root/OUT/secret 2>/dev/null; echo x > /m/OUT/new; echo x > /m/root/OUT/new; ls /m\n", c.script)
			if o.leaked(b, out) || strings.Contains(b.said, "boot") {
				t.Errorf("the host was read: %s", b.said)
			}
		})
	}
}
