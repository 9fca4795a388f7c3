package predicate

import "github.com/minirun/minirun/internal/lab/scene"

// processes has predicates about signals, zombies, escapes.
var processes = scene.Table{
	"escapes": func() scene.Predicate { return &escapes{} },
	"reaps":   func() scene.Predicate { return &reaps{} },
	"runs":    func() scene.Predicate { return &runs{} },
	"shared":  func() scene.Predicate { return &shared{} },
}
