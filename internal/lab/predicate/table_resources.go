package predicate

// resources has predicates about layers and what a container may use.
var resources = table{
	"layers":       func() Predicate { return &layers{} },
	"copyup":       func() Predicate { return &copyup{} },
	"unchanged":    func() Predicate { return &unchanged{} },
	"capabilities": func() Predicate { return &capset{} },
}
