// Package debuglog writes the messages of --debug: the actions of minirun on files, cgroups
// and processes, in the order in which they happen. They are for troubleshooting and
// bug reports; they are not a machine-readable interface.
package debuglog

import "fmt"

var sink func(text string)

// SetSink sets the function that receives the messages. It is called once, at start-up; without it messages
// are dropped.
func SetSink(f func(text string)) { sink = f }

// Printf writes a message: one line without a full stop. The arguments are formatted
// only if messages are enabled.
func Printf(format string, args ...any) {
	if sink != nil {
		sink(fmt.Sprintf(format, args...))
	}
}
