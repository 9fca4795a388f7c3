package build

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// agentVariable makes the test binary act as a client of an SSH agent, in a RUN. TestMain contains
// the client, since busybox has no ssh.
const agentVariable = "MINIRUN_TEST_AGENT_CLIENT"

// askAgent prints the types of the agent's keys, signs with each of them, and tries to change the
// agent.
func askAgent() error {
	conn, err := net.Dial("unix", os.Getenv("SSH_AUTH_SOCK"))
	if err != nil {
		return err
	}
	client := agent.NewClient(conn)
	keys, err := client.List()
	if err != nil {
		return err
	}
	for _, k := range keys {
		s, err := client.Sign(k, []byte("data"))
		if err == nil {
			err = k.Verify([]byte("data"), s)
		}
		if err != nil {
			return fmt.Errorf("sign with %s: %w", k.Format, err)
		}
		fmt.Println(k.Format)
	}
	if client.RemoveAll() == nil || client.Lock([]byte("x")) == nil {
		return errors.New("the agent was changed")
	}
	return nil
}

// A key is a private key for a test, in a file.
type key struct {
	path   string
	signer ssh.Signer
}

// newKey writes a key, encrypted if there is a passphrase.
func newKey(t *testing.T, private any, passphrase string) key {
	t.Helper()
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return key{path, signer}
}

func newKeys(t *testing.T) (ed, ec key) {
	t.Helper()
	_, one, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	two, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return newKey(t, one, ""), newKey(t, two, "")
}

// TestRunMountsSSHKeys: RUN --mount=type=ssh provides the keys in files, each under its own ID, and
// those of an agent. The step can sign with them, but cannot change the agent.
func TestRunMountsSSHKeys(t *testing.T) {
	s := newStore(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ed, ec := newKeys(t)
	users := agent.NewKeyring()
	socket := filepath.Join(t.TempDir(), "agent")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _ = agent.ServeAgent(users, conn) }()
		}
	}()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if err := users.Add(agent.AddedKey{PrivateKey: private}); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSH_AUTH_SOCK", socket)
	const edName, ecName = ssh.KeyAlgoED25519 + "\n", ssh.KeyAlgoECDSA256 + "\n"
	for _, c := range []struct{ flags, mount, want string }{
		{"default=" + ed.path, "", edName},
		{"default=" + ed.path + "," + ec.path, "", edName + ecName},
		{"=" + ec.path, "", ecName},
		{"other=" + ec.path + " default=" + ed.path, ",id=other", ecName},
		{"default=" + socket, "", edName},
		{"default", ",required", edName},
		{"other=" + ec.path + " default", "", edName},
	} {
		dir := contextDir(t, map[string]string{
			"Dockerfile": "FROM base AS run\nCOPY client /\nRUN --mount=type=ssh" + c.mount + " " + agentVariable + "=1 /client > /said\nFROM scratch\nCOPY --from=run /said /\n",
		}, "cp "+self+" client")
		out := filepath.Join(t.TempDir(), "out")
		args := []string{"--no-cache", "-o", out, dir}
		for _, f := range strings.Fields(c.flags) {
			args = append(args, "--ssh", f)
		}
		s.build(args...)
		if text, err := os.ReadFile(filepath.Join(out, "said")); err != nil || string(text) != c.want {
			t.Errorf("--ssh %s, %s: %q, want %q, %v", c.flags, c.mount, text, c.want, err)
		}
	}
	if left, err := users.List(); err != nil || len(left) != 1 {
		t.Errorf("the user's agent has %d keys, %v", len(left), err)
	}
}

func TestMessagesForSSHMistakes(t *testing.T) {
	s := newStore(t)
	ed, ec := newKeys(t)
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	secret := newKey(t, private, "secret")
	public := filepath.Join(t.TempDir(), "public")
	if err := os.WriteFile(public, ssh.MarshalAuthorizedKey(ed.signer.PublicKey()), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSH_AUTH_SOCK", "")
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"}, "")
	for flags, want := range map[string]string{
		"default=" + secret.path:                      "private key " + secret.path + ": the key is encrypted, and a build cannot ask for the passphrase\nhint: run ssh-add " + secret.path,
		"default=" + public:                           "contains a public key",
		"default=" + dir + "/Dockerfile":              "no key found",
		"default=" + dir:                              "is a directory",
		"default=" + dir + "/none":                    "no such file",
		"default=" + ed.path + ",":                    "a path is empty",
		"default=" + ed.path + ",raw=true":            "raw=true needs a socket",
		"default":                                     "SSH_AUTH_SOCK is not set",
		"default=" + ed.path + " default=" + ec.path:  "default is given twice\nhint: separate the keys",
		"default=" + ed.path + "," + dir + "/nothing": "no such file",
	} {
		args := []string{"build", "-o", "type=cacheonly", dir}
		for _, f := range strings.Fields(flags) {
			args = append(args, "--ssh", f)
		}
		s.Minirun(args...).Fails(t, want)
	}
}

// A sshServer serves the git repositories in a directory to clients that have a key.
type sshServer struct {
	net.Listener
	t      *testing.T
	dir    string
	config *ssh.ServerConfig
	host   ssh.PublicKey
}

func newSSHServer(t *testing.T, dir string, allowed ssh.PublicKey) *sshServer {
	t.Helper()
	host, _ := newKeys(t)
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
		if string(k.Marshal()) != string(allowed.Marshal()) {
			return nil, errors.New("another key")
		}
		return nil, nil //nolint:nilnil // no permissions to restrict
	}}
	config.AddHostKey(host.signer)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	s := &sshServer{l, t, dir, config, host.signer.PublicKey()}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(conn)
		}
	}()
	return s
}

