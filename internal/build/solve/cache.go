package solve

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

	"github.com/minirun/minirun/internal/build/share"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/ingest"
)

// A Record says what a step with some key has made. There is one under the key of
// what it was asked for (instruction and inputs by the steps that made them) and
// one under that of what it read (instruction and the content of its inputs); the
// first has in Files what the second would have found.
type Record struct {
	Key    digest.Digest   `json:"key"`              // that the record is found by
	Keys   []digest.Digest `json:"keys,omitempty"`   // all that the step may be found by, for other stores
	Result digest.Digest   `json:"result"`           // names the file system behind the step
	Layer  string          `json:"layer"`            // 32 hexadecimal digits, a directory of the store's layers
	Chain  digest.Digest   `json:"chain,omitempty"`  // what names the layer in full, if it was imported; else Result does
	Parent string          `json:"parent,omitempty"` // the directory of the layer below, if there is one that it depends on
	Text   string          `json:"text"`
	Made   time.Time       `json:"made"`
	Took   time.Duration   `json:"took"`
	Files  recipe          `json:"files,omitempty"` // for the question why, the next time

	away *share.Record // the step was found elsewhere, and its layer is not here
}

// name is the layer's, in full.
func (r *Record) name() digest.Digest { return cmp.Or(r.Chain, r.Result) }

// whole says whether a record is one that was written.
func (r *Record) whole(key digest.Digest) bool {
	return r.Key == key && image.CheckDigest(r.name().String()) == nil && r.name().Encoded()[:32] == r.Layer
}

// cache is the directory of records. A record is whole or not there; its layer is
// there before it.
type cache struct {
	store *ingest.Store
	trust *ingest.Trust
}

func (c cache) path(key digest.Digest) string {
	return filepath.Join(c.store.Dir, "build", "cache", key.Encoded()+".json")
}

// find reads the record of a key, if its layer is still there, and whole. Its time
// of modification is when it was last of use.
func (c cache) find(key digest.Digest) (*Record, error) {
	text, err := os.ReadFile(c.path(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var r Record
	if err := json.Unmarshal(text, &r); err != nil || !r.whole(key) {
		return nil, nil // it is made again, and this one replaced
	}
	if whole, err := c.trust.Whole(filepath.Join(c.store.Dir, "layers", r.Layer)); !whole {
		return nil, err
	}
	now := time.Now()
	_ = os.Chtimes(c.path(key), now, now) // only prune asks
	return &r, nil
}

// put writes a record: aside, then renamed. Neither it nor the layer is synced: what
// a machine that loses power loses is made again (ingest/durable.go).
func (c cache) put(r *Record) error {
	text, err := json.Marshal(r)
	if err == nil {
		err = c.store.Replace(c.path(r.Key), append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("remember the step %s: %w", r.Text, err)
	}
	return nil
}
