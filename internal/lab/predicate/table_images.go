package predicate

// images has predicates about images and builds.
var images = table{}
