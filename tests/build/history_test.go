package build

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/minirun/minirun/tests/testbundle"
)

// An inspected is the tested part of the output of build history inspect --format json.
type inspected struct {
	Name, Ref, Context, Dockerfile, Target, Status string
	Platform                                       []string
	Duration                                       time.Duration
	NumCompletedSteps, NumTotalSteps               int
	NumCachedSteps                                 int
	BuildArgs                                      []struct{ Name, Value string }
	Materials                                      []struct{ URI string }
	Image                                          *struct {
		ID    string
		Names []string
	}
	Error *struct {
		Name, Message, Sources string
		Logs                   []string
	}
	Steps []struct {
		Name, Status string
		Cached       bool
		Duration     time.Duration
	}
}

func (s *store) inspected(ref ...string) (out inspected) {
	s.T.Helper()
	text := s.Do(append([]string{"build", "history", "inspect", "--format", "json"}, ref...)...)
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		s.T.Fatalf("%v: %s", err, text)
	}
	return out
}

// history returns the names and statuses of the builds.
func (s *store) history(flags ...string) string {
	s.T.Helper()
	return strings.ReplaceAll(s.Do(append([]string{"build", "history", "ls", "--format", "{{.Name}} {{.Status}}"}, flags...)...), "\n", ", ")
}

// TestHistoryOfBuilds: a record has the options of the build, each step and whether it was cached,
// the results, and the error.
func TestHistoryOfBuilds(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{
		"Dockerfile": "FROM base AS one\nARG V=1\nCOPY f /f\nRUN echo said $V\nFROM one\nRUN echo never", "f": "x",
		"bad": "FROM base\nRUN echo before; cat /nothing\n",
	}, "")
	if got := s.history(); got != "" {
		t.Errorf("before the first build: %s", got)
	}
	flags := []string{"build", "--target", "one", "--build-arg", "V=2", "--label", "l=m", "--no-cache-filter", "none", "-t", "app"}
	s.Do(append(flags, dir)...)
	s.Do(append(flags, dir)...)
	if r := s.Minirun("build", "-f", dir+"/bad", dir); r.Status != 1 {
		t.Fatalf("status %d: %s", r.Status, r.Stderr)
	}
	if got := s.history(); got != "context/bad Error, context (one) Completed, context (one) Completed" {
		t.Error(got)
	}
	for _, f := range []string{"status=error", "duration<1h --filter status!=success", "startedAt>1h --filter status=failed"} {
		if got := s.history(append([]string{"--filter"}, strings.Fields(f)...)...); got != "context/bad Error" {
			t.Errorf("%s: %s", f, got)
		}
	}

	first, cached := s.inspected("^2"), s.inspected("^1")
	if first.Name != "context (one)" || first.Context != dir || first.Dockerfile != "Dockerfile" || first.Target != "one" || len(first.Platform) != 1 || first.Error != nil ||
		fmt.Sprint(first.BuildArgs) != "[{V 2}]" || len(first.Materials) != 1 || first.Image == nil || first.Image.ID != s.Do("images", "-q", "--no-trunc", "app") {
		t.Errorf("%+v", first)
	}
	if first.NumTotalSteps != 6 || first.NumCompletedSteps != 6 || first.NumCachedSteps != 1 || cached.NumCachedSteps != 3 || first.Ref == cached.Ref {
		t.Errorf("%+v\n%+v", first, cached)
	}
	if last := cached.Steps[4]; last.Name != "[one 3/3] RUN echo said 2" || !last.Cached || last.Status != "completed" || first.Steps[4].Cached || first.Steps[4].Duration <= 0 {
		t.Errorf("%+v, %+v", first.Steps[4], last)
	}
	bad := s.inspected()
	if bad.Status != "failed" || bad.Error == nil || bad.Error.Name != "[2/2] RUN echo before; cat /nothing" || !strings.Contains(bad.Error.Sources, ">>> RUN echo") ||
		!strings.Contains(strings.Join(bad.Error.Logs, "\n"), "can't open '/nothing'") || bad.Dockerfile != "bad" || bad.Steps[3].Status != "failed" {
		t.Errorf("%+v", bad)
	}
	people := s.Do("build", "history", "inspect", bad.Ref[:20])
	for _, want := range []string{"Build Steps:    3/4 (25% cached)", "Status:         Error", "can't open '/nothing'", "history logs " + bad.Ref} {
		if !strings.Contains(people, want) {
			t.Errorf("%s is not in %s", want, people)
		}
	}
	if got := s.Do("build", "history", "inspect", "^1", "--format", "{{.Name}} {{.NumTotalSteps}}"); got != "context (one) 6" {
		t.Error(got)
	}

	log := s.Do("build", "history", "logs", first.Ref)
	for _, want := range []string{"] RUN echo said 2", " said 2\n", "naming to docker.io/library/app:latest done"} {
		if !strings.Contains(log, want) {
			t.Errorf("%s is not in %s", want, log)
		}
	}
	if raw := s.Do("build", "history", "logs", first.Ref, "--progress", "rawjson"); !strings.Contains(raw, `"vertexes":[{`) || !strings.Contains(raw, `"inputs":["sha256:`) {
		t.Errorf("not as docker buildx has it: %s", raw)
	}
	s.exportsHistory(first.Ref, log)
	s.removesHistory(cached.Ref)
}

