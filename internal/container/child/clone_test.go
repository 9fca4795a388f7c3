package child

import (
	"testing"

	"github.com/minirun/minirun/internal/handshake"
)

// TestArrivedProcessMayAskLittle: once other processes can see the process, the parent refuses it
// everything that requires a privilege. It does not copy its descriptors, take its terminal, or run
// hooks again.
func TestArrivedProcessMayAskLittle(t *testing.T) {
	for point := handshake.MapIDs; point <= handshake.Target; point++ {
		harmless := point == handshake.Ready || point == handshake.SeccompListener || point == handshake.HookFailed ||
			point == handshake.NoProgram
		for _, c := range []Process{{}, {ClonedLast: true}, {arrived: true}, {ClonedLast: true, arrived: true}} {
			refused := c.CheckQuestion(point) != nil
			if want := c.ClonedLast && c.arrived && !harmless; refused != want {
				t.Errorf("%s, clonedLast %v, arrived %v: refused %v, want %v", handshake.Name(point), c.ClonedLast,
					c.arrived, refused, want)
			}
		}
	}
}

// TestQuestionsAreAskedOnce: a process that others can see cannot repeat questions that the plan
// asked before they could.
func TestQuestionsAreAskedOnce(t *testing.T) {
	for point := handshake.MapIDs; point <= handshake.Target; point++ {
		c := Process{ClonedLast: true}
		if err := c.CheckQuestion(point); err != nil {
			t.Errorf("%s: %v", handshake.Name(point), err)
		}
		if again := c.CheckQuestion(point) == nil; again != (point == handshake.CopyUp || point == handshake.Target) {
			t.Errorf("%s may be asked twice: %v", handshake.Name(point), again)
		}
	}
	arrived := Process{ClonedLast: true, arrived: true}
	if arrived.CheckQuestion(handshake.SeccompListener) != nil ||
		arrived.CheckQuestion(handshake.SeccompListener) == nil {
		t.Error("an agent gets one listener, the first")
	}
	if c := (Process{ClonedLast: true}); c.CheckQuestion(1000) == nil {
		t.Error("an unknown point is accepted")
	}
}
