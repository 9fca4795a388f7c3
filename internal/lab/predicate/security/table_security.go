// Package security asks about seccomp filters, user IDs, the life cycle, and process 1 of images.
package security

import "github.com/minirun/minirun/internal/lab/scene"

// Security has predicates about seccomp, user namespaces, the life cycle, and process 1 of images.
var Security = scene.Table{
	"entrypoint": func() scene.Predicate { return &entrypoint{} },
	"syscalls":   func() scene.Predicate { return &syscalls{} },
	"becomes":    func() scene.Predicate { return &becomes{} },
	"owner":      func() scene.Predicate { return &owner{} },
	"created":    func() scene.Predicate { return &created{} },
	"joined":     func() scene.Predicate { return &joined{} },
	"hooks":      func() scene.Predicate { return &hooks{} },
}
