package build

import (
	"bytes"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestDifferential builds random Dockerfiles with minirun and BuildKit: either both fail, or files,
// configuration, layers and history are the same, except for the differences declared in
// differences-random.txt. A case that differs is minimised and printed in the format of the corpus.
// MINIRUN_SEED is the seed of the first case, MINIRUN_BUILDS the number of cases; README.md explains
// how to run BuildKit.
func TestDifferential(t *testing.T) {
	testbundleRoot(t)
	reference := startBuildkit(t)
	first, count := uint64(40001), uint64(60) // the same sample each time: `make fuzz-build` looks for new cases
	for name, value := range map[string]*uint64{"MINIRUN_SEED": &first, "MINIRUN_BUILDS": &count} {
		if text := os.Getenv(name); text != "" {
			var err error
			if *value, err = strconv.ParseUint(text, 10, 64); err != nil {
				t.Fatal(err)
			}
		}
	}
	both := &pair{store: newStore(t), reference: reference, known: declared(t, "differences-random.txt")}
	for from := first; from < first+count; from += 200 {
		t.Run(fmt.Sprint("from-", from), func(t *testing.T) {
			for seed := from; seed < min(from+200, first+count); seed++ {
				t.Run(fmt.Sprint("random-", seed), func(t *testing.T) {
					t.Parallel()
					both.try(t, seed)
				})
			}
		})
		reference.prune(t) // remove what the builders keep of each case
		both.store.Do("prune", "--build")
	}
	failed := uint64(both.failed.Load())
	t.Logf("%d cases from MINIRUN_SEED=%d on; %d failed with both", count, first, failed)
	if failed > count*3/10 && count > 20 {
		t.Error("many builds fail: this shows little")
	}
}

// alike returns a function that reports whether a line is of the same kind: a smaller case has
// different numbers.
func alike(a string) func(string) bool {
	digits := regexp.MustCompile(`\d+`)
	a = digits.ReplaceAllString(a, "")
	return func(b string) bool { return digits.ReplaceAllString(b, "") == a }
}

// startBuildkit returns the BuildKit that the environment names, or starts an installed one. It must
// be the version that golden/ was made with: another version would be a different reference.
func startBuildkit(t *testing.T) *buildkit {
	t.Helper()
	buildctl, address := os.Getenv("MINIRUN_BUILDCTL"), os.Getenv("MINIRUN_BUILDKITD")
	if buildctl != "" && address != "" {
		return newBuildkit(t, buildctl, address)
	}
	for _, program := range []string{"buildkitd", "buildctl", "runc"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("needs BuildKit v0.34.2, whose builds are the reference (README.md): ", err)
		}
	}
	if version := buildkitVersion(t); version != "v0.34.2" {
		t.Skip("needs BuildKit v0.34.2, whose builds are the reference (README.md): buildkitd is ", version)
	}
	dir := t.TempDir()
	address = "unix://" + dir + "/sock"
	daemon := exec.Command("buildkitd", "--root", dir+"/root", "--addr", address, "--containerd-worker=false", "--oci-worker=true", "--oci-worker-net=host",
		"--oci-worker-binary=runc", "--allow-insecure-entitlement", "network.host", "--allow-insecure-entitlement", "security.insecure")
	var said bytes.Buffer
	daemon.Stdout, daemon.Stderr = &said, &said
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = daemon.Process.Signal(unix.SIGTERM)
		_ = daemon.Wait()
	})
	for begun := time.Now(); exec.Command("buildctl", "--addr", address, "debug", "workers").Run() != nil; time.Sleep(100 * time.Millisecond) {
		if time.Since(begun) > time.Minute {
			t.Fatalf("buildkitd does not answer: %s", said.String())
		}
	}
	return newBuildkit(t, "buildctl", address)
}

// buildkitVersion returns the version of the module that the buildkitd in PATH was built from.
func buildkitVersion(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("buildkitd")
	if err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err.Error()
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == "github.com/moby/buildkit" {
			return m.Version
		}
	}
	return "unknown"
}

