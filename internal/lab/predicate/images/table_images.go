// Package images asks what is in an image and how it was built: layers, steps from the cache, health.
package images

import "github.com/minirun/minirun/internal/lab/scene"

// Images has predicates about images and builds.
var Images = scene.Table{
	"image":   func() scene.Predicate { return &image{} },
	"answers": func() scene.Predicate { return &answers{} },
	"health":  func() scene.Predicate { return &health{} },
	"rebuild": func() scene.Predicate { return &rebuild{} },

	"platforms":    func() scene.Predicate { return &platforms{} },
	"secret":       func() scene.Predicate { return &secret{} },
	"cachemount":   func() scene.Predicate { return &cachemount{} },
	"reproducible": func() scene.Predicate { return &reproducible{} },
}
