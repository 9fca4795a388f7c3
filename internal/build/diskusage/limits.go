// Package diskusage selects and lists the entries of the build cache, for build du and build prune.
//
//	filter.go  the values of --filter → which entries are selected (pure)
//	limits.go  limits of the space → which entries are removed (pure)
//	write.go   entries → text, in docker buildx's formats (pure)
package diskusage

import (
	"cmp"
	"slices"

	"github.com/minirun/minirun/internal/image/store"
)

// Limits bound the space that the cache uses, in bytes; 0 means no limit.
type Limits struct{ MaxUsed, MinFree, Reserved int64 }

// Select returns the entries to remove, among the removable ones, to satisfy the limits. used is the
// size of the cache, and free the free space of its file system. The entries that were not used for
// the longest time come first.
func (l Limits) Select(removable []*store.CacheEntry, used, free int64) (out []*store.CacheEntry) {
	slices.SortStableFunc(removable, func(a, b *store.CacheEntry) int {
		return cmp.Or(a.Used.Compare(b.Used), cmp.Compare(b.Size, a.Size))
	})
	limited := l.MaxUsed > 0 || l.MinFree > 0
	for _, e := range removable {
		fits := (l.MaxUsed == 0 || used <= l.MaxUsed) && (l.MinFree == 0 || free >= l.MinFree)
		if limited && fits || l.Reserved > 0 && used <= l.Reserved {
			break
		}
		out = append(out, e)
		used -= e.Size
		if !e.Shared {
			free += e.Size
		}
	}
	return out
}
