package container

import (
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/child"
	"github.com/minirun/minirun/internal/container/hostfacts"
	"github.com/minirun/minirun/internal/process"
)

// answerEarly answers Ready before the process asks, if `run` will start it
// immediately and nothing has to happen in between: this saves the process two context
// switches to minirun and back. The answer stays in the socket until the process's
// step reads it.
func (c *Container) answerEarly() error {
	running := c.Plan
	if c.Observed != nil {
		running = c.Observed.Plan
	}
	if !c.purpose.starts || hostfacts.DiesWithParent(c.Spec) || c.options.Hold != nil || c.options.PidFile != "" ||
		c.options.PidFDSocket != "" || c.Spec.Hooks != nil || c.setup.Clones() || running.Asks() != 1 {
		return nil
	}
	for i := range c.values {
		if c.values[i].Late {
			return nil
		}
	}
	answer := child.Continue
	if !process.HasHome(c.Spec.Process.Env) {
		home, known := c.findHomeEarly()
		if !known {
			return nil
		}
		answer = encodeHome(home)
	}
	if err := c.Proc.Reply(answer); err != nil {
		return c.ExplainDeath(err)
	}
	c.answered = true
	return nil
}

// findHomeEarly looks up the home directory in root.path, before the container's mounts
// exist. It is known only if they cannot change the result: no layers, nothing mounted
// over /etc/passwd, and no symbolic link on the way.
func (c *Container) findHomeEarly() (home string, known bool) {
	if len(c.Roots) != 1 {
		return "", false
	}
	for i := range c.Spec.Mounts {
		if at := strings.Trim(c.Spec.Mounts[i].Destination, "/"); at == "" || !plainPath(at) || at == "etc" ||
			at == "etc/passwd" {
			return "", false
		}
	}
	root, err := unix.Open(c.Roots[0], unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", false
	}
	defer func() { _ = unix.Close(root) }()
	home, err = c.FindHomeIn(root, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_SYMLINKS)
	return home, err == nil
}

// plainPath reports whether a path contains no ".", ".." or empty names, so that it
// can be compared as text.
func plainPath(path string) bool {
	for name := range strings.SplitSeq(path, "/") {
		if name == "" || name == "." || name == ".." {
			return false
		}
	}
	return true
}

func encodeHome(home string) []byte { return append([]byte("HOME="+home), 0) }
