package notify

import "testing"

func TestIsReadyNeedsAWholeLine(t *testing.T) {
	for message, want := range map[string]bool{
		"READY=1": true, "READY=1\n": true, "STATUS=a\nREADY=1\nMAINPID=4": true,
		"": false, "READY=0": false, "READY=10": false, "XREADY=1": false, "STATUS=READY=1": false, "READY=1 ": false,
		"ready=1": false,
	} {
		if got := isReady(message); got != want {
			t.Errorf("%q: %v, want %v", message, got, want)
		}
	}
}
