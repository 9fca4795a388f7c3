package predicate

// security has predicates about seccomp, user namespaces, the life cycle.
var security = table{}