func (s *sshServer) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	_, channels, requests, err := ssh.NewServerConn(conn, s.config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for c := range channels {
		channel, requests, err := c.Accept()
		if err != nil {
			return
		}
		go s.session(channel, requests)
	}
}

// session runs git-upload-pack for the repository that the client names.
func (s *sshServer) session(channel ssh.Channel, requests <-chan *ssh.Request) {
	defer func() { _ = channel.Close() }()
	for r := range requests {
		if r.Type != "exec" {
			_ = r.Reply(r.Type == "env", nil)
			continue
		}
		var command struct{ Line string }
		name, ok := "", ssh.Unmarshal(r.Payload, &command) == nil
		if ok {
			name, ok = strings.CutPrefix(command.Line, "git-upload-pack '/")
		}
		_ = r.Reply(ok, nil)
		if !ok {
			return
		}
		cmd := exec.Command("git", "-c", "safe.directory=*", "upload-pack", filepath.Join(s.dir, filepath.Base(strings.TrimSuffix(name, "'"))))
		cmd.Stdin, cmd.Stdout, cmd.Stderr = channel, channel, channel.Stderr()
		status := byte(0)
		if err := cmd.Run(); err != nil {
			status = 1
		}
		_, _ = channel.SendRequest("exit-status", false, []byte{0, 0, 0, status})
		return
	}
}

// knownHosts puts an ssh that knows the server first in PATH: the host's ssh reads the known hosts
// from the user's home directory, whatever HOME is.
func (s *sshServer) knownHosts() {
	s.t.Helper()
	real, err := exec.LookPath("ssh")
	if err != nil {
		s.t.Skip("ssh is not installed: ", err)
	}
	dir := s.t.TempDir()
	_, port, err := net.SplitHostPort(s.Addr().String())
	if err == nil {
		line := fmt.Sprintf("[127.0.0.1]:%s %s", port, ssh.MarshalAuthorizedKey(s.host))
		err = os.WriteFile(filepath.Join(dir, "known_hosts"), []byte(line), 0o600)
	}
	if err == nil {
		script := "#!/bin/sh\nexec " + real + " -F /dev/null -o UserKnownHostsFile=" + dir + "/known_hosts -o IdentityFile=/dev/null \"$@\"\n"
		err = os.WriteFile(filepath.Join(dir, "ssh"), []byte(script), 0o755)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// TestGitOverSSH: git uses the key of --ssh default, for contexts and for ADD.
func TestGitOverSSH(t *testing.T) {
	s := newStore(t)
	ed, ec := newKeys(t)
	dir := contextDir(t, map[string]string{"r/Dockerfile": copiesAll, "r/f": "1"},
		"cd r; git init -q -b main; git add .; git commit -q -m x; cd ..; git clone -q --bare r served/r.git")
	server := newSSHServer(t, filepath.Join(dir, "served"), ed.signer.PublicKey())
	server.knownHosts()
	t.Setenv("SSH_AUTH_SOCK", "")
	url := "ssh://git@" + server.Addr().String() + "/r.git"
	plain := contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nADD " + url + "#main /x/\n"}, "")
	named := contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY --from=c . /x/\n"}, "")
	for _, args := range [][]string{{url}, {plain}, {"--build-context", "c=" + url, named}} {
		if got := strings.Join(s.outputNames(append([]string{"--ssh", "default=" + ed.path}, args...)...), " "); got != "Dockerfile f" {
			t.Errorf("%q: %q", args, got)
		}
		s.Minirun(append([]string{"build", "--ssh", "default=" + ec.path}, args...)...).Fails(t, "Permission denied")
		s.Minirun(append([]string{"build"}, args...)...).Fails(t, "Permission denied")
	}
}
