package container

import (
	"testing"
	"time"
)

// TestPauseAfterItsTime: a time that is over is no reason to wait for ever.
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
