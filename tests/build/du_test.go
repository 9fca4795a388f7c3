package build

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A used is a line of the output of build du --format json.
type used struct {
	ID, Type, Description, Size string
	Parents                     []string
	Mutable, Reclaimable        bool
	Shared                      bool
	CreatedAt, LastUsedAt       time.Time
}

func (s *store) du(flags ...string) (out []used) {
	s.T.Helper()
	for line := range strings.Lines(s.Do(append([]string{"build", "du", "--format", "json"}, flags...)...)) {
		var u used
		if err := json.Unmarshal([]byte(line), &u); err != nil {
			s.T.Fatalf("%v: %s", err, line)
		}
		out = append(out, u)
	}
	return out
}

// findUsed returns the entry whose description begins with a text.
func findUsed(list []used, description string) *used {
	i := slices.IndexFunc(list, func(u used) bool { return strings.HasPrefix(u.Description, description) })
	if i < 0 {
		return &used{}
	}
	return &list[i]
}

const duDockerfile = `FROM base AS one
RUN dd if=/dev/zero of=/big bs=1024 count=1024; ln /big /again
FROM base
RUN --mount=type=cache,target=/c dd if=/dev/zero of=/c/cached bs=1024 count=100; head -c 2048 /dev/zero > /small
COPY --from=one /bin/sh /copied
`

// TestDiskUsageListsEachLayerOnce: each layer of a step is listed once, with its size, the layer below
// it and whether an image uses it; cache mounts and fetched files are listed too.
func TestDiskUsageListsEachLayerOnce(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": duDockerfile}, "")
	fetched := contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nADD http://SERVER/r.git#main /\nADD http://SERVER/file /\n", "SERVED/file": "content"},
		"git init -q -b main r; cd r; touch f; git add f; git commit -q -m one; cd ..; mv r/.git SERVED/r.git; git -C SERVED/r.git config core.bare true")
	serve(t, fetched)
	if got := s.du(); len(got) != 0 {
		t.Errorf("before the first build: %+v", got)
	}
	s.Do("build", "-t", "app", dir)
	s.Do("build", "--output", "type=cacheonly", fetched)
	all := s.du()
	big, small, copied, mount := findUsed(all, "RUN dd"), findUsed(all, "RUN --mount"), findUsed(all, "COPY"), findUsed(all, "cache mount /c")
	if big.Size != "1048576" || big.Shared || big.Mutable || !big.Reclaimable || big.Type != "regular" || len(big.Parents) != 1 || time.Since(big.LastUsedAt) > time.Hour {
		t.Errorf("%+v", big)
	}
	if small.Size != "2048" || !small.Shared || !slices.Equal(copied.Parents, []string{small.ID}) || !copied.Shared {
		t.Errorf("%+v, %+v", small, copied)
	}
	if mount.Size != "102400" || mount.Type != "exec.cachemount" || !mount.Mutable || mount.Shared || !mount.Reclaimable {
		t.Errorf("%+v", mount)
	}
	for kind, description := range map[string]string{"source.git.checkout": "git repository http://127.0.0.1", "source.http": "http url http://127.0.0.1"} {
		if u := findUsed(all, description); u.Type != kind || u.Size == "0" || len(s.du("--filter", "type="+kind)) != 1 {
			t.Errorf("%s: %+v", kind, u)
		}
	}
	if n := len(s.du("--filter", "type=regular")); n != 5 {
		t.Errorf("%d layers", n)
	}
	if got := s.Do("build", "du", "--filter", "description~=^RUN dd", "--format", "{{.ID}} {{.Size}}"); got != big.ID+" 1.049MB" {
		t.Error(got)
	}
	if got := s.Do("build", "du", "--verbose", "--filter", "id="+small.ID); !strings.HasPrefix(got, "ID:           "+small.ID+"\nParents:\n - ") || !strings.Contains(got, "Shared:       true\nSize:         2.048kB\n") {
		t.Error(got)
	}
	table := s.Do("build", "du")
	if !strings.HasPrefix(table, "ID ") || !strings.Contains(table, small.ID+"    true          2.048kB*") || !strings.Contains(table, "\nReclaimable:   ") {
		t.Error(table)
	}
	for args, want := range map[string]string{"--foo": "-foo", "--filter foo=1": "keys are until", "--builder x": "only builder", "x": "unexpected argument", "--format {{.UsageCount}}": "UsageCount"} {
		if r := s.Minirun(append([]string{"build", "du"}, strings.Fields(args)...)...); r.Status != 1 || !strings.Contains(r.Stderr, want) {
			t.Errorf("%s: status %d: %s, want %s", args, r.Status, r.Stderr, want)
		}
	}
	if r := s.Minirun("build", "-t", "x", "du"); r.Status != 1 || !strings.Contains(r.Stderr, "./du") {
		t.Errorf("a flag for a build is ignored: %d %s", r.Status, r.Stderr)
	}
}

