package container

import (
	"testing"
	"time"
)

// TestPauseAfterItsTime: a deadline in the past must not cause an infinite wait.
func TestPauseAfterItsTime(t *testing.T) {
	ended := make(chan error, 1)
	go func() { ended <- pause(nil, -time.Hour) }()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("it waits")
	}
}
