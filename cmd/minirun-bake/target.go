package main

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker/buildx/bake"
	"github.com/docker/buildx/build"
	"github.com/docker/buildx/util/buildflags"
)

// newFlagList returns the flags that select the Dockerfile of a target; a call needs them
// too. Contexts that name another target are added when their images are known.
func newFlagList(t *bake.Target, in build.Inputs) *flagList {
	a := &flagList{}
	switch {
	case in.DockerfileInline != "":
		a.add("file", "-")
	case in.DockerfilePath != "" && !isDefaultFile(in):
		a.add("file", in.DockerfilePath)
	}
	a.add("target", deref(t.Target))
	a.addPairs("build-arg", t.Args)
	a.add("platform", strings.Join(t.Platforms, ","))
	for _, name := range slices.Sorted(maps.Keys(in.NamedContexts)) {
		if _, other := strings.CutPrefix(in.NamedContexts[name].Path, targetPrefix); !other {
			a.add("build-context", name+"="+in.NamedContexts[name].Path)
		}
	}
	return a
}

// isDefaultFile reports whether the Dockerfile is one that minirun build finds by itself,
// under either of its two names.
func isDefaultFile(in build.Inputs) bool {
	const name = "Dockerfile"
	return in.DockerfilePath == filepath.Join(in.ContextPath, name) ||
		strings.Contains(in.ContextPath, "://") && in.DockerfilePath == name
}

// addBuildFlags adds the flags that affect how the target is built.
func (a *flagList) addBuildFlags(t *bake.Target) {
	a.add("network", deref(t.NetworkMode))
	a.add("shm-size", deref(t.ShmSize))
	a.addPairs("label", t.Labels)
	a.addList("annotation", t.Annotations)
	a.addList("allow", t.Entitlements)
	a.addList("ulimit", t.Ulimits)
	if t.NoCache == nil || !*t.NoCache { // no-cache includes all stages
		a.addList("no-cache-filter", t.NoCacheFilter)
	}
	if t.Resources != nil {
		a.addList("resource", t.Resources.ToEntries())
	}
	a.addList("attest", formatAll(t.Attest))
	a.addList("cache-from", formatAll(t.CacheFrom))
	a.addList("cache-to", formatAll(t.CacheTo))
	a.addList("secret", formatAll(resolveSecrets(t.Secrets)))
	a.addList("ssh", formatAll(t.SSH))
	a.addHosts(t.ExtraHosts)
	a.addBool("pull", t.Pull)
	a.addBool("no-cache", t.NoCache)
}

// targetPrefix is the prefix of a context that is the result of another target.
const targetPrefix = "target:"

// checkSupported rejects a field that minirun build does not support.
func checkSupported(t *bake.Target) error {
	for _, p := range t.Policy {
		if !p.Disabled {
			return errors.New("policy: minirun does not evaluate policies\n" +
				"hint: remove the policy, or set disabled = true")
		}
	}
	return nil
}

// A flagList is a list of command-line flags.
type flagList struct{ words []string }

// add adds a flag with a value, if that is not empty.
func (a *flagList) add(flag, value string) {
	if value != "" {
		a.words = append(a.words, "--"+flag+"="+value)
	}
}

func (a *flagList) addList(flag string, values []string) {
	for _, v := range values {
		a.add(flag, v)
	}
}

// addPairs adds NAME=VALUE for each pair. Without a value, the Dockerfile's default applies.
func (a *flagList) addPairs(flag string, values map[string]*string) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if v := values[name]; v != nil {
			a.add(flag, name+"="+*v)
		}
	}
}

// addHosts adds NAME:ADDRESS for each address of a name.
func (a *flagList) addHosts(values map[string]*string) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if v := values[name]; v != nil {
			for address := range strings.SplitSeq(*v, ",") {
				a.add("add-host", name+":"+address)
			}
		}
	}
}

func (a *flagList) addBool(flag string, on *bool) {
	if on != nil && *on {
		a.words = append(a.words, "--"+flag)
	}
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func formatAll[T fmt.Stringer](list []T) []string {
	var out []string
	for _, e := range list {
		out = append(out, e.String())
	}
	return out
}

// resolveSecrets determines for each secret whether it is a file or a variable.
func resolveSecrets(list buildflags.Secrets) []*buildflags.Secret {
	var out []*buildflags.Secret
	for _, s := range list {
		out = append(out, s.ResolveSource())
	}
	return out
}

// A call is a query about a Dockerfile, instead of a build.
type call struct {
	name  string // check, outline or targets
	words []string
	json  bool
}

// parseCall parses call. It returns nil for a build.
func parseCall(text string) (*call, error) {
	f, err := buildflags.ParseCallFunc(text)
	if err != nil || f == nil {
		return nil, err
	}
	c := &call{name: f.Name, json: f.Format == "json"}
	switch f.Name {
	case "lint", "check": // ParseCallFunc uses the older name for check
		c.name, c.words = "check", []string{"--check"}
		if f.Format != "" {
			c.words = append(c.words, "--format="+f.Format)
		}
	case "outline", "targets":
		c.words = []string{"--call=" + f.Name}
		if f.Format != "" {
			c.words[0] += ",format=" + f.Format
		}
	default:
		return nil, fmt.Errorf("call: %s: must be build, check, outline or targets", f.Name)
	}
	if f.IgnoreStatus {
		return nil, errors.New("call: ignorestatus: not supported, because a finding of check is always an error")
	}
	return c, nil
}
