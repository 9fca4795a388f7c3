package predicate

import "github.com/minirun/minirun/internal/lab/scene"

// resources has predicates about layers and what a container may use.
var resources = scene.Table{
	"layers":       func() scene.Predicate { return &layers{} },
	"copyup":       func() scene.Predicate { return &copyup{} },
	"unchanged":    func() scene.Predicate { return &unchanged{} },
	"capabilities": func() scene.Predicate { return &capset{} },
}
