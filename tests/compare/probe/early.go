package main

// Set by entry_amd64.s before Go's runtime starts; zero on other architectures and when /proc is not
// mounted.
var (
	earlyStatus    [8192]byte
	earlyStatusLen int64
	earlyNofile    [2]uint64 // soft, hard
)
