package predicate

// resources has predicates about layers and what a container may use.
var resources = table{}
