package source

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// This file runs the host's git. git gets only the configuration defined here, no hooks and no
// way to ask for a password, and may use only the protocols that the caller allows: its input
// is untrusted.

// gitConfig is passed to every git command.
var gitConfig = []string{
	"core.hooksPath=/dev/null", "core.fsmonitor=false", "core.attributesFile=/dev/null", "core.symlinks=true",
	"protocol.ext.allow=never", "http.lowSpeedLimit=1", "http.lowSpeedTime=60", "gc.auto=0", "maintenance.auto=false",
	// A redirect could lead to a host that only this machine can reach, and git has no setting
	// against just that.
	"http.followRedirects=false",
	"advice.detachedHead=false", "init.defaultBranch=main", "init.templateDir=", "submodule.recurse=false",
}

// passedVariables lists the host's environment variables that git, curl and ssh use for network access
// and for the user's identity.
var passedVariables = []string{
	"PATH", "HOME", "USER", "LOGNAME", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO",
	"GIT_SSL_CAPATH",
	"http_proxy", "https_proxy", "no_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
}

// A git runs commands on one repository: its location, and how to reach its remote.
type git struct {
	dir       string // --git-dir, or the working tree's directory if tree is set
	tree      bool
	remote    string
	user      *url.Userinfo
	protocols string // in the format of GIT_ALLOW_PROTOCOL
	agent     string // the socket of an SSH agent; "": the host's
}

// remoteProtocols are the protocols for fetches. Submodules of an untrusted repository must
// not refer to files on this host.
const remoteProtocols = "http:https:ssh:git"

func (g *git) environment() []string {
	env := []string{
		"LC_ALL=C", "GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_ATTR_NOSYSTEM=1",
		"GIT_LFS_SKIP_SMUDGE=1", "GIT_PROTOCOL_FROM_USER=0", "GIT_ALLOW_PROTOCOL=" + g.protocols,
		"GIT_SSH_COMMAND=ssh -oBatchMode=yes -oConnectTimeout=30 -oServerAliveInterval=20 -oServerAliveCountMax=3",
	}
	for _, name := range passedVariables {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	if g.agent != "" { // the last variable takes precedence
		env = append(env, "SSH_AUTH_SOCK="+g.agent)
	}
	if g.user == nil {
		return env
	}
	// Not in the URL, which would appear in the process's arguments and in .git/config.
	u, err := url.Parse(g.remote)
	if err != nil {
		return env
	}
	password, _ := g.user.Password()
	basic := base64.StdEncoding.EncodeToString([]byte(g.user.Username() + ":" + password))
	return append(env, "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=http."+u.Scheme+"://"+u.Host+"/.extraHeader",
		"GIT_CONFIG_VALUE_0=Authorization: Basic "+basic)
}

// run executes git and returns its output.
func (g *git) run(ctx context.Context, args ...string) (string, error) {
	var all []string
	for _, c := range gitConfig {
		all = append(all, "-c", c)
	}
	switch {
	case g.tree:
		all = append(all, "-C", g.dir)
	case g.dir != "":
		all = append(all, "--git-dir="+g.dir)
	default:
		// Otherwise git would look for a repository around its working directory and follow its
		// configuration, which can name programs (core.gitProxy, credential.helper). The working
		// directory may be an untrusted context.
		all = append(all, "--git-dir="+os.DevNull)
	}
	cmd := exec.CommandContext(ctx, "git", append(all, args...)...)
	cmd.Env, cmd.Dir = g.environment(), "/"
	out := &headBuffer{limit: maxGitOutput}
	said := &tailBuffer{limit: 4 << 10}
	cmd.Stdout, cmd.Stderr = out, said
	// Also kill the protocol helpers, which would otherwise continue to fetch.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	switch {
	case out.over:
		return "", fmt.Errorf("git %s: the output exceeds %d bytes", args[0], out.limit)
	case err == nil:
		return out.kept.String(), nil
	case errors.Is(err, exec.ErrNotFound):
		return "", fmt.Errorf("git is needed for %s, but is not installed\nhint: install git", g.remote)
	case ctx.Err() != nil:
		return "", ctx.Err()
	}
	return "", &gitError{verb: args[0], said: strings.TrimSpace(said.String()), err: err}
}

// A gitError contains git's error message.
type gitError struct {
	verb, said string
	err        error
}

func (e *gitError) Error() string {
	if e.said == "" {
		return fmt.Sprintf("git %s: %v", e.verb, e.err)
	}
	return fmt.Sprintf("git %s: %s", e.verb, lastLines(e.said, 2))
}

// generalLines are the beginnings of what git adds after the cause of a failure.
var generalLines = []string{
	"fatal: Could not read from remote repository.", "Please make sure you have the correct access rights",
	"and the repository exists.", "fatal: clone of ", "Failed to clone ", "Cloning into ",
}

func isGeneral(line string) bool {
	return slices.ContainsFunc(generalLines, func(beginning string) bool { return strings.HasPrefix(line, beginning) })
}

// lastLines returns the last lines of a message that say something specific, as one line. Warnings of
// ssh come before the cause.
func lastLines(text string, most int) string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !isGeneral(line) && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return strings.TrimSpace(text)
	}
	return strings.Join(lines[max(len(lines)-most, 0):], "; ")
}

func (e *gitError) Unwrap() error { return e.err }

// maxGitOutput limits the output of git: for ls-remote, a server can make it arbitrarily long.
// The requested names take a few hundred bytes.
const maxGitOutput = 1 << 20

// A headBuffer keeps the beginning of what is written to it. Writing more is an error, which stops
// the program that writes.
type headBuffer struct {
	limit int
	kept  bytes.Buffer
	over  bool
}

func (h *headBuffer) Write(p []byte) (int, error) {
	if h.over = h.over || h.kept.Len()+len(p) > h.limit; h.over {
		return 0, errors.New("too much output")
	}
	return h.kept.Write(p)
}

// A tailBuffer keeps the end of what is written to it. The buffer is not embedded: its ReadFrom
// would be promoted, and os/exec would bypass Write and fill the buffer with the server's
// messages.
type tailBuffer struct {
	limit int
	kept  bytes.Buffer
}

func (t *tailBuffer) Write(p []byte) (int, error) {
	n, err := t.kept.Write(p)
	if over := t.kept.Len() - t.limit; over > 0 {
		t.kept.Next(over)
	}
	return n, err
}

func (t *tailBuffer) String() string { return t.kept.String() }
