package sshagent

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// keyFiles writes private keys in every format, and returns their names.
func keyFiles(t *testing.T) (dir string, names []string) {
	t.Helper()
	dir = t.TempDir()
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	big := must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
	bytes, block := must[[]byte](t), must[*pem.Block](t)
	for name, b := range map[string]*pem.Block{
		"openssh":   block(ssh.MarshalPrivateKey(ed, "")),
		"openssh-r": block(ssh.MarshalPrivateKey(big, "")),
		"pkcs1":     {Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(big)},
		"pkcs8":     {Type: "PRIVATE KEY", Bytes: bytes(x509.MarshalPKCS8PrivateKey(ed))},
		"sec1":      {Type: "EC PRIVATE KEY", Bytes: bytes(x509.MarshalECPrivateKey(ec))},
	} {
		write(t, filepath.Join(dir, name), pem.EncodeToMemory(b))
		names = append(names, name)
	}
	secret := pem.EncodeToMemory(block(ssh.MarshalPrivateKeyWithPassphrase(ed, "", []byte("secret"))))
	write(t, filepath.Join(dir, "encrypted"), secret)
	write(t, filepath.Join(dir, "public"),
		ssh.MarshalAuthorizedKey(must[ssh.PublicKey](t)(ssh.NewPublicKey(ed.Public()))))
	write(t, filepath.Join(dir, "text"), []byte("text\n"))
	write(t, filepath.Join(dir, "long"), make([]byte, maxKey+1))
	return dir, names
}

func write(t *testing.T, name string, text []byte) {
	t.Helper()
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// connect returns a client of the socket that host programs use.
func connect(t *testing.T, a *Agent) agent.ExtendedAgent {
	t.Helper()
	path, err := a.Socket()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return agent.NewClient(conn)
}

// TestKeyFiles: one agent signs with keys of every format.
func TestKeyFiles(t *testing.T) {
	dir, names := keyFiles(t)
	var paths []string
	for _, name := range names {
		paths = append(paths, filepath.Join(dir, name))
	}
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	a, err := Open(paths, false)
	if err != nil {
		t.Fatal(err)
	}
	client := connect(t, a)
	keys, err := client.List()
	if err != nil || len(keys) != len(names) {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	for _, k := range keys {
		s, err := client.SignWithFlags(k, []byte("data"), agent.SignatureFlagRsaSha512)
		if err == nil {
			err = k.Verify([]byte("data"), s)
		}
		if err != nil {
			t.Errorf("%s: %v", k, err)
		}
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("the socket has a name: %v, %v", left, err)
	}
	path, _ := a.Socket()
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if conn, err := net.Dial("unix", path); err == nil {
		_ = conn.Close()
		t.Errorf("%s is still there after Close", path)
	}
}

func TestKeyErrors(t *testing.T) {
	dir, _ := keyFiles(t)
	l := listen(t, filepath.Join(dir, "socket"), func(*net.UnixConn) {})
	defer l.Close()
	for names, want := range map[string]string{
		"encrypted": "encrypted, and a build cannot ask for the passphrase\nhint: run ssh-add " + dir +
			"/encrypted",
		"public":         "contains a public key",
		"text":           "no key found",
		"long":           "more than",
		".":              "is a directory",
		"none":           "no such file",
		"openssh none":   "no such file",
		"socket openssh": "must be the only path",
		"openssh socket": "must be the only path",
	} {
		var paths []string
		for _, name := range strings.Fields(names) {
			paths = append(paths, filepath.Join(dir, name))
		}
		if _, err := Open(paths, false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", names, err, want)
		}
	}
	if _, err := Open([]string{filepath.Join(dir, "openssh")}, true); err == nil ||
		!strings.Contains(err.Error(), "raw=true needs a socket") {
		t.Error(err)
	}
}

func listen(t *testing.T, path string, answer func(*net.UnixConn)) *net.UnixListener {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := l.AcceptUnix()
			if err != nil {
				return
			}
			go func() { answer(conn); _ = conn.Close() }()
		}
	}()
	return l
}

// TestAgentOnlySigns: a build can use the keys of the user's agent, but cannot change them or
// lock the agent.
func TestAgentOnlySigns(t *testing.T) {
	users := agent.NewKeyring()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if err := users.Add(agent.AddedKey{PrivateKey: key}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	l := listen(t, filepath.Join(dir, "agent"), func(c *net.UnixConn) { _ = agent.ServeAgent(users, c) })
	defer l.Close()
	a, err := Open([]string{filepath.Join(dir, "agent")}, false)
	if err != nil {
		t.Fatal(err)
	}
	own, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "step"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	go a.Serve(own)
	defer own.Close()
	conn, err := net.Dial("unix", own.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := agent.NewClient(conn)
	keys, err := client.List()
	if err != nil || len(keys) != 1 {
		t.Fatal(keys, err)
	}
	_, other, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"add": client.Add(agent.AddedKey{PrivateKey: other}), "remove": client.Remove(keys[0]),
		"remove all": client.RemoveAll(),
		"lock":       client.Lock([]byte("x")), "unlock": client.Unlock([]byte("x")),
	} {
		if err == nil {
			t.Errorf("%s: done", name)
		}
	}
	if _, err := client.Extension("other@example.org", nil); err == nil {
		t.Error("an extension was forwarded")
	}
	if s, err := client.Sign(keys[0], []byte("data")); err != nil || keys[0].Verify([]byte("data"), s) != nil {
		t.Errorf("cannot sign: %v", err)
	}
	if left, err := users.List(); err != nil || len(left) != 1 {
		t.Errorf("the agent has %d keys, %v", len(left), err)
	}
}

// TestRawSocket: with raw, another protocol is forwarded unchanged in both directions.
func TestRawSocket(t *testing.T) {
	dir := t.TempDir()
	l := listen(t, filepath.Join(dir, "service"), func(c *net.UnixConn) {
		text, _ := io.ReadAll(c)
		_, _ = c.Write([]byte("you said " + string(text)))
	})
	defer l.Close()
	a, err := Open([]string{filepath.Join(dir, "service")}, true)
	if err != nil {
		t.Fatal(err)
	}
	own := listen(t, filepath.Join(dir, "step"), a.serveConn)
	defer own.Close()
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: own.Addr().String(), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(conn); err != nil || string(text) != "you said hello" {
		t.Errorf("%q, %v", text, err)
	}
}
