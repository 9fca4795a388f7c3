package solver

import (
	"crypto/sha256"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/platforms"
	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/build/dockerfile"
	"github.com/minirun/minirun/internal/build/graph"
)

// This file defines what a step depends on. Everything that can change its result has a kind, a
// name and a value here, and nothing else does. The key is the digest of all of them, and
// `--explain` shows the differences for a step that was not cached.

// version is the start of every key. Change it when the same instruction starts to produce
// different files, so that old records are not found.
const version = "minirun build 3"

// A Kind is what an Ingredient describes. Its text is part of every key: a change makes all cached
// steps unusable, as a change of version does. describe has the text for the user.
type Kind string

const (
	parentKind  Kind = "the step before" // the step that produced the file system below
	epochKind   Kind = "SOURCE_DATE_EPOCH"
	versionKind Kind = "version"

	// RUN:
	commandKind    Kind = "command"
	platformKind   Kind = "platform"
	workdirKind    Kind = "WORKDIR"
	userKind       Kind = "USER"
	variableKind   Kind = "variable"
	networkKind    Kind = "network"
	securityKind   Kind = "security"
	hostnameKind   Kind = "hostname"
	deviceKind     Kind = "device"
	hostKind       Kind = "host"
	shmSizeKind    Kind = "size of /dev/shm"
	rlimitKind     Kind = "limit"
	heredocKind    Kind = "here-document"
	mountKind      Kind = "mount"
	mountFilesKind Kind = "files below" // the content of a mount, or the step that produced it

	// COPY, ADD, WORKDIR:
	flagsKind       Kind = "flags"
	sourceKind      Kind = "source"
	sourceFilesKind Kind = "files of" // the step that produced a source
	filesKind       Kind = "files"    // the content of all sources
	fetchedKind     Kind = "fetched"
	directoryKind   Kind = "directory"

	// For digests that are not keys of steps:
	scratchKind Kind = "scratch"
	imageKind   Kind = "image"
	keyKind     Kind = "key"
	randomKind  Kind = "made"
	linkedKind  Kind = "linked"
	layerKind   Kind = "imported layer"
	belowKind   Kind = "layers below"
	contentKind Kind = "content"
	nameKind    Kind = "name"
)

// isContent reports whether an ingredient is the content of an input, or the step that produced it.
func (k Kind) isContent() bool {
	return k == filesKind || k == sourceFilesKind || k == mountFilesKind
}

// hasName reports whether a step can have several ingredients of a kind, distinguished by a name.
func (k Kind) hasName() bool {
	switch k {
	case variableKind, deviceKind, rlimitKind, heredocKind, mountKind, mountFilesKind, sourceFilesKind:
		return true
	}
	return false
}

// An Ingredient is one thing that a result depends on.
type Ingredient struct {
	Kind  Kind   `json:"kind"`
	Name  string `json:"name,omitempty"` // if there are several of a kind
	Value string `json:"value"`
}

// same reports whether two ingredients have the same kind and name.
func (x Ingredient) same(y Ingredient) bool { return x.Kind == y.Kind && x.Name == y.Name }

// A recipe is the ordered list of ingredients.
type recipe []Ingredient

func (r *recipe) add(kind Kind, values ...string) { r.addNamed(kind, "", values...) }

func (r *recipe) addNamed(kind Kind, name string, values ...string) {
	*r = append(*r, Ingredient{kind, name, strings.Join(values, "\x00")})
}

// isComplete reports whether a recipe that was stored has all kinds. Versions before kinds were
// stored wrote only names.
func (r recipe) isComplete() bool {
	return !slices.ContainsFunc(r, func(x Ingredient) bool { return x.Kind == "" })
}

// key is the digest of a recipe.
func (r recipe) key() digest.Digest {
	type pair struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	pairs := []pair{{string(versionKind), version}}
	for _, x := range r {
		name := string(x.Kind)
		if x.Kind.hasName() {
			name += " " + x.Name
		}
		pairs = append(pairs, pair{name, x.Value})
	}
	sum := sha256.Sum256([]byte(mustMarshal(pairs)))
	return digest.NewDigestFromBytes(digest.SHA256, sum[:])
}

// withContent returns the recipe with the content of the inputs instead of the steps that produced
// them.
func (r recipe) withContent(content recipe) recipe {
	return append(slices.DeleteFunc(slices.Clone(r), func(x Ingredient) bool { return x.Kind.isContent() }), content...)
}

