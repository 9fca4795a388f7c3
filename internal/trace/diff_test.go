package trace

import (
	"math/rand/v2"
	"runtime"
	"strconv"
	"testing"
)

// shortest computes the number of changes with the full table of pairs.
func shortest(a, b []planLine) int {
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := range a {
		for j := range b {
			common[i+1][j+1] = max(common[i][j+1], common[i+1][j])
			if a[i].text == b[j].text {
				common[i+1][j+1] = common[i][j] + 1
			}
		}
	}
	return len(a) + len(b) - 2*common[len(a)][len(b)]
}

func randomLines(r *rand.Rand, words int) []planLine {
	lines := make([]planLine, r.IntN(40))
	for i := range lines {
		lines[i].text = strconv.Itoa(r.IntN(words))
	}
	return lines
}

// apply applies the changes to a, and returns the lines that the result shares with b.
func apply(a, b []planLine, changes []change) (ok bool) {
	i, j := 0, 0
	for _, c := range changes {
		for i < len(a) && j < len(b) && a[i].text == b[j].text && !(c.sign == '-' && a[i] == c.line || c.sign == '+' &&
			b[j] == c.line) {
			i, j = i+1, j+1
		}
		switch {
		case c.sign == '-' && i < len(a) && a[i] == c.line:
			i++
		case c.sign == '+' && j < len(b) && b[j] == c.line:
			j++
		default:
			return false
		}
	}
	for i < len(a) && j < len(b) && a[i].text == b[j].text {
		i, j = i+1, j+1
	}
	return i == len(a) && j == len(b)
}

func TestDifferenceIsShortest(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		words := 1 + r.IntN(20)
		a, b := randomLines(r, words), randomLines(r, words)
		// Sources distinguish lines with the same text.
		for i := range a {
			a[i].source = "a" + strconv.Itoa(i)
		}
		for i := range b {
			b[i].source = "b" + strconv.Itoa(i)
		}
		changes := diffLines(a, b)
		if want := shortest(a, b); len(changes) != want {
			t.Fatalf("%v and %v: %d changes, want %d: %v", a, b, len(changes), want, changes)
		}
		if !apply(a, b, changes) {
			t.Fatalf("%v do not make %v of %v", changes, b, a)
		}
	}
}

// TestDifferenceOfLargePlans: memory grows with the size of the plans, not with their product.
func TestDifferenceOfLargePlans(t *testing.T) {
	const lines = 3000
	a, b := make([]planLine, lines), make([]planLine, lines)
	for i := range a {
		a[i].text = strconv.Itoa(i)
		b[i].text = a[i].text
		if i%100 == 50 {
			b[i].text = "changed"
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	changes := diffLines(a, b)
	runtime.ReadMemStats(&after)
	if len(changes) != 2*lines/100 {
		t.Errorf("%d changes", len(changes))
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
		t.Errorf("it takes %d bytes for plans of %d steps", used, lines)
	}
}
