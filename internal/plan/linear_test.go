package plan

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestTextOfLargePlan: looking up the name of a cell does not scan all cells. A plan of this size
// used to take minutes; the limit only detects a hang.
func TestTextOfLargePlan(t *testing.T) {
	const count, limit = 400_000, 30 * time.Second
	b := NewBuilder(3)
	path, message := b.Str("/x"), b.Message(1, "first")
	for range count {
		b.Add(Op{Name: "open", Out: b.Cell("fd")}, Openat, Int(unix.AT_FDCWD), path, Int(0), Int(0))
	}
	b.Tell("tell", "", message)
	b.Add(Op{Name: "end"}, ExitGroup, Int(0))
	p := b.Plan()
	if !slices.IsSortedFunc(p.Cells, func(x, y CellName) int { return cmp.Compare(x.Cell, y.Cell) }) {
		t.Error("the cells are not sorted")
	}
	begin := time.Now()
	for i, c := range p.Cells {
		if got := p.cellName(uint64(c.Cell)); got != "$"+c.Name {
			t.Fatalf("the name of cell %d is %s, want %s", c.Cell, got, c.Name)
		}
		if time.Since(begin) > limit {
			t.Fatalf("%d of %d names in %v", i, count, limit)
		}
	}
	for i := range count {
		if p.Line(i); time.Since(begin) > limit {
			t.Fatalf("%d of %d lines in %v", i, count, limit)
		}
	}
	if got, want := p.Line(count-1), `openat(AT_FDCWD, "/x", O_RDONLY, 0) = $fd400000`; got != want {
		t.Errorf("the last line is %s, want %s", got, want)
	}
}
