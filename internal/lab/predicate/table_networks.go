package predicate

import "github.com/minirun/minirun/internal/lab/scene"

// networks has predicates about networks and other runtimes.
var networks = scene.Table{
	"arrives":   func() scene.Predicate { return &arrives{} },
	"veth":      func() scene.Predicate { return &veth{} },
	"passes":    func() scene.Predicate { return &passes{} },
	"lines":     func() scene.Predicate { return &lines{} },
	"explained": func() scene.Predicate { return &explained{} },
}
