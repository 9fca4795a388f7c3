package solver

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/minirun/minirun/internal/build/remotecache"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/store"
)

// A Record describes what a step with a given key produced. A step has one record under the
// key of its request (the instruction, and its inputs identified by the steps that produced
// them) and one under the key of its content (the instruction, and the content of its inputs).
// The first record keeps in Files the content part of the second key.
type Record struct {
	Key    digest.Digest   `json:"key"`              // the key under which the record is stored
	Keys   []digest.Digest `json:"keys,omitempty"`   // every key that may find the step, for other stores
	Result digest.Digest   `json:"result"`           // identifies the file system after the step
	Layer  string          `json:"layer"`            // 32 hexadecimal digits, a directory among the store's layers
	Chain  digest.Digest   `json:"chain,omitempty"`  // the layer's full name if it was imported; otherwise Result is
	Parent string          `json:"parent,omitempty"` // the directory of the layer below, if this one depends on it
	Text   string          `json:"text"`
	Made   time.Time       `json:"made"`
	Took   time.Duration   `json:"took"`
	Files  recipe          `json:"files,omitempty"` // used to explain the next cache miss; a key has no part of it

	imported *remotecache.Record // the step was found in another store, and its layer is not here
}

// layerName is the layer's full name.
func (r *Record) layerName() digest.Digest { return cmp.Or(r.Chain, r.Result) }

// isValid reports whether a record is complete and belongs to key.
func (r *Record) isValid(key digest.Digest) bool {
	return r.Key == key && image.CheckDigest(r.layerName().String()) == nil && r.layerName().Encoded()[:32] == r.Layer
}

// A recordCache is the directory of records. A record is either complete or absent, and its layer
// exists before it does.
type recordCache struct {
	store *store.Store
	trust *store.Trust
}

func (c recordCache) path(key digest.Digest) string {
	return filepath.Join(c.store.Dir, "build", "cache", key.Encoded()+".json")
}

// read reads the record of a key if its layer still exists and is complete. Its modification
// time is when it was last used.
func (c recordCache) read(key digest.Digest) (*Record, error) {
	text, err := os.ReadFile(c.path(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var r Record
	if err := json.Unmarshal(text, &r); err != nil || !r.isValid(key) {
		return nil, nil // the layer is built again, and the record replaced
	}
	if whole, err := c.trust.IsComplete(filepath.Join(c.store.Dir, "layers", r.Layer)); !whole {
		return nil, err
	}
	if !r.Files.isComplete() {
		r.Files = nil
	}
	now := time.Now()
	_ = os.Chtimes(c.path(key), now, now) // only prune reads it
	return &r, nil
}

// write writes a record to a temporary file and renames it. Neither the record nor the layer is
// synced: a layer that a power failure destroys is built again (internal/image/store/durable.go).
func (c recordCache) write(r *Record) error {
	text, err := json.Marshal(r)
	if err == nil {
		err = c.store.Replace(c.path(r.Key), append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("cannot save the cache record of %s: %w", r.Text, err)
	}
	return nil
}