func (s *store) exportsHistory(ref, log string) {
	s.T.Helper()
	file := filepath.Join(s.T.TempDir(), "x.tar")
	s.Do("build", "history", "export", "--all", "-o", file)
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		s.T.Errorf("%v, %v", info.Mode(), err)
	}
	f, err := os.Open(file)
	if err != nil {
		s.T.Fatal(err)
	}
	defer f.Close()
	var names []string
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			s.T.Fatal(err)
		}
		names = append(names, h.Name)
		if text, err := io.ReadAll(r); h.Name == ref+"/log.txt" && (err != nil || strings.TrimSpace(string(text)) != log) {
			s.T.Errorf("%s, %v", text, err)
		}
	}
	if len(names) != 9 || !slices.Contains(names, ref+"/build.json") {
		s.T.Errorf("%q", names)
	}
}

func (s *store) removesHistory(middle string) {
	s.T.Helper()
	if got := s.Do("build", "history", "rm", "^1"); got != middle {
		s.T.Errorf("removed %s, not %s", got, middle)
	}
	if got := s.history(); got != "context/bad Error, context (one) Completed" {
		s.T.Error(got)
	}
	s.Do("build", "history", "rm", "--all")
	if got := s.history(); got != "" {
		s.T.Error(got)
	}
	for args, want := range map[string]string{
		"inspect": "build not found", "logs ^1": "build not found", "rm": "missing argument", "open": "build history open is not supported", "trace": "is not supported", "import": "is not supported",
		"inspect attachment": "not supported", "ls --local": "-local", "export --finalize": "-finalize", "logs --progress tty": "build not found", "ls --filter repository=x": "not recorded",
		"ls --builder other": "the only builder is default", "sl": `unknown subcommand "sl"`,
	} {
		if r := s.Minirun(append([]string{"build", "history"}, strings.Fields(args)...)...); r.Status != 1 || !strings.Contains(r.Stderr, want) {
			s.T.Errorf("%s: status %d: %s, want %s", args, r.Status, r.Stderr, want)
		}
	}
}

// TestHistoryOfInterruptedBuilds: a build is shown as running, and then as canceled if it received a
// signal, or as interrupted after SIGKILL.
func TestHistoryOfInterruptedBuilds(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM base\nRUN echo begun; sleep 1000"}, "")
	for signal, want := range map[syscall.Signal]string{syscall.SIGTERM: "Canceled", syscall.SIGKILL: "Interrupted"} {
		cmd := s.Command("build", dir)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for begun := time.Now(); !strings.Contains(s.Minirun("build", "history", "logs").Stdout, " begun\n") && time.Since(begun) < time.Minute; {
			time.Sleep(20 * time.Millisecond)
		}
		if got := s.history(); !strings.HasPrefix(got, "context Running") {
			t.Error(got)
		}
		if r := s.Minirun("build", "history", "rm", "^0"); r.Status != 1 || !strings.Contains(r.Stderr, "the build is running") {
			t.Errorf("%d %s", r.Status, r.Stderr)
		}
		if err := syscall.Kill(-cmd.Process.Pid, signal); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		if got := s.history(); got != "context "+want {
			t.Errorf("after %v: %s", signal, got)
		}
		i := s.inspected()
		if i.NumCompletedSteps != 3 || i.Steps[3].Status != strings.ToLower(want) {
			t.Errorf("after %v: %+v", signal, i)
		}
		s.Do("build", "history", "rm", "^0")
	}
}

