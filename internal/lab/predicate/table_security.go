package predicate

// security has predicates about seccomp, user namespaces, the life cycle, and process 1 of images.
var security = table{
	"entrypoint": func() Predicate { return &entrypoint{} },
	"syscalls":   func() Predicate { return &syscalls{} },
	"becomes":    func() Predicate { return &becomes{} },
	"owner":      func() Predicate { return &owner{} },
	"created":    func() Predicate { return &created{} },
	"joined":     func() Predicate { return &joined{} },
	"hooks":      func() Predicate { return &hooks{} },
}
