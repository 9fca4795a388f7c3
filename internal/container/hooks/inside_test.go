package hooks

import (
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/handshake"
)

// TestFalseReportOfTimeoutIsRefused: a process that others can see may falsely report that a hook without a
// timeout took too long.
func TestFalseReportOfTimeoutIsRefused(t *testing.T) {
	list := &specs.Hooks{StartContainer: []specs.Hook{{Path: "/hook"}}}
	for _, number := range []uint64{0, 1} {
		if err := (&Inside{}).Failure(list, bootstrap.Message{Point: handshake.HookFailed, A: handshake.TimedOut,
			B: number}, "the process"); err == nil {
			t.Errorf("hook %d took too long, and that is no error", number)
		}
	}
}
