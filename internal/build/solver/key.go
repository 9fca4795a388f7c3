package solver

import (
	"crypto/sha256"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/platforms"
	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/build/dockerfile"
	"github.com/minirun/minirun/internal/build/graph"
)

// This file defines what a step depends on. Everything that can change its result has a name
// and a value here, and nothing else does. The key is the digest of all of them, and
// `--explain` shows the names for a step that was not cached.

// version is the start of every key. Change it when the same instruction starts to produce
// different files, so that old records are not found.
const version = "minirun build 3"

// An Ingredient is one thing that a result depends on.
type Ingredient struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// recipe is the ordered list of ingredients.
type recipe []Ingredient

func (r *recipe) add(name string, values ...string) {
	*r = append(*r, Ingredient{name, strings.Join(values, "\x00")})
}

// key is the digest of a recipe.
func (r recipe) key() digest.Digest {
	text, err := json.Marshal(append(recipe{{"version", version}}, r...))
	if err != nil {
		panic(err) // strings always encode to JSON
	}
	sum := sha256.Sum256(text)
	return digest.NewDigestFromBytes(digest.SHA256, sum[:])
}

// isFiles reports whether an ingredient describes the content of an input, or the step that
// produced it.
func isFiles(x Ingredient) bool { return x.Name == "files" || strings.HasPrefix(x.Name, "files ") }

// looked is the second recipe, with the content of the inputs.
func (r recipe) looked(files recipe) recipe {
	return append(slices.DeleteFunc(slices.Clone(r), isFiles), files...)
}

// ofRun returns what a RUN depends on, except for its input file systems.
func ofRun(op *graph.Run, p oci.Platform) recipe {
	var r recipe
	r.add("command", op.Argv...)
	r.add("platform", platforms.Format(p))
	r.add("WORKDIR", op.Cwd)
	r.add("USER", op.User)
	for _, e := range op.Env {
		if name, value, _ := strings.Cut(e, "="); !dockerfile.IsProxy(name) {
			r.add("variable "+name, value)
		}
	}
	r.add("network", op.Network)
	if op.Insecure {
		r.add("security", "insecure")
	}
	if op.Hostname != "" {
		r.add("hostname", op.Hostname)
	}
	for _, d := range op.Devices {
		r.add("device "+d.Name, d.Found...)
	}
	for _, h := range op.Hosts {
		r.add("host", h)
	}
	if op.Limits.ShmSize > 0 {
		r.add("size of /dev/shm", strconv.FormatInt(op.Limits.ShmSize, 10))
	}
	for _, l := range op.Limits.Rlimits {
		r.add("limit "+l.Type, strconv.FormatUint(l.Soft, 10), strconv.FormatUint(l.Hard, 10))
	}
	for _, f := range op.Files {
		r.add("here-document "+f.Name, digest.FromString(f.Content).String()) // its bytes may not be text
	}
	for _, m := range op.Mounts {
		m.From = nil // a file system: not part of this recipe
		r.add("mount "+m.Target, must(json.Marshal(m)))
	}
	return r
}

// ofCopy returns what a COPY depends on, except for the files.
func ofCopy(op *graph.Copy) recipe {
	var r recipe
	flags := *op
	flags.Sources = nil
	flags.Checksum = "" // the fetched file has been checked against it, and does not depend on it
	r.add("flags", must(json.Marshal(flags)))
	for _, s := range op.Sources {
		if s.File != nil {
			r.add("here-document "+s.File.Name, digest.FromString(s.File.Content).String())
			continue
		}
		r.add("source", s.Path, s.URL)
	}
	return r
}

func must(text []byte, err error) string {
	if err != nil {
		panic(err) // plain data
	}
	return string(text)
}

// changed lists the differences between two recipes for the user.
func changed(before, now recipe) []string {
	var out []string
	value := func(r recipe, name string) (string, bool) {
		i := slices.IndexFunc(r, func(x Ingredient) bool { return x.Name == name })
		if i < 0 {
			return "", false
		}
		return r[i].Value, true
	}
	for _, x := range now {
		old, ok := value(before, x.Name)
		switch {
		case !ok:
			out = append(out, x.Name+": new")
		case old != x.Value && strings.HasPrefix(x.Name, "variable "):
			out = append(out, x.Name+": "+old+" → "+x.Value)
		case old != x.Value:
			out = append(out, x.Name)
		}
	}
	for _, x := range before {
		if _, ok := value(now, x.Name); !ok {
			out = append(out, x.Name+": gone")
		}
	}
	return out
}