// TestDiskUsageOfRunningStep: a cache mount that a step is using is not removed, and du reports that
// it is in use.
func TestDiskUsageOfRunningStep(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM base\nRUN --mount=type=cache,target=/c echo x > /c/x; sleep 1000"}, "")
	cmd := s.Command("build", dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for begun := time.Now(); findUsed(s.du(), "cache mount").Size != "2" && time.Since(begun) < time.Minute; {
		time.Sleep(20 * time.Millisecond)
	}
	if u := findUsed(s.du(), "cache mount"); u.Reclaimable || u.Size != "2" {
		t.Errorf("%+v", u)
	}
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if u := findUsed(s.du("--filter", "inuse=false"), "cache mount"); !u.Reclaimable {
		t.Errorf("%+v", u)
	}
}

// TestPruneKeepsLayersOfImages: the entries selected by the filters and limits are removed, layers of
// images stay, and removed layers are built again when needed.
func TestPruneKeepsLayersOfImages(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": duDockerfile}, "")
	s.Do("build", "-t", "app", dir)
	before := len(s.du())
	if got := s.Do("build", "prune", "--filter", "until=1h"); got != "Total: 0B" || len(s.du()) != before {
		t.Errorf("a used entry was removed: %s", got)
	}
	files, err := filepath.Glob(filepath.Join(s.StoreDir, "build", "cache", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%q, %v", files, err)
	}
	old := time.Now().Add(-48 * time.Hour)
	for _, f := range files {
		if text, err := os.ReadFile(f); err == nil && strings.Contains(string(text), "RUN dd") {
			if err := os.Chtimes(f, old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := s.Do("build", "prune", "-f", "--filter", "until=24h"); !strings.HasSuffix(got, "Total: 1.049MB") || findUsed(s.du(), "RUN dd").ID != "" {
		t.Error(got)
	}
	if b := s.builds(dir, "-t", "app"); !slices.ContainsFunc(b.ran, func(step string) bool { return strings.Contains(step, "RUN dd") }) {
		t.Errorf("%+v", b)
	}
	if got := s.Do("build", "prune", "--max-used-space", "1gb"); got != "Total: 0B" {
		t.Error(got)
	}
	s.Do("build", "prune", "--filter", "type=exec.cachemount")
	if left, err := os.ReadDir(filepath.Join(s.StoreDir, "build", "cache-mounts")); err != nil || len(left) != 0 {
		t.Errorf("%v, %v", left, err)
	}
	s.Do("build", "prune", "--verbose", "--max-used-space", "900kb")
	total := 0
	for _, u := range s.du() {
		var n int
		if _, err := fmt.Sscan(u.Size, &n); err != nil {
			t.Fatal(err)
		}
		total += n
	}
	if total > 900<<10 {
		t.Errorf("%d bytes are left", total)
	}
	s.Do("build", "prune")
	if got := s.du("--filter", "type!=internal"); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	s.Do("build", "prune", "--all", "--force")
	if got := s.du(); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	s.Check()
	if got := s.Do("run", "--rm", "app", "ls", "/small"); got != "/small" {
		t.Error(got)
	}
	for args, want := range map[string]string{"--max-used-space much": "must be a size", "--keep-storage 1gb": "-keep-storage", "--filter x": "keys are until"} {
		if r := s.Minirun(append([]string{"build", "prune"}, strings.Fields(args)...)...); r.Status != 1 || !strings.Contains(r.Stderr, want) {
			t.Errorf("%s: status %d: %s, want %s", args, r.Status, r.Stderr, want)
		}
	}
}
