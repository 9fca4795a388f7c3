package plan

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestObservedPlanKeepsBranches: every branch of a step leads to the same original step, regardless of the
// inserted steps in between.
func TestObservedPlanKeepsBranches(t *testing.T) {
	p := sample()
	for name, o := range map[string]*Observed{"observed": p.Observe(), "stamped": p.Stamp()} {
		if _, err := o.Encode(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		// lands returns the first original step from i on.
		lands := func(i int) int {
			for i < len(o.Steps) && o.Origin[i] < 0 {
				i = o.Steps[i].Next
			}
			if i >= len(o.Steps) {
				return len(p.Steps)
			}
			return o.Origin[i]
		}
		between := 0
		for i := range p.Steps {
			was, is := &p.Steps[i], &o.Steps[o.At[i]]
			if is.Call != was.Call || is.Name != was.Name || len(is.On) != len(was.On) {
				t.Errorf("%s: step %d is %s, was %s", name, i, is.Name, was.Name)
			}
			if lands(is.Next) != was.Next || lands(is.Zero) != was.Zero {
				t.Errorf("%s: step %d goes on at %d or %d, was %d or %d", name, i, lands(is.Next), lands(is.Zero),
					was.Next, was.Zero)
			}
			for k := range was.On {
				if lands(is.On[k].To) != was.On[k].To {
					t.Errorf("%s: step %d on %v continues at %d, was %d", name, i, was.On[k].Errno, lands(is.On[k].To),
						was.On[k].To)
				}
			}
			if o.At[i] > 0 && o.Origin[o.At[i]-1] < 0 {
				between++
				if name == "observed" && p.readsAnswer(i) {
					t.Errorf("step %d stands apart from its question", i)
				}
			}
		}
		if between == 0 {
			t.Errorf("%s: nothing stands in between", name)
		}
	}
}

func TestNextStepAfterResult(t *testing.T) {
	p := &Plan{Steps: []Step{{Next: 1, Zero: 2, On: []Branch{{unix.ENOENT, 3}}}, {}, {}, {}}}
	for _, c := range []struct {
		result int64
		next   int
		ok     bool
	}{{5, 1, true}, {0, 2, true}, {-int64(unix.ENOENT), 3, true}, {-int64(unix.EPERM), 0, false}} {
		if next, ok := p.After(0, c.result); next != c.next || ok != c.ok {
			t.Errorf("after %d: %d, %v", c.result, next, ok)
		}
	}
}
