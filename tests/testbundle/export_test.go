package testbundle

import (
	"testing"
	"time"
)

// LeaksStay shortens the search for leaks in a test whose leaks are made on purpose and stay.
func LeaksStay(t *testing.T) {
	before := patience
	patience = 200 * time.Millisecond
	t.Cleanup(func() { patience = before })
}
