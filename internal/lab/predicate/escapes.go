package predicate

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/lab/scene"
	"github.com/minirun/minirun/internal/lab/words"
)

// escapes runs a script of the learner in a bundle's root file system, and asks whether it reads a file
// of the learner's directory, which is outside.
type escapes struct {
	Bundle string `yaml:"bundle"`
	Script string `yaml:"script"` // its path in the root file system
	Secret string `yaml:"secret"` // the file, relative to the learner's directory
	From   string `yaml:"from"`   // chroot, where it must succeed, or container, where it must not
}

// escapePatience is how long a script may take.
const escapePatience = 10 * time.Second

// shortestSecret keeps the learner's file from being so short that anything contains it.
const shortestSecret = 8

func (q *escapes) Holds(ctx context.Context, s *scene.Scene) (*scene.Failure, error) {
	ctx, cancel := context.WithTimeout(ctx, escapePatience)
	defer cancel()
	secret, err := scene.ReadLearnerFile(s, q.Secret)
	if secret = strings.TrimSpace(secret); err != nil || len(secret) < shortestSecret {
		return scene.Fail(words.New("the file %s as it was", q.Secret), words.New("%q", scene.Shorten(secret)), "cat %s",
			q.Secret)
	}
	switch q.From {
	case "chroot":
		return q.fromChroot(ctx, s)
	case "container":
		return q.fromContainer(ctx, s, secret)
	}
	return nil, fmt.Errorf("escapes: from: %q is not chroot or container", q.From)
}

// chrootScript runs a script in another root directory, as the only inhabitants of new namespaces for
// mounts and processes. In these, another file is mounted on the secret.
const chrootScript = `mount --make-rprivate / && mount --bind "$1" "$2" && chroot "$3" /bin/sh "$4"; exit`

// fromChroot runs the script with a new secret: it cannot know it in another way.
func (q *escapes) fromChroot(ctx context.Context, s *scene.Scene) (*scene.Failure, error) {
	secret := rand.Text()
	file := filepath.Join(s.Work, "secret")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o644); err != nil {
		return nil, err
	}
	root := filepath.Join(s.Dir, q.Bundle, "rootfs")
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", chrootScript,
		"sh", file, filepath.Join(s.Dir, q.Secret), root, q.Script)
	// With the mark, a reset finds what is left if this process is killed.
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", scene.MarkVariable + "=" + scene.Mark(s.Values["token"],
		"trial")}
	// Process 1 of the namespace ends everything that the script leaves.
	cmd.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID}
	cmd.WaitDelay = time.Second
	output, err := cmd.CombinedOutput()
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) && ctx.Err() == nil {
		return nil, err
	}
	if !strings.Contains(string(output), secret) {
		return scene.Fail(words.New("%s prints what is in %s, when its root directory is %s", q.Script, q.Secret,
			q.Bundle+"/rootfs"),
			words.New("%q", scene.Shorten(string(output))), "sudo chroot %s/rootfs /bin/sh %s", q.Bundle, q.Script)
	}
	return nil, nil
}

// containerScript runs an escape of the check, which needs only chroot(2), and then the learner's script.
// Before that the check looks at the process.
const containerScript = `sleep 0.3; nsenter --root=/bin --wd=/ /busybox cat "$1"; exec /bin/sh "$0"`

// fromContainer runs the script in a copy of the bundle. It may call chroot(2) there too, or its failure
// would prove nothing. For the same reason the check tries to escape itself.
func (q *escapes) fromContainer(ctx context.Context, s *scene.Scene, secret string) (*scene.Failure, error) {
	t, err := s.TryWith(ctx, q.Bundle, []string{"/bin/sh", "-c", containerScript, q.Script, "../../" + q.Secret})
	if err != nil {
		return nil, err
	}
	defer t.Close()
	look := "./minirun run " + q.Bundle
	p := t.Process(ctx)
	if p == nil {
		return scene.Fail(words.New("%s starts and runs on", q.Bundle), words.New("%s", scene.Shorten(t.Output())), "%s",
			look)
	}
	names, err := capabilities(p.Status["CapEff"])
	if err != nil {
		return nil, err
	}
	const power = "CAP_SYS_CHROOT"
	if !slices.Contains(names, power) {
		return scene.Fail(words.New("%s with %s", "CapEff", power), words.New("%s: %s", "CapEff", strings.Join(names, " ")),
			"grep -A 30 capabilities %s/config.json", q.Bundle)
	}
	if failure := q.seesScript(s, p); failure != nil {
		return failure, nil
	}
	if scene.SameNamespace(p, "mnt") {
		return scene.Fail(words.New("a %s namespace that is not the host's", "mnt"), words.New("%s, the host's", "mnt"),
			"grep -A 20 namespaces %s/config.json", q.Bundle)
	}
	if !t.Ended(escapePatience) {
		return scene.Fail(words.New("%s exits", q.Script), words.New("it still runs after %v", escapePatience), "%s", look)
	}
	if strings.Contains(t.Output(), secret) {
		return scene.Fail(words.New("no escape from the container, so that %s cannot be read", q.Secret),
			words.New("it can be read"), "./minirun plan %s | grep -E 'chroot|pivot_root'", q.Bundle)
	}
	return nil, nil
}

// seesScript returns a failure if the process does not see the bundle's script: then it has another root
// directory, and an escape that fails proves nothing.
func (q *escapes) seesScript(s *scene.Scene, p *scene.Process) *scene.Failure {
	written, err := scene.ReadBelow(filepath.Join(s.Dir, q.Bundle, "rootfs"), q.Script)
	if err != nil {
		return &scene.Failure{Expected: words.New("the file %s", q.Script), Found: words.New("%v", err),
			Look: "ls -l " + q.Bundle + "/rootfs" + q.Script}
	}
	seen, err := scene.ReadBelow(p.Proc("root"), q.Script)
	if err == nil && seen == written {
		return nil
	}
	return &scene.Failure{Expected: words.New("a container with the root directory %s", q.Bundle+"/rootfs"),
		Found: words.New("it does not see %s", q.Script), Look: "ls -l " + p.Proc("root")}
}
