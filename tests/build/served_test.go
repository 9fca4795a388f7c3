package build

import (
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// serve serves the directory SERVED of a context, if there is one: files, and bare git repositories
// NAME.git. Repositories with info/refs, which git update-server-info writes, are served as files
// (the dumb protocol), the others by git. SERVER in the Dockerfile is replaced with the server's
// address; known does the reverse.
func serve(t testing.TB, dir string) (known func(string) string) {
	t.Helper()
	served := filepath.Join(dir, "SERVED")
	if _, err := os.Stat(served); err != nil {
		return func(line string) string { return line }
	}
	core, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Skip("git is not installed: ", err)
	}
	git := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(core)), "git-http-backend"),
		Env: []string{
			"GIT_PROJECT_ROOT=" + served, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_COUNT=2",
			"GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*", "GIT_CONFIG_KEY_1=uploadpack.allowAnySHA1InWant", "GIT_CONFIG_VALUE_1=true",
		},
	}
	files := http.FileServer(http.Dir(served))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		repository, _, isGit := strings.Cut(r.URL.Path, ".git/")
		if isGit && !isDumb(filepath.Join(served, repository+".git")) {
			git.ServeHTTP(w, r)
			return
		}
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	address := s.Listener.Addr().String()
	replace := func(file string) {
		text, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(file, []byte(strings.ReplaceAll(string(text), "SERVER", address)), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	replace(filepath.Join(dir, "Dockerfile"))
	return func(line string) string { return strings.ReplaceAll(line, address, "SERVER") }
}

// isDumb reports whether a repository is prepared for servers that do not speak git's protocol.
func isDumb(repository string) bool {
	_, err := os.Stat(filepath.Join(repository, "info", "refs"))
	return err == nil
}
