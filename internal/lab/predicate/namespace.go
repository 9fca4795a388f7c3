package predicate

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/minirun/minirun/internal/lab/scene"
	"github.com/minirun/minirun/internal/lab/words"
)

// container asks whether a container of the learner runs: a process with the lab's mark that is not in
// all namespaces of the host.
type container struct {
	scene.Of `yaml:",inline"`
	IsFirst  bool   `yaml:"first"`   // it is number 1 in its PID namespace
	PIDFile  string `yaml:"pidfile"` // a file of the learner's with its number on the host
}

func (c *container) Holds(_ context.Context, s *scene.Scene) (*scene.Failure, error) {
	p, failure := c.Find(s)
	if failure != nil {
		return failure, nil
	}
	if c.IsFirst && !p.IsInit() {
		return scene.Fail(words.New("a process that is number 1 in a PID namespace below the host's"),
			words.New("process %d has the numbers %s", p.PID, p.Status["NSpid"]), "grep NSpid %s", p.Proc("status"))
	}
	own := false
	for _, kind := range []string{"pid", "mnt", "uts", "ipc", "net", "user", "cgroup"} {
		own = own || !scene.SameNamespace(p, kind)
	}
	if !own {
		return scene.Fail(words.New("a process in its own namespaces"),
			words.New("process %d is in all namespaces of the host", p.PID), "ls -l %s /proc/1/ns", p.Proc("ns"))
	}
	if c.PIDFile == "" {
		return nil, nil
	}
	text, err := scene.ReadLearnerFile(s, c.PIDFile)
	if err != nil {
		return scene.Fail(words.New("the file %s with the process's number on the host", c.PIDFile), words.New("%v", err),
			"ls -l")
	}
	if given := strings.TrimSpace(text); given != fmt.Sprint(p.PID) {
		return scene.Fail(words.New("the number of the container's first process on the host in %s", c.PIDFile),
			words.New("%q, which is another process", given), "grep -H NSpid /proc/[0-9]*/status")
	}
	return nil, nil
}

// namespace asks in which namespace a container is.
type namespace struct {
	scene.Of `yaml:",inline"`
	Kind     string `yaml:"kind"` // pid, mnt, uts, ipc, net, user, cgroup, time
	Is       string `yaml:"is"`   // own, host, or the part of another container with which it is shared
}

func (n *namespace) Holds(_ context.Context, s *scene.Scene) (*scene.Failure, error) {
	p, failure := n.Find(s)
	if failure != nil {
		return failure, nil
	}
	found, err := os.Readlink(p.Proc("ns/" + n.Kind))
	if err != nil {
		return nil, err
	}
	look := fmt.Sprintf("readlink %s /proc/self/ns/%s", p.Proc("ns/"+n.Kind), n.Kind)
	switch n.Is {
	case "own":
		if scene.SameNamespace(p, n.Kind) {
			return scene.Fail(words.New("a %s namespace that is not the host's", n.Kind), words.New("%s, the host's", found),
				"%s", look)
		}
	case "host":
		if !scene.SameNamespace(p, n.Kind) {
			return scene.Fail(words.New("the %s namespace of the host", n.Kind), words.New("%s, another one", found), "%s", look)
		}
	default:
		other, failure := scene.Of{Of: n.Is}.Find(s)
		if failure != nil {
			return failure, nil
		}
		theirs, err := os.Readlink(other.Proc("ns/" + n.Kind))
		if err != nil {
			return nil, err
		}
		if theirs != found {
			return scene.Fail(words.New("the %s namespace of %s: %s", n.Kind, n.Is, theirs), words.New("%s", found), "%s", look)
		}
	}
	return nil, nil
}

// kernel asks whether a container has the kernel of the host: the boot ID that its /proc shows is the same
// (random(4)).
type kernel struct {
	scene.Of `yaml:",inline"`
}

// bootID is a file with a text that the kernel chooses when it starts.
const bootID = "sys/kernel/random/boot_id"

func (k *kernel) Holds(_ context.Context, s *scene.Scene) (*scene.Failure, error) {
	p, failure := k.Find(s)
	if failure != nil {
		return failure, nil
	}
	ours, err := os.ReadFile("/proc/" + bootID)
	if err != nil {
		return nil, err
	}
	theirs, err := scene.ReadBelow(p.Proc("root"), "proc/"+bootID)
	if err != nil {
		return scene.Fail(words.New("/proc in the container with the kernel's boot ID"), words.New("%v", err), "ls %s",
			p.Proc("root/proc"))
	}
	if theirs != string(ours) {
		return scene.Fail(words.New("the boot ID %s", strings.TrimSpace(string(ours))), words.New("%s",
			strings.TrimSpace(theirs)),
			"cat %s /proc/%s", p.Proc("root/proc/"+bootID), bootID)
	}
	return nil, nil
}
