package predicate

// processes has predicates about signals, zombies, escapes.
var processes = table{
	"shared": func() Predicate { return &shared{} },
}
