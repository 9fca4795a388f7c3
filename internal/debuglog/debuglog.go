// Package debuglog has the messages of --debug: what minirun does to files, cgroups
// and processes, in the order in which it does it. They are for the person who looks
// for a fault, and for bug reports; no program reads them.
package debuglog

import "fmt"

var sink func(text string)

// To sends messages to a function. It is called once, before anything else is done;
// without it messages are dropped.
func To(f func(text string)) { sink = f }

// Printf adds a message, which is one line without a full stop. The arguments are
// only formatted if there is a reader.
func Printf(format string, args ...any) {
	if sink != nil {
		sink(fmt.Sprintf(format, args...))
	}
}
