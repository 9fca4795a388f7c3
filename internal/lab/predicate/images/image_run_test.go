package images

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/minirun/minirun/internal/lab/scene"
)

// TestContextIsCopied: links stay links, so that a build in the copy sees what the learner's sees, and
// nothing outside of the directory is read.
func TestContextIsCopied(t *testing.T) {
	s := &scene.Scene{Dir: t.TempDir(), Work: t.TempDir()}
	app := filepath.Join(s.Dir, "app")
	if err := os.MkdirAll(filepath.Join(app, "src"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(app, "src/server.js"), []byte("a word, a word"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"inner": "src/server.js", "outer": "/etc/passwd"} {
		if err := os.Symlink(target, filepath.Join(app, name)); err != nil {
			t.Fatal(err)
		}
	}
	b, err := copyContext(s, "app")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"inner": "src/server.js", "outer": "/etc/passwd"} {
		if got, err := os.Readlink(filepath.Join(b.dir, name)); got != want || err != nil {
			t.Errorf("%s -> %q, %v", name, got, err)
		}
	}
	if found, err := b.replace("src/server.js", "word", "x"); !found || err != nil {
		t.Errorf("%v, %v", found, err)
	}
	if data, err := os.ReadFile(filepath.Join(b.dir, "src/server.js")); string(data) != "a x, a x" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
	if data, err := os.ReadFile(filepath.Join(app, "src/server.js")); string(data) != "a word, a word" || err != nil {
		t.Errorf("the learner's file is changed: %q, %v", data, err)
	}
	for _, file := range []string{"src/server.js", "none"} {
		if found, err := b.replace(file, "missing", "x"); found || err != nil {
			t.Errorf("%s: %v, %v", file, found, err)
		}
	}
}

// TestGetNeedsAnAnswer: a server that accepts connections and sends nothing does not answer.
func TestGetNeedsAnAnswer(t *testing.T) {
	for _, c := range []struct{ answer, want string }{
		{"HTTP/1.0 200 OK\r\n\r\npage", "HTTP/1.0 200 OK\r\n\r\npage"}, {"", ""},
	} {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		answered := make(chan struct{})
		go func() {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if c.answer != "" {
				_, _ = conn.Write([]byte(c.answer))
				_ = conn.Close()
				return
			}
			<-answered // a server that hangs
			_ = conn.Close()
		}()
		_, port, err := net.SplitHostPort(l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		limit := time.Minute
		if c.answer == "" {
			limit = 50 * time.Millisecond
		}
		got, err := get(t.Context(), port, limit)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%q: %q, %v", c.answer, got, err)
		}
		close(answered)
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if _, err := get(t.Context(), port, time.Minute); err == nil {
			t.Error("a closed port answers")
		}
	}
}

// TestServerThatStarts: a server that listens a moment later answers.
func TestServerThatStarts(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		l, err := net.Listen("tcp4", address)
		if err != nil {
			return
		}
		defer func() { _ = l.Close() }()
		if conn, err := l.Accept(); err == nil {
			_, _ = conn.Write([]byte("page"))
			_ = conn.Close()
		}
	}()
	if page, err := awaitPage(t.Context(), port); page != "page" || err != nil {
		t.Errorf("%q, %v", page, err)
	}
}
