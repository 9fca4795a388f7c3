package source

import (
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// A forge serves repositories over HTTP, like git's own server.
type forge struct {
	dir     string
	fetches atomic.Int32 // git-upload-pack requests that fetch objects
	auth    string
	*httptest.Server
}

func newForge(t *testing.T) *forge {
	t.Helper()
	core, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Skip("needs git: ", err)
	}
	f := &forge{dir: t.TempDir()}
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(core)), "git-http-backend"),
		Env: []string{"GIT_PROJECT_ROOT=" + f.dir, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_NOSYSTEM=1",
			"GIT_CONFIG_GLOBAL=/dev/null"},
	}
	if _, err := os.Stat(backend.Path); err != nil {
		t.Skip("needs git-http-backend: ", err)
	}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); f.auth != "" && user+":"+password != f.auth {
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if r.Method == http.MethodPost {
			f.fetches.Add(1)
		}
		h := *backend
		if v := r.Header.Get("Git-Protocol"); v != "" {
			h.Env = append(slices.Clone(h.Env), "GIT_PROTOCOL="+v)
		}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

// git runs git in a working tree of the forge and returns its output.
func (f *forge) git(t *testing.T, repo string, args ...string) string {
	t.Helper()
	dir := filepath.Join(f.dir, repo)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("git",
		append([]string{"-C", dir, "-c", "user.name=n", "-c", "user.email=e@e", "-c", "protocol.file.allow=always",
			"-c", "init.defaultBranch=main"}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_DATE=2020-01-01T00:00:00Z", "GIT_COMMITTER_DATE=2020-01-01T00:00:00Z")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %q: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit writes files and commits them.
func (f *forge) commit(t *testing.T, repo string, files map[string]string) string {
	t.Helper()
	for name, text := range files {
		name = filepath.Join(f.dir, repo, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	f.git(t, repo, "add", "-A")
	f.git(t, repo, "commit", "-qm", "m")
	return f.git(t, repo, "rev-parse", "HEAD")
}

func newRepository(t *testing.T) (f *forge, first, second string) {
	f = newForge(t)
	f.git(t, "r.git", "init", "-q")
	first = f.commit(t, "r.git", map[string]string{"f": "1"})
	f.git(t, "r.git", "tag", "light")
	f.git(t, "r.git", "tag", "-am", "heavy", "heavy")
	f.git(t, "r.git", "branch", "old")
	f.git(t, "r.git", "update-ref", "refs/pull/42/head", "HEAD")
	second = f.commit(t, "r.git", map[string]string{"f": "2", "d/g": "g"})
	return f, first, second
}
