package container

import (
	"testing"

	"github.com/minirun/minirun/internal/handshake"
)

// TestQuestionsOfArrivedProcess: once other processes can see the process, the parent refuses it
// everything that requires a privilege. It does not copy its descriptors, take its terminal, or run
// hooks again.
func TestQuestionsOfArrivedProcess(t *testing.T) {
	for point := handshake.MapIDs; point <= handshake.Target; point++ {
		harmless := point == handshake.Ready || point == handshake.SeccompListener || point == handshake.HookFailed || point == handshake.NoProgram
		for _, c := range []child{{}, {clonedLast: true}, {arrived: true}, {clonedLast: true, arrived: true}} {
			refused := c.mayAsk(point) != nil
			if want := c.clonedLast && c.arrived && !harmless; refused != want {
				t.Errorf("%s, clonedLast %v, arrived %v: refused %v, want %v", handshake.Name(point), c.clonedLast, c.arrived, refused, want)
			}
		}
	}
}

// TestQuestionsAreAskedOnce: a process that others can see cannot repeat questions that the plan
// asked before they could.
func TestQuestionsAreAskedOnce(t *testing.T) {
	for point := handshake.MapIDs; point <= handshake.Target; point++ {
		c := child{clonedLast: true}
		if err := c.mayAsk(point); err != nil {
			t.Errorf("%s: %v", handshake.Name(point), err)
		}
		if again := c.mayAsk(point) == nil; again != (point == handshake.CopyUp || point == handshake.Target) {
			t.Errorf("%s may be asked twice: %v", handshake.Name(point), again)
		}
	}
	arrived := child{clonedLast: true, arrived: true}
	if arrived.mayAsk(handshake.SeccompListener) != nil || arrived.mayAsk(handshake.SeccompListener) == nil {
		t.Error("an agent gets one listener, the first")
	}
	if c := (child{clonedLast: true}); c.mayAsk(1000) == nil {
		t.Error("an unknown point is accepted")
	}
}
