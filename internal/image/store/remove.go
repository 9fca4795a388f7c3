package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/image"
)

// A Removal is the result of removing what one argument of rmi refers to.
type Removal struct {
	Text  string   // the argument
	Names []string // the names that were removed; the digest of an image without a name
	Err   error    // why nothing was removed
}

// RemoveImages removes names. An image that is given by its ID is removed with its name; if it has
// several, force is needed. An argument that cannot be removed does not affect the others.
//
// The index is read and written once, and each manifest is read at most once: a thousand arguments
// take a thousand times as long as one.
func (s *Store) RemoveImages(ctx context.Context, texts []string, force bool) (out []Removal, err error) {
	err = s.updateIndex(ctx, func(list []oci.Descriptor) ([]oci.Descriptor, error) {
		r := newRemover(s, list)
		for _, text := range texts {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			names, err := r.remove(text, force)
			out = append(out, Removal{Text: text, Names: names, Err: err})
		}
		return r.remaining(), nil
	})
	if err != nil {
		return nil, err // nothing was removed
	}
	return out, nil
}

// remover removes entries from an index that it can search.
type remover struct {
	store    *Store
	entries  []oci.Descriptor
	gone     []bool
	byName   map[string]int
	byDigest map[string][]int
	ids      []imageID // sorted; nil until they are needed
}

// imageID is the digest of an entry's manifest or of its configuration.
type imageID struct {
	digest string
	entry  int
}

func newRemover(s *Store, list []oci.Descriptor) *remover {
	r := &remover{store: s, entries: list, gone: make([]bool, len(list)), byName: map[string]int{},
		byDigest: map[string][]int{}}
	for n, d := range list {
		if name := refName(d); name != "" {
			r.byName[name] = n
		}
		r.byDigest[d.Digest.String()] = append(r.byDigest[d.Digest.String()], n)
	}
	return r
}

// remove removes what one argument refers to, and returns the names.
func (r *remover) remove(text string, force bool) ([]string, error) {
	name, bad := image.ParseName(text)
	if bad == nil {
		if n, ok := r.find(name); ok {
			return r.drop(n), nil
		}
	}
	found, err := r.findByID(text)
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0 && bad != nil:
		return nil, bad
	case len(found) == 0:
		return nil, r.store.ExplainMissing(fmt.Errorf("%w: %s", image.ErrNotFound, name.Familiar()), text)
	case len(found) > 1 && !force:
		var names []string
		for _, n := range found {
			names = append(names, image.Familiar(refName(r.entries[n])))
		}
		return nil, fmt.Errorf("image %s has several names: %q\nhint: remove them by name, or all of them with "+
			"minirun rmi -f %[1]s", text, names)
	}
	return r.drop(found...), nil
}

// find returns the entry with a name, or with a digest in the name's repository.
func (r *remover) find(name image.Name) (int, bool) {
	if n, ok := r.byName[name.String()]; ok && !r.gone[n] {
		return n, true
	}
	for _, n := range r.byDigest[name.Digest] {
		other, err := image.ParseName(refName(r.entries[n]))
		if err == nil && !r.gone[n] && other.Registry == name.Registry && other.Repository == name.Repository {
			return n, true
		}
	}
	return 0, false
}

// findByID returns the entries of the image whose ID or digest begins with a text.
func (r *remover) findByID(text string) (found []int, err error) {
	prefix, ok := image.IDPrefix(text)
	if !ok {
		return nil, nil
	}
	r.readIDs()
	at, _ := slices.BinarySearchFunc(r.ids, prefix, func(i imageID, prefix string) int {
		return cmp.Compare(i.digest, prefix)
	})
	for ; at < len(r.ids) && len(r.ids[at].digest) >= len(prefix) && r.ids[at].digest[:len(prefix)] == prefix; at++ {
		n := r.ids[at].entry
		if r.gone[n] || slices.Contains(found, n) {
			continue
		}
		if len(found) > 0 && r.entries[found[0]].Digest != r.entries[n].Digest {
			return nil, image.AmbiguousIDError(text)
		}
		found = append(found, n)
	}
	slices.Sort(found)
	return found, nil
}

// readIDs reads the manifests of all entries. One that cannot be read is found by its digest only.
func (r *remover) readIDs() {
	if r.ids != nil {
		return
	}
	r.ids = []imageID{}
	for n, d := range r.entries {
		r.ids = append(r.ids, imageID{d.Digest.String(), n})
		if i, err := r.store.Load(d, ""); err == nil {
			r.ids = append(r.ids, imageID{i.ID(), n})
		}
	}
	slices.SortFunc(r.ids, func(a, b imageID) int {
		return cmp.Or(cmp.Compare(a.digest, b.digest), cmp.Compare(a.entry, b.entry))
	})
}

// drop removes entries and returns their names.
func (r *remover) drop(entries ...int) (names []string) {
	for _, n := range entries {
		r.gone[n] = true
		names = append(names, cmp.Or(refName(r.entries[n]), r.entries[n].Digest.String()))
	}
	return names
}

func (r *remover) remaining() (out []oci.Descriptor) {
	for n, d := range r.entries {
		if !r.gone[n] {
			out = append(out, d)
		}
	}
	return out
}
