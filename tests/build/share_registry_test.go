package build

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/minirun/minirun/internal/build/remotecache"
	"github.com/minirun/minirun/tests/testbundle"
)

// TestCacheInRegistry: a cache in a registry, where other tools copy it.
func TestCacheInRegistry(t *testing.T) {
	host := testbundle.Registry(t)
	first, second, third := freshStore(t), freshStore(t), freshStore(t)
	dir, name := twoStagesDir(t), host+"/team/app:cache"
	// The cache does not exist yet: the build prints a warning, as in the first run of every
	// pipeline.
	got := first.rebuild(dir, "--cache-from", name, "--cache-to", "type=registry,mode=max,compression=zstd,ref="+name)
	if !strings.Contains(got.warnings, "no such tag or repository") {
		t.Errorf("it warns of %q", got.warnings)
	}
	got = second.rebuild(dir, "--cache-from", name, "--cache-to", "type=registry,mode=max,ref="+host+"/team/second:cache")
	want(t, "made", got.made)
	if a, b := first.files("app/random"), second.files("app/random"); !slices.Equal(a, b) {
		t.Errorf("the files are %q there, %q here", b, a)
	}
	// A layer that was lost on the way does not prevent the others from being sent.
	lossy := filepath.Join(t.TempDir(), "lossy")
	first.rebuild(dir, "--cache-to", "type=local,mode=max,dest="+lossy)
	_, records := cacheOf(t, lossy, "latest")
	if err := os.Remove(blob(lossy, *records[slices.IndexFunc(records, func(r remotecache.Record) bool { return strings.HasPrefix(r.Text, "RUN cat /g") })].Layer)); err != nil {
		t.Fatal(err)
	}
	got = third.rebuild(dir, "--cache-from", "type=local,src="+lossy, "--cache-to", "type=registry,mode=max,ref="+host+"/team/lossy:cache")
	want(t, "made", got.made)
	if !strings.Contains(got.warnings, "is not exported") {
		t.Errorf("it warns of %q", got.warnings)
	}
	third.clear()
	want(t, "made", third.rebuild(dir, "--cache-from", host+"/team/lossy:cache").made, "[other 3/3]")
	third.clear()
	if _, err := exec.LookPath("skopeo"); err != nil {
		t.Skip("skopeo is not installed: apt install skopeo")
	}
	layout := filepath.Join(t.TempDir(), "layout")
	for _, args := range [][]string{
		{"copy", "-q", "--src-tls-verify=false", "docker://" + host + "/team/second:cache", "oci:" + layout + ":moved"},
		{"copy", "-q", "--dest-tls-verify=false", "oci:" + layout + ":moved", "docker://" + host + "/elsewhere/app:x"},
	} {
		if out, err := exec.Command("skopeo", args...).CombinedOutput(); err != nil {
			t.Fatalf("skopeo %q: %v: %s", args, err, out)
		}
	}
	want(t, "made", third.rebuild(dir, "--cache-from", "type=local,src="+layout).made)
	want(t, "made", freshStore(t).rebuild(dir, "--cache-from", "type=registry,ref="+host+"/elsewhere/app:x").made)
}

// TestCacheInImage: the records are stored in the image: through a registry, in an archive, in an
// index of several platforms.
func TestCacheInImage(t *testing.T) {
	host := testbundle.Registry(t)
	here, dir := freshStore(t), twoStagesDir(t)
	here.rebuild(dir, "-t", host+"/app:1", "--push", "--cache-to", "type=inline")
	here.Do("tag", host+"/app:1", "app")
	random := here.files("app/random")
	rest := []string{"[builder 2/3]", "[builder 3/3]", "[other 2/3]", "[other 3/3]"}

	pulls := freshStore(t)
	want(t, "made", pulls.rebuild(dir, "--cache-from", host+"/app:1").made, rest...)
	if got := pulls.files("app/random"); !slices.Equal(got, random) {
		t.Errorf("the files are %q, want %q", got, random)
	}

	layout := filepath.Join(t.TempDir(), "layout")
	here.Do("save", "-q", "-o", layout+".tar", "app")
	if err := os.Mkdir(layout, 0o755); err != nil {
		t.Fatal(err)
	}
	untar(t, layout+".tar", layout)
	want(t, "made", freshStore(t).rebuild(dir, "--cache-from", "type=local,src="+layout).made, rest...)

	loads := freshStore(t)
	loads.Do("load", "-q", layout+".tar")
	loads.Do("tag", "app", "nowhere.invalid/app:loaded")
	want(t, "made", loads.rebuild(dir, "--cache-from", "nowhere.invalid/app:loaded").made, rest...)

	without := freshStore(t)
	without.rebuild(dir, "-t", host+"/plain:1", "--push")
	if got := without.rebuild(dir, "--cache-from", host+"/plain:1"); !strings.Contains(got.warnings, "build it with --cache-to type=inline") {
		t.Errorf("it warns of %q", got.warnings)
	}

	several := contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY f /f\nWORKDIR /w\n", "f": "f"}, "")
	both := []string{"--platform", "linux/amd64,linux/arm64"}
	here.rebuild(several, append(both, "-t", host+"/both:1", "--push", "--cache-to", "type=inline")...)
	want(t, "made", freshStore(t).rebuild(several, append(both, "--cache-from", host+"/both:1")...).made)
}
