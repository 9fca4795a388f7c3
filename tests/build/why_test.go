package build

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// reasons returns what --explain prints about every step that was not cached.
func (s *store) reasons(dir string, flags ...string) (out []string) {
	s.T.Helper()
	b := s.builds(dir, append(flags, "--explain", "json")...)
	var document struct {
		Stages []struct {
			Instructions []struct {
				Text, Kind, Reason string
				Needed, Cached     bool
				Inputs             []string `json:"changed_inputs"`
			}
		}
	}
	if err := json.Unmarshal([]byte(b.Stdout), &document); err != nil {
		s.T.Fatalf("%v: %s", err, b.Stdout)
	}
	for _, stage := range document.Stages {
		for _, i := range stage.Instructions {
			if i.Kind == "layer" && i.Needed && !i.Cached {
				out = append(out, i.Text+": "+i.Reason+": "+strings.Join(i.Inputs, "; "))
			}
		}
	}
	return out
}

// TestExplainNamesReasonForMiss: the explanation of a step that is built again names what has changed.
func TestExplainNamesReasonForMiss(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": `FROM base AS one
COPY d /d
ARG X=1
RUN cat /d/*
FROM base
COPY --from=one /d /e
RUN --mount=target=/m,source=a cat /m
`, "a": "1", "d/x": "1", "d/y": "1", "e/f": "2"}, "")
	const files, before = "an input changed: ", "the previous step's result changed: "
	for _, c := range []struct {
		name, change string
		flags        []string
		want         []string
	}{
		{"the first time", "true", nil, []string{
			"COPY d /d: no earlier build has this step: ", "RUN cat /d/*: no earlier build has this step: ",
			"COPY --from=one /d /e: no earlier build has this step: ", "RUN --mount=type=bind,source=a,target=/m cat /m: no earlier build has this step: "}},
		{"nothing", "true", nil, nil},
		{"three files", "echo 2 > d/x; rm d/y; echo > d/z", nil, []string{
			"COPY d /d: " + files + "d/x: changed; d/z: added; d/y: removed", "RUN cat /d/*: " + before,
			"COPY --from=one /d /e: " + files + "d/x: changed; d/z: added; d/y: removed", "RUN --mount=type=bind,source=a,target=/m cat /m: " + before}},
		{"a mode, after a build from the cache", "true", nil, nil},
		{"a mode", "chmod 700 d/x", nil, []string{
			"COPY d /d: " + files + "d/x: changed", "RUN cat /d/*: " + before,
			"COPY --from=one /d /e: " + files + "d/x: changed", "RUN --mount=type=bind,source=a,target=/m cat /m: " + before}},
		{"what is mounted", "echo 2 > a", nil, []string{"RUN --mount=type=bind,source=a,target=/m cat /m: " + files + "a: changed"}},
		{"an argument", "true", []string{"--build-arg", "X=2"}, []string{"RUN cat /d/*: " + files + "variable X: 1 → 2"}},
		{"the instruction", "sed -i 's/cat .d/ls \\/d/' Dockerfile", []string{"--build-arg", "X=2"}, []string{"RUN ls /d/*: the instruction changed; it was RUN cat /d/*: "}},
		{"a step between", "sed -i 's/^ARG/RUN echo between > between\\nARG/' Dockerfile", []string{"--build-arg", "X=2"}, []string{
			"RUN echo between > between: no earlier build has this step: ", "RUN ls /d/*: " + before}},
		{"metadata between", "sed -i 's/^COPY/LABEL a=b\\nCOPY/' Dockerfile", []string{"--build-arg", "X=2"}, nil},
		{"--no-cache-filter", "true", []string{"--build-arg", "X=2", "--no-cache-filter=one"}, []string{
			"COPY d /d: --no-cache: ", "RUN echo between > between: --no-cache: ", "RUN ls /d/*: --no-cache: "}},
		{"its layer is gone", "rm -r " + s.StoreDir + "/build/cache; mkdir " + s.StoreDir + "/build/cache; rm -r d; mkdir d; echo > d/new", []string{"--build-arg", "X=2"}, []string{
			"COPY d /d: " + files + "d/new: added; d/x: removed; d/z: removed", "RUN echo between > between: " + before, "RUN ls /d/*: " + before,
			"COPY --from=one /d /e: " + files + "d/new: added; d/x: removed; d/z: removed", "RUN --mount=type=bind,source=a,target=/m cat /m: " + before}},
		{"its record is gone", "rm -r " + s.StoreDir + "/build/cache; mkdir " + s.StoreDir + "/build/cache", []string{"--build-arg", "X=2"}, []string{
			"COPY d /d: its cached layer is missing: ", "RUN echo between > between: its cached layer is missing: ", "RUN ls /d/*: " + before,
			"COPY --from=one /d /e: its cached layer is missing: ", "RUN --mount=type=bind,source=a,target=/m cat /m: its cached layer is missing: "}},
	} {
		shell(t, dir, c.change)
		if got := s.reasons(dir, c.flags...); !slices.Equal(got, c.want) {
			t.Errorf("%s:\n  %s\nwant\n  %s", c.name, strings.Join(got, "\n  "), strings.Join(c.want, "\n  "))
		}
	}
}

// TestFetchedSourcesAreCheckedForChanges: ADD of a URL and of a repository, which are checked for
// changes in every build.
func TestFetchedSourcesAreCheckedForChanges(t *testing.T) {
	s := newStore(t)
	var mutex sync.Mutex
	content, tag, name, sent := "1", `"a"`, "", 0
	set := func(f func()) {
		mutex.Lock()
		defer mutex.Unlock()
		f()
	}
	repository := t.TempDir()
	core, err := exec.Command("git", "--exec-path").Output()
	hub := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(core)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + repository, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_PROTOCOL=version=2"},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/r.git/") {
			hub.ServeHTTP(w, r)
			return
		}
		mutex.Lock()
		defer mutex.Unlock()
		w.Header().Set("ETag", tag)
		if name != "" {
			w.Header().Set("Content-Disposition", "attachment; filename="+name)
		}
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		sent++
		fmt.Fprint(w, content)
	}))
	defer server.Close()
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM base\nADD " + server.URL + "/f /d/\nRUN cat /d/*\n"}, "")
	both := []string{"ADD " + server.URL + "/f /d/", "RUN cat /d/*"}
	for _, c := range []struct {
		name   string
		change func()
		want   []string
		sent   int
	}{
		{"first", func() {}, both, 1},
		{"not modified", func() {}, nil, 1},
		{"another tag, the same content", func() { tag = `"b"` }, nil, 2},
		{"another content", func() { tag, content = `"c"`, "2" }, both, 3},
		{"another content, which the server keeps to itself", func() { content = "3" }, nil, 3},
		{"another name", func() { tag, content, name = `"d"`, "2", "g" }, both, 4},
	} {
		set(c.change)
		got := s.builds(dir)
		set(func() {
			if !slices.Equal(got.ran, c.want) || sent != c.sent {
				t.Errorf("%s: ran %q, want %q; sent %d times, want %d", c.name, got.ran, c.want, sent, c.sent)
			}
		})
	}

	if err != nil {
		t.Skip("the rest needs git: ", err)
	}
	work := filepath.Join(t.TempDir(), "work")
	commit := func(text, message string) {
		t.Helper()
		t.Setenv("GIT_CONFIG_GLOBAL", "/dev/null")
		shell(t, repository, `[ -d r.git ] || git init -q --bare -b main r.git
[ -d `+work+` ] || git clone -q r.git `+work+`
cd `+work+`; echo `+text+` > f; git add f
git -c user.name=n -c user.email=e commit -q --allow-empty -m `+message+`; git push -q origin HEAD:main`)
	}
	commit("1", "one")
	dir = contextDir(t, map[string]string{"Dockerfile": "FROM base\nADD " + server.URL + "/r.git#main /g/\nRUN cat /g/f\n"}, "")
	both = []string{"ADD " + server.URL + "/r.git#main /g/", "RUN cat /g/f"}
	for _, c := range []struct {
		name, text string
		want       []string
	}{{"first", "", both}, {"the same", "", nil}, {"moved", "2", both}, {"moved, the same files", "2", nil}} {
		if c.text != "" {
			commit(c.text, "another")
		}
		if got := s.builds(dir); !slices.Equal(got.ran, c.want) {
			t.Errorf("git, %s: ran %q, want %q", c.name, got.ran, c.want)
		}
	}
}

// TestConcurrentBuildsRunEachStepOnce: two concurrent builds of the same Dockerfile run each step once.
func TestConcurrentBuildsRunEachStepOnce(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM base\nRUN --mount=type=cache,target=/c echo x >> /c/log; sleep 0.3\nRUN --mount=type=cache,target=/c echo y >> /c/log\n"}, "")
	var wait sync.WaitGroup
	var all [3]*built
	for i := range all {
		wait.Go(func() { all[i] = s.try(dir) })
	}
	wait.Wait()
	ran := 0
	for _, b := range all {
		if b.Status != 0 {
			t.Error(b.Stderr)
		}
		ran += len(b.ran)
	}
	log, err := filepath.Glob(filepath.Join(s.StoreDir, "build", "cache-mounts", "*", "fs", "log"))
	if err != nil || len(log) != 1 {
		t.Fatal(log, err)
	}
	if text, err := os.ReadFile(log[0]); err != nil || string(text) != "x\ny\n" || ran != 2 {
		t.Errorf("%d steps ran, the log is %q, %v", ran, text, err)
	}
}

// TestLayerLostInPowerFailureIsRebuilt: a layer that was not on the disk when the machine lost power is
// built again; a layer that was on the disk is not. The test does not stop a machine: it removes what
// would be lost, and marks the layers as created in a different boot.
func TestLayerLostInPowerFailureIsRebuilt(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM base\nCOPY a /a\nRUN cat /a > /b\n", "a": "content\n"}, "")
	steps := []string{"COPY a /a", "RUN cat /a > /b"}
	lose := func(damage string) {
		t.Helper()
		shell(t, s.StoreDir, `for l in layers/*/layer.json; do sed -i 's/"boot":"[^"]*"/"boot":"another"/' $l; done
[ ! -e build/synced ] || sed -i 's/^[^ ]*/another/' build/synced
`+damage)
	}
	empty := "for f in layers/*/fs/a layers/*/fs/b; do : > $f; done"
	good := func(when string, want []string) {
		t.Helper()
		out := filepath.Join(t.TempDir(), "out")
		if b := s.builds(dir, "-o", out); !slices.Equal(b.ran, want) {
			t.Errorf("%s: ran %q, want %q", when, b.ran, want)
		}
		for _, name := range []string{"a", "b"} {
			if text, err := os.ReadFile(filepath.Join(out, name)); err != nil || string(text) != "content\n" {
				t.Errorf("%s: %s is %q, %v", when, name, text, err)
			}
		}
	}
	good("first", steps)
	if _, err := os.Stat(filepath.Join(s.StoreDir, "build", "synced")); err == nil {
		t.Error("a build without an image has synced")
	}
	good("cached", nil)
	lose(empty)
	good("lost before it was synced", steps)
	s.builds(dir, "-t", "image") // syncs the store to disk
	lose("")
	good("lost after it was synced", nil)
	shell(t, dir, "echo content > a; chmod 600 a")
	good("another layer of this boot", steps)
	lose("for l in layers/*/fs/b; do [ $(stat -c %a $(dirname $l)) != 0 ]; done; rm build/synced; " + empty)
	good("nobody knows what was synced", steps)
	good("cached", nil)
	lose("for l in layers/*/layer.json; do : > $l; done; " + empty)
	if b := s.try(dir); b.Status == 0 {
		t.Error("the base's layer.json is empty, and the build says nothing")
	}
}
