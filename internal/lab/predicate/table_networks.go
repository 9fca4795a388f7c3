package predicate

// networks has predicates about networks and other runtimes.
var networks = table{}
