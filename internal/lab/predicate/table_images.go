package predicate

// images has predicates about images and builds.
var images = table{
	"image":   func() Predicate { return &image{} },
	"answers": func() Predicate { return &answers{} },
	"health":  func() Predicate { return &health{} },
	"rebuild": func() Predicate { return &rebuild{} },

	"platforms":    func() Predicate { return &platforms{} },
	"secret":       func() Predicate { return &secret{} },
	"cachemount":   func() Predicate { return &cachemount{} },
	"reproducible": func() Predicate { return &reproducible{} },
}