// try compares the results of the two builders for the case of a seed.
func (p *pair) try(t *testing.T, seed uint64) {
	t.Helper()
	c := generate(fmt.Sprint("random-", seed), seed)
	found, failure := p.differences(t, c)
	if failure != "" {
		p.failed.Add(1)
		t.Log(failure)
	}
	if len(found) == 0 {
		return
	}
	c = minimise(c, func(smaller *generated) bool {
		lines, _ := p.differences(t, smaller)
		return slices.ContainsFunc(lines, func(l string) bool { return slices.ContainsFunc(found, alike(l)) })
	})
	lines, _ := p.differences(t, c)
	if len(lines) == 0 { // the difference does not occur every time
		lines = found
	}
	const most = 20
	t.Errorf("%d lines differ:\n%s\n%s", len(lines), strings.Join(lines[:min(most, len(lines))], "\n"), c)
}

// A pair holds the two builders.
type pair struct {
	store     *store
	reference *buildkit
	known     *declarations
	builds    atomic.Int64
	failed    atomic.Int64 // cases that fail with both
}

// contextTime is the time that contextDir sets. A picture shows only the date.
var contextTime = time.Date(2020, 2, 2, 0, 0, 0, 0, time.UTC)

// setTimes sets the time of all new files in a directory.
func setTimes(t *testing.T, dir string, to time.Time) {
	t.Helper()
	times := []unix.Timespec{unix.NsecToTimespec(to.UnixNano()), unix.NsecToTimespec(to.UnixNano())}
	err := filepath.WalkDir(dir, func(path string, f os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if info, err := f.Info(); err != nil || info.ModTime().Before(old) {
			return err
		}
		return unix.UtimesNanoAt(unix.AT_FDCWD, path, times, unix.AT_SYMLINK_NOFOLLOW)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// differences builds a case with both builders, from the same directory, and returns the lines that
// are not declared, or the errors if both fail. The builds run without a cache: a result found by
// content keeps the times of the older build.
func (p *pair) differences(t *testing.T, c *generated) (lines []string, failure string) {
	t.Helper()
	if lines, failure = p.compare(t, c); len(lines) > 0 {
		p.reference.prune(t, "--filter", "type==source.local")
		lines, failure = p.compare(t, c)
	}
	return lines, failure
}

func (p *pair) compare(t *testing.T, c *generated) (lines []string, failure string) {
	t.Helper()
	d := c.dockerfile()
	d.args = append(d.args, "--no-cache")
	dir := contextOf(t, d.files, d.script+"true\n")
	// BuildKit transfers a context as changes to the previous one, and detects changes by the files'
	// times.
	setTimes(t, dir, contextTime.Add(time.Duration(p.builds.Add(1)%(24*60*60))*time.Second))
	defer os.RemoveAll(dir) // minimising a case runs many builds
	archive := filepath.Join(dir+"-out", "out.tar")
	if err := os.Mkdir(filepath.Dir(archive), 0o755); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(filepath.Dir(archive))

	var got, want []string
	r := p.store.Minirun(append(append([]string{"build", "--progress", "plain", "--output", "type=oci,compression=uncompressed,dest=" + archive}, d.flags(dir)...), dir)...)
	if r.Status != 0 {
		got = []string{"fails: " + lastLine(r.Stderr)}
	} else {
		got = layerPicture(t, archive)
	}
	if failure := p.reference.buildDir(t, d, dir, archive); failure != "" {
		want = []string{"fails: " + lastError(failure)}
	} else {
		want = layerPicture(t, archive)
	}
	if failed(got) && r.Status != 1 {
		t.Errorf("minirun's status is %d: %s", r.Status, r.Stderr)
	}
	for _, line := range diff(got, want) {
		if !p.known.has(d.name, line) {
			lines = append(lines, line)
		}
	}
	if failed(got) && failed(want) {
		failure = got[0] + "\n" + want[0]
	}
	return lines, failure
}

// lastError returns the last error that buildctl prints.
func lastError(failure string) string {
	_, text, found := strings.Cut(failure, "\nerror: ")
	if !found {
		return strings.TrimSpace(failure)
	}
	text = regexp.MustCompile(`failed to calculate checksum of ref \S+ `).ReplaceAllString(text, "")
	return strings.TrimSpace(strings.SplitN(text, "\n", 2)[0])
}

// generated is a random case, split into parts that can be left out one by one.
type generated struct {
	name    string
	context []entry  // its files
	ignore  []string // lines of .dockerignore
	lines   []string // instructions
	args    []string
}

// An entry creates something in the context.
type entry struct {
	dir     string // the directory that must exist first; "": the context itself
	command string // "": only the directory is created
}

// dirs returns the directories of all entries.
func (c *generated) dirs() (out []string) {
	for _, e := range c.context {
		if e.dir != "" && !slices.Contains(out, e.dir) {
			out = append(out, e.dir)
		}
	}
	return out
}

func (c *generated) dockerfile() *dockerfile {
	d := &dockerfile{name: c.name, args: slices.Clone(c.args), files: map[string]string{"Dockerfile": strings.Join(c.lines, "\n") + "\n"}}
	if len(c.context) > 0 {
		d.script = "set +e\n" // the file that a command needs may have been left out
	}
	if len(c.dirs()) > 0 { // in one command: starting a process is expensive
		d.script += "mkdir -p " + strings.Join(c.dirs(), " ") + "\n"
	}
	for _, entry := range c.context {
		if entry.command != "" {
			d.script += entry.command + "\n"
		}
	}
	if len(c.ignore) > 0 {
		d.files[".dockerignore"] = strings.Join(c.ignore, "\n") + "\n"
	}
	return d
}

// String returns the case in the format of the corpus.
func (c *generated) String() string {
	d := c.dockerfile()
	out := "=== " + d.name
	if len(d.args) > 0 {
		out += " args: " + strings.Join(d.args, " ")
	}
	out += "\n" + d.files["Dockerfile"]
	if len(c.ignore) > 0 {
		out += "--- .dockerignore\n" + d.files[".dockerignore"]
	}
	if d.script != "" {
		out += "--- sh\n" + d.script
	}
	return out
}

// minimise removes parts as long as the case still differs, halves first.
func minimise(c *generated, differs func(*generated) bool) *generated {
	for changed := true; changed; {
		changed = false
		changed = leaveOut(&c.lines, func() bool { return differs(c) }) || changed
		changed = leaveOut(&c.context, func() bool { return differs(c) }) || changed
		changed = leaveOut(&c.ignore, func() bool { return differs(c) }) || changed
		changed = leaveOut(&c.args, func() bool { return differs(c) }) || changed
	}
	return c
}

// leaveOut shrinks a list as long as a condition holds, and reports whether it removed anything.
func leaveOut[T any](list *[]T, holds func() bool) (changed bool) {
	for size := (len(*list) + 1) / 2; size > 0; size /= 2 {
		for at := 0; at < len(*list); {
			before := *list
			*list = slices.Delete(slices.Clone(before), at, min(at+size, len(before)))
			if holds() {
				changed = true
			} else {
				*list = before
				at += size
			}
		}
	}
	return changed
}

// TestMinimiseKeepsOnlyNeededParts: the result cannot be made smaller, and removing each part has been
// tried.
func TestMinimiseKeepsOnlyNeededParts(t *testing.T) {
	c := &generated{lines: strings.Fields("a b c d e"), context: []entry{{"f", "f"}, {"g", "g"}}, ignore: strings.Fields("i"), args: strings.Fields("j k")}
	got := minimise(c, func(c *generated) bool {
		return slices.Contains(c.lines, "b") && slices.Contains(c.lines, "e") && slices.Contains(c.args, "k")
	})
	if text := fmt.Sprint(got.lines, got.context, got.ignore, got.args); text != "[b e] [] [] [k]" {
		t.Error(text)
	}
}

// TestPrintRandomDockerfiles prints MINIRUN_BUILDS cases for the family random of the corpus, starting
// with the seed MINIRUN_SEED.
func TestPrintRandomDockerfiles(t *testing.T) {
	first, _ := strconv.ParseUint(os.Getenv("MINIRUN_SEED"), 10, 64)
	for seed := first; seed < first+uint64(builds(t)); seed++ {
		c := generate(fmt.Sprint("random-", seed), seed)
		if again := generate(c.name, seed); again.String() != c.String() {
			t.Fatalf("the same seed gives\n%s\nand\n%s", c, again)
		}
		t.Log(c)
	}
}
