package wait

import (
	"testing"
	"time"
)

// TestPollWithPastDeadlineReturns: a deadline in the past must not cause an infinite wait.
func TestPollWithPastDeadlineReturns(t *testing.T) {
	ended := make(chan error, 1)
	go func() { ended <- Poll(nil, -time.Hour) }()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("it waits")
	}
}
