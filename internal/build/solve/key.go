package solve

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

// This file owns what a step depends on: everything that its result could differ
// by has a name and a value here, and nothing else has. The key is the digest of
// all, and the names are what `--explain` tells of a step that was not cached.

// version begins every key: a builder that makes other files of the same
// instruction must not find the old ones.
const version = "minirun build 3"

// An Ingredient is one thing that a result depends on.
type Ingredient struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// recipe is all of them, in order.
type recipe []Ingredient

func (r *recipe) add(name string, values ...string) {
	*r = append(*r, Ingredient{name, strings.Join(values, "\x00")})
}

// key is the digest of a recipe.
func (r recipe) key() digest.Digest {
	text, err := json.Marshal(append(recipe{{"version", version}}, r...))
	if err != nil {
		panic(err) // strings are always JSON
	}
	sum := sha256.Sum256(text)
	return digest.NewDigestFromBytes(digest.SHA256, sum[:])
}

// isFiles says whether an ingredient is what an input contains, or the step that has
// made it.
func isFiles(x Ingredient) bool { return x.Name == "files" || strings.HasPrefix(x.Name, "files ") }

// looked is the second recipe: with what the inputs contain.
func (r recipe) looked(files recipe) recipe {
	return append(slices.DeleteFunc(slices.Clone(r), isFiles), files...)
}

// ofRun is what a RUN depends on, but for the file systems that it is given.
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
		r.add("here-document "+f.Name, digest.FromString(f.Content).String()) // its bytes need not be text
	}
	for _, m := range op.Mounts {
		m.From = nil // it is a file system
		r.add("mount "+m.Target, must(json.Marshal(m)))
	}
	return r
}

// ofCopy is what a COPY depends on, but for the files.
func ofCopy(op *graph.Copy) recipe {
	var r recipe
	flags := *op
	flags.Sources = nil
	flags.Checksum = "" // what is fetched has been compared with it, and does not differ by it
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

// changed compares two recipes for people: what is other now.
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