// TestHistoryHasNoSecrets: no file of the history contains values of secrets or passwords in URLs,
// and other users cannot read the history.
func TestHistoryHasNoSecrets(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM base\nRUN --mount=type=secret,id=s wc -c < /run/secrets/s", "s": "hunter2"}, "")
	s.Do("build", "--secret", "id=s,src="+dir+"/s", "--build-context", "other="+dir, dir)
	if r := s.Minirun("build", "https://me:hunter2@127.0.0.1:1/x.tar"); r.Status != 1 {
		t.Error(r.Stderr)
	}
	files, err := filepath.Glob(filepath.Join(s.StoreDir, "build/history/*"))
	if err != nil || len(files) != 2 {
		t.Fatalf("%q, %v", files, err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil || strings.Contains(string(text), "hunter2") {
			t.Errorf("%v: %s", err, text)
		}
		if info, err := os.Stat(f); err != nil || info.Mode() != 0o600 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
	}
	if info, err := os.Stat(filepath.Join(s.StoreDir, "build/history")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// TestHistoryIsBounded: only the most recent builds are kept, including builds that ran at the same
// time; the environment sets the number.
func TestHistoryIsBounded(t *testing.T) {
	s := newStore(t)
	s.Env = append(s.Env, "MINIRUN_BUILD_HISTORY=4")
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM base\nARG N\nRUN echo $N > /n"}, "")
	var wait sync.WaitGroup
	for n := range 6 {
		wait.Go(func() {
			if r := s.Minirun("build", "-q", "--build-arg", fmt.Sprint("N=", n), dir); r.Status != 0 {
				t.Error(r.Stderr)
			}
		})
	}
	wait.Wait()
	s.Do("build", "-q", "--target", "0", dir)
	if got := s.history(); got != "context (0) Completed, context Completed, context Completed, context Completed" {
		t.Error(got)
	}
	s.Env = append(s.Env, "MINIRUN_BUILD_HISTORY=0")
	s.Do("build", "-q", dir)
	s.Env = append(s.Env, "MINIRUN_BUILD_HISTORY=")
	if got := s.history(); strings.Count(got, "(0)") != 1 || !strings.HasPrefix(got, "context (0)") {
		t.Error(got)
	}
	s.Env = append(s.Env, "MINIRUN_BUILD_HISTORY=x")
	if r := s.Minirun("build", "-q", dir); r.Status != 1 || !strings.Contains(r.Stderr, "MINIRUN_BUILD_HISTORY=x: must be a number") {
		t.Error(r.Stderr)
	}
}

// TestHistoryEscapesControlCharacters: a program's output and a Dockerfile cannot send control
// sequences to the terminal of a user who views the history.
func TestHistoryEscapesControlCharacters(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM base\nRUN printf '\\033]0;owned\\007\\n'; exit 3 # \x1b[31m\n"}, "")
	s.Minirun("build", "--build-arg", "A=\x1b[2J", dir)
	for _, args := range [][]string{{"ls"}, {"inspect"}, {"logs"}, {"inspect", "--format", "{{json .}}"}, {"ls", "--format", "{{.Name}}"}} {
		r := s.Minirun(append([]string{"build", "history"}, args...)...)
		if r.Status != 0 || strings.ContainsAny(r.Stdout, "\x1b\x07") {
			t.Errorf("%q: %q", args, r.Stdout)
		}
	}
}

// TestHistoryWithoutRoot: an unprivileged user has a separate history and cache, which the user's
// other processes read in the same way.
func TestHistoryWithoutRoot(t *testing.T) {
	u := testbundle.NewUnprivileged(t)
	testbundle.CopyFile(t, baseArchive(t), filepath.Join(u.Home, "base.tar"), 0o644)
	if err := os.Mkdir(filepath.Join(u.Home, "context"), 0o755); err != nil {
		t.Fatal(err)
	}
	text := "FROM base\nRUN echo said; echo 12345678 > /x; chown 33:34 /x; chmod 0 /x\n"
	if err := os.WriteFile(filepath.Join(u.Home, "context", "Dockerfile"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	u.Do(t, "minirun import base.tar base")
	u.Do(t, "minirun build context 2>&1")
	if got := u.Do(t, "minirun build history ls --format '{{.Name}} {{.Status}}'; minirun build history logs | grep -c 'said$'"); got != "context Completed\n1" {
		t.Error(got)
	}
	if got := u.Do(t, "stat -c '%U %a' data/minirun/build/history/* data/minirun/build/history | sort -u; id -un"); !strings.HasSuffix(got, " 600\n"+strings.Fields(got)[0]+" 700\n"+strings.Fields(got)[0]) {
		t.Error(got)
	}
	if got := u.Do(t, "minirun build du --filter type=regular --format '{{.Size}}'"); got != "9B*" {
		t.Error(got)
	}
	if got := u.Do(t, "minirun build prune --all --force > /dev/null && minirun build du --format '{{.ID}}'"); got != "" {
		t.Error(got)
	}
}
