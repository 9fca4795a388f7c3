package predicate

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/minirun/minirun/internal/lab/scene"
	"github.com/minirun/minirun/internal/lab/words"
	"github.com/minirun/minirun/internal/spec"
)

// status asks for a field of /proc/PID/status (proc_pid_status(5)).
type status struct {
	scene.Of `yaml:",inline"`
	Field    string   `yaml:"field"` // NoNewPrivs, Seccomp, CapEff, Uid, …
	Is       string   `yaml:"is"`    // its value; the first word if it is one word
	Has      []string `yaml:"has"`   // capabilities in the set
	Lacks    []string `yaml:"lacks"` // capabilities that are not
}

func (q *status) Holds(_ context.Context, s *scene.Scene) (*scene.Failure, error) {
	p, failure := q.Find(s)
	if failure != nil {
		return failure, nil
	}
	value, ok := p.Status[q.Field]
	if !ok {
		return nil, fmt.Errorf("/proc/%d/status has no field %q", p.PID, q.Field)
	}
	look := fmt.Sprintf("grep %s %s", q.Field, p.Proc("status"))
	if first, _, _ := strings.Cut(value, " "); q.Is != "" && value != q.Is && first != q.Is {
		return scene.Fail(words.New("%s: %s", q.Field, q.Is), words.New("%s: %s", q.Field, value), "%s", look)
	}
	if len(q.Has)+len(q.Lacks) == 0 {
		return nil, nil
	}
	names, err := capabilities(value)
	if err != nil {
		return nil, err
	}
	found := words.New("%s: %s", q.Field, strings.Join(names, " "))
	for _, c := range q.Has {
		if !slices.Contains(names, c) {
			return scene.Fail(words.New("%s with %s", q.Field, c), found, "%s", look)
		}
	}
	for _, c := range q.Lacks {
		if slices.Contains(names, c) {
			return scene.Fail(words.New("%s without %s", q.Field, c), found, "%s", look)
		}
	}
	return nil, nil
}

// capabilities returns the names in a set of /proc/PID/status.
func capabilities(hex string) (names []string, err error) {
	set, err := strconv.ParseUint(hex, 16, 64)
	if err != nil {
		return nil, fmt.Errorf("%q is not a set of capabilities: %w", hex, err)
	}
	for n, name := range spec.CapabilityNames() {
		if set&(1<<n) != 0 {
			names = append(names, name)
		}
	}
	return names, nil
}

// argv asks for the arguments of a container's first process.
type argv struct {
	scene.Of `yaml:",inline"`
	Is       []string `yaml:"is"`
}

func (a *argv) Holds(_ context.Context, s *scene.Scene) (*scene.Failure, error) {
	p, failure := a.Find(s)
	if failure != nil {
		return failure, nil
	}
	data, err := os.ReadFile(p.Proc("cmdline"))
	if err != nil {
		return nil, err
	}
	var found []string
	for word := range bytes.SplitSeq(bytes.TrimSuffix(data, []byte{0}), []byte{0}) {
		found = append(found, string(word))
	}
	if !slices.Equal(found, a.Is) {
		return scene.Fail(words.New("process 1 with the arguments %q", a.Is), words.New("%q", found),
			"tr '\\0' '\\n' <%s", p.Proc("cmdline"))
	}
	return nil, nil
}

// idmap asks for an ID map of the container's user namespace (user_namespaces(7)).
type idmap struct {
	scene.Of `yaml:",inline"`
	Inside   int    `yaml:"inside"` // this user ID in the container …
	Not      *int   `yaml:"not"`    // … is not this one on the host
	IsUser   string `yaml:"user"`   // … is this one: a number, or caller for the user of the lab
	File     string `yaml:"file"`   // uid_map or gid_map
}

func (m *idmap) Holds(_ context.Context, s *scene.Scene) (*scene.Failure, error) {
	p, failure := m.Find(s)
	if failure != nil {
		return failure, nil
	}
	path := p.Proc(m.File)
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	outside, ok := scene.MapID(string(data), m.Inside)
	found := words.New("%d is %d on the host", m.Inside, outside)
	if !ok {
		found = words.New("%d is not mapped", m.Inside)
	}
	want := m.IsUser
	if want == "caller" {
		want = s.Values["uid"]
	}
	switch {
	case m.Not != nil && (!ok || outside == *m.Not):
		return scene.Fail(words.New("user %d of the container is not user %d of the host", m.Inside, *m.Not), found,
			"cat %s", path)
	case want != "" && (!ok || strconv.Itoa(outside) != want):
		return scene.Fail(words.New("user %d of the container is user %s of the host", m.Inside, want), found, "cat %s", path)
	}
	return nil, nil
}
