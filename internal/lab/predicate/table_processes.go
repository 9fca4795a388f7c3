package predicate

// processes has predicates about signals, zombies, escapes.
var processes = table{
	"escapes": func() Predicate { return &escapes{} },
	"reaps":   func() Predicate { return &reaps{} },
	"runs":    func() Predicate { return &runs{} },
	"shared":  func() Predicate { return &shared{} },
}
