// Package imagecheck has the predicates of labs about images and builds: it builds copies of what the
// learner wrote, runs them, and reads the layers of the results.
//
//	image.go    an image in the lab's store
//	serve.go    a server: its answers, its health check
//	rebuild.go  a build after a change
//	release.go  platforms, secrets, cache mounts, equal digests
//	run.go      how a check runs and builds
package imagecheck

import "github.com/minirun/minirun/internal/lab/predicate"

// Table returns the predicates, by the names that lab.yaml uses.
func Table() predicate.Table {
	return predicate.Table{
		"image":   func() predicate.Predicate { return &image{} },
		"answers": func() predicate.Predicate { return &answers{} },
		"health":  func() predicate.Predicate { return &health{} },
		"rebuild": func() predicate.Predicate { return &rebuild{} },

		"platforms":    func() predicate.Predicate { return &platforms{} },
		"secret":       func() predicate.Predicate { return &secret{} },
		"cachemount":   func() predicate.Predicate { return &cachemount{} },
		"reproducible": func() predicate.Predicate { return &reproducible{} },
	}
}