// requestRecipe is the first recipe of a step, in which inputs are identified by the steps that
// produced them: parent, and those of resultOf.
func requestRecipe(
	n *graph.Node, parent digest.Digest, epoch *time.Time, resultOf func(*graph.Node) digest.Digest,
) recipe {
	r := recipe{}
	if op, ok := n.Op.(*graph.Copy); !ok || !op.Link || namesUser(op.Chown) {
		r.add(parentKind, parent.String())
	}
	if epoch != nil {
		r.add(epochKind, epoch.UTC().String())
	}
	switch op := n.Op.(type) {
	case *graph.Run:
		r = append(r, runRecipe(op, n.Stage.Platform)...)
		for _, mount := range op.Mounts {
			if mount.From != nil {
				r.addNamed(mountFilesKind, mount.Target, resultOf(mount.From).String())
			}
		}
	case *graph.Copy:
		r = append(r, copyRecipe(op)...)
		for _, s := range op.Sources {
			if s.From != nil {
				r.addNamed(sourceFilesKind, s.Path, resultOf(s.From).String())
			}
		}
	case *graph.Workdir:
		r.add(directoryKind, op.Path, op.User)
	}
	return r
}

// namesUser reports whether an owner has to be looked up in the file system.
func namesUser(owner string) bool {
	user, group, _ := strings.Cut(owner, ":")
	return owner != "" && !(isNumber(user) && (group == "" || isNumber(group)))
}

func isNumber(text string) bool { return text != "" && strings.Trim(text, "0123456789") == "" }

// readsOutside reports whether a step reads inputs that may have changed since the last build: a
// context, or something fetched. Then only the content of its inputs can find it in the cache.
func readsOutside(n *graph.Node) bool {
	op, ok := n.Op.(*graph.Copy)
	return ok && slices.ContainsFunc(op.Sources, func(s graph.Source) bool { return s.Context != "" || s.URL != "" })
}

// runRecipe returns what a RUN depends on, except for its input file systems.
func runRecipe(op *graph.Run, p oci.Platform) recipe {
	var r recipe
	r.add(commandKind, op.Argv...)
	r.add(platformKind, platforms.Format(p))
	r.add(workdirKind, op.Cwd)
	r.add(userKind, op.User)
	for _, e := range op.Env {
		if name, value, _ := strings.Cut(e, "="); !dockerfile.IsProxy(name) {
			r.addNamed(variableKind, name, value)
		}
	}
	r.add(networkKind, op.Network)
	if op.Insecure {
		r.add(securityKind, "insecure")
	}
	if op.Hostname != "" {
		r.add(hostnameKind, op.Hostname)
	}
	for _, d := range op.Devices {
		r.addNamed(deviceKind, d.Name, d.Found...)
	}
	for _, h := range op.Hosts {
		r.add(hostKind, h)
	}
	if op.Limits.ShmSize > 0 {
		r.add(shmSizeKind, strconv.FormatInt(op.Limits.ShmSize, 10))
	}
	for _, l := range op.Limits.Rlimits {
		r.addNamed(rlimitKind, l.Type, strconv.FormatUint(l.Soft, 10), strconv.FormatUint(l.Hard, 10))
	}
	for _, f := range op.Files {
		r.addNamed(heredocKind, f.Name, digest.FromString(f.Content).String()) // its bytes may not be text
	}
	for _, m := range op.Mounts {
		m.From = nil // a file system: not part of this recipe
		r.addNamed(mountKind, m.Target, mustMarshal(m))
	}
	return r
}

// copyRecipe returns what a COPY depends on, except for the files.
func copyRecipe(op *graph.Copy) recipe {
	var r recipe
	flags := *op
	flags.Sources = nil
	flags.Checksum = "" // the fetched file has been checked against it, and does not depend on it
	r.add(flagsKind, mustMarshal(flags))
	for _, s := range op.Sources {
		if s.File != nil {
			r.addNamed(heredocKind, s.File.Name, digest.FromString(s.File.Content).String())
			continue
		}
		r.add(sourceKind, s.Path, s.URL)
	}
	return r
}

func mustMarshal(data any) string {
	text, err := json.Marshal(data)
	if err != nil {
		panic(err) // plain data
	}
	return string(text)
}
