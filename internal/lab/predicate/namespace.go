package predicate

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/minirun/minirun/internal/lab/words"
)

// container asks whether a container of the learner runs: a process with the lab's mark that is not in
// all namespaces of the host.
type container struct {
	Of      `yaml:",inline"`
	IsFirst bool   `yaml:"first"`   // it is number 1 in its PID namespace
	PIDFile string `yaml:"pidfile"` // a file of the learner's with its number on the host
}

func (c *container) Holds(_ context.Context, s *Scene) (*Failure, error) {
	p, failure := c.find(s)
	if failure != nil {
		return failure, nil
	}
	if c.IsFirst && !p.isInit() {
		return fail(words.New("a process that is number 1 in a PID namespace below the host's"),
			words.New("process %d has the numbers %s", p.PID, p.Status["NSpid"]), "grep NSpid %s", p.Proc("status"))
	}
	own := false
	for _, kind := range []string{"pid", "mnt", "uts", "ipc", "net", "user", "cgroup"} {
		own = own || !sameNamespace(p, kind)
	}
	if !own {
		return fail(words.New("a process in namespaces of its own"),
			words.New("process %d is in all namespaces of the host", p.PID), "ls -l %s /proc/1/ns", p.Proc("ns"))
	}
	if c.PIDFile == "" {
		return nil, nil
	}
	text, err := readLearnerFile(s, c.PIDFile)
	if err != nil {
		return fail(words.New("the file %s with the process's number on the host", c.PIDFile), words.New("%v", err), "ls -l")
	}
	if given := strings.TrimSpace(text); given != fmt.Sprint(p.PID) {
		return fail(words.New("the number of the container's first process on the host in %s", c.PIDFile),
			words.New("%q, which is another process", given), "grep -H NSpid /proc/[0-9]*/status")
	}
	return nil, nil
}

// namespace asks in which namespace a container is.
type namespace struct {
	Of   `yaml:",inline"`
	Kind string `yaml:"kind"` // pid, mnt, uts, ipc, net, user, cgroup, time
	Is   string `yaml:"is"`   // own, host, or the part of another container with which it is shared
}

// hostNamespaces has the namespaces of the host: those of the process that asks.
const hostNamespaces = "/proc/self/ns/"

func sameNamespace(p *Process, kind string) bool {
	theirs, err := os.Readlink(p.Proc("ns/" + kind))
	if err != nil {
		return false
	}
	ours, err := os.Readlink(hostNamespaces + kind)
	return err == nil && theirs == ours
}

func (n *namespace) Holds(_ context.Context, s *Scene) (*Failure, error) {
	p, failure := n.find(s)
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
		if sameNamespace(p, n.Kind) {
			return fail(words.New("a %s namespace that is not the host's", n.Kind), words.New("%s, the host's", found), "%s", look)
		}
	case "host":
		if !sameNamespace(p, n.Kind) {
			return fail(words.New("the %s namespace of the host", n.Kind), words.New("%s, another one", found), "%s", look)
		}
	default:
		other, failure := Of{n.Is}.find(s)
		if failure != nil {
			return failure, nil
		}
		theirs, err := os.Readlink(other.Proc("ns/" + n.Kind))
		if err != nil {
			return nil, err
		}
		if theirs != found {
			return fail(words.New("the %s namespace of %s: %s", n.Kind, n.Is, theirs), words.New("%s", found), "%s", look)
		}
	}
	return nil, nil
}

// kernel asks whether a container has the kernel of the host: the boot ID that its /proc shows is the same
// (random(4)).
type kernel struct {
	Of `yaml:",inline"`
}

// bootID is a file with a text that the kernel chooses when it starts.
const bootID = "sys/kernel/random/boot_id"

func (k *kernel) Holds(_ context.Context, s *Scene) (*Failure, error) {
	p, failure := k.find(s)
	if failure != nil {
		return failure, nil
	}
	ours, err := os.ReadFile("/proc/" + bootID)
	if err != nil {
		return nil, err
	}
	theirs, err := readBelow(p.Proc("root"), "proc/"+bootID)
	if err != nil {
		return fail(words.New("/proc in the container with the kernel's boot ID"), words.New("%v", err), "ls %s", p.Proc("root/proc"))
	}
	if theirs != string(ours) {
		return fail(words.New("the boot ID %s", strings.TrimSpace(string(ours))), words.New("%s", strings.TrimSpace(theirs)),
			"cat %s /proc/%s", p.Proc("root/proc/"+bootID), bootID)
	}
	return nil, nil
}
