package testbundle

import (
	"strings"
	"sync"
	"testing"
	"time"
)

// Parallel is testing.T.Parallel for tests that create bundles. A process or a mount does not say which
// test it belongs to, so what such tests leave is found when the last of those that run at the same time
// ends. State directories and cgroups are checked at the end of each test, as in other tests.
//
// A test that itself examines all processes, mounts or cgroups, or calls Reap, must not be parallel.
func Parallel(t *testing.T) {
	t.Helper()
	t.Parallel()
	parallelTests.join(t)
}

var parallelTests parallelGroup

// parallelGroup holds the tests that run at the same time.
type parallelGroup struct {
	mu      sync.Mutex
	running map[string]bool // by name
	before  map[string]bool // what existed before the first of them
}

func (g *parallelGroup) join(t *testing.T) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.running) == 0 {
		g.running, g.before = map[string]bool{}, snapshot("")
	}
	g.running[t.Name()] = true
	t.Cleanup(func() { g.leave(t) })
}

// leave is called after all other cleanups of a test.
func (g *parallelGroup) leave(t *testing.T) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.running, t.Name())
	if len(g.running) > 0 {
		return
	}
	for _, leak := range leaksSince(g.before, func() map[string]bool { return snapshot("") }) {
		t.Errorf("left over by one of the tests that ran in parallel: %s", leak)
	}
}

// has reports whether a test, or the test that it is part of, called Parallel.
func (g *parallelGroup) has(t testing.TB) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for name := t.Name(); ; {
		if g.running[name] {
			return true
		}
		i := strings.LastIndexByte(name, '/')
		if i < 0 {
			return false
		}
		name = name[:i]
	}
}

// watchOwn fails the test for what is left of the bundle itself: its state and its cgroups.
func (b *Bundle) watchOwn() {
	b.t.Cleanup(func() {
		var left []string
		for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
			if left = b.own(); len(left) == 0 || time.Now().After(end) {
				break
			}
		}
		for _, leak := range left {
			b.t.Errorf("left over: %s", leak)
		}
	})
}

// own lists the state directories and the cgroups of the bundle.
func (b *Bundle) own() (out []string) {
	all := map[string]bool{}
	states(all, b.Root)
	cgroups(all)
	for thing := range all {
		if strings.HasPrefix(thing, "state ") || strings.HasSuffix(thing, b.ID) {
			out = append(out, thing)
		}
	}
	return out
}
