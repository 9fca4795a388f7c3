package predicate

// networks has predicates about networks and other runtimes.
var networks = table{
	"arrives":   func() Predicate { return &arrives{} },
	"veth":      func() Predicate { return &veth{} },
	"passes":    func() Predicate { return &passes{} },
	"lines":     func() Predicate { return &lines{} },
	"explained": func() Predicate { return &explained{} },
}
