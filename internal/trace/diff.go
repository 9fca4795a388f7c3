package trace

import "math"

type change struct {
	sign rune
	line planLine
}

// diffLines returns the shortest list of lines to remove and to add. Two lines are
// equal if their texts are.
func diffLines(a, b []planLine) (out []change) {
	numbers := map[string]int{}
	number := func(lines []planLine) []int {
		out := make([]int, len(lines))
		for i, l := range lines {
			n, ok := numbers[l.text]
			if !ok {
				n = len(numbers)
				numbers[l.text] = n
			}
			out[i] = n
		}
		return out
	}
	d := newDiff(number(a), number(b))
	d.compare(0, len(a), 0, len(b))
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case i < len(a) && d.removed[i]:
			out = append(out, change{'-', a[i]})
			i++
		case j < len(b) && d.added[j]:
			out = append(out, change{'+', b[j]})
			j++
		default:
			i, j = i+1, j+1
		}
	}
	return out
}

// A diff finds the longest common subsequence in memory proportional to the lines, and
// in time proportional to the lines times the differences: E. Myers, "An O(ND) Difference
// Algorithm and Its Variations", section 4b. A large pod has a plan of tens of thousands
// of steps, and a table of all pairs of them takes gigabytes.
type diff struct {
	a, b           []int
	removed, added []bool
	// How far the paths reach from the front and from the end, by diagonal: x-y of a
	// point.
	front, back []int
}

func newDiff(a, b []int) *diff {
	size := len(a) + len(b) + 3 // one more diagonal on each side
	return &diff{a, b, make([]bool, len(a)), make([]bool, len(b)), make([]int, size), make([]int, size)}
}

// compare marks the differences between a[i:m] and b[j:n].
func (d *diff) compare(i, m, j, n int) {
	for i < m && j < n && d.a[i] == d.b[j] {
		i, j = i+1, j+1
	}
	for i < m && j < n && d.a[m-1] == d.b[n-1] {
		m, n = m-1, n-1
	}
	switch {
	case i == m:
		for ; j < n; j++ {
			d.added[j] = true
		}
	case j == n:
		for ; i < m; i++ {
			d.removed[i] = true
		}
	default:
		x, y := d.middle(i, m, j, n)
		d.compare(i, x, j, y)
		d.compare(x, m, y, n)
	}
}

// middle returns a point on a shortest path from (i, j) to (m, n) that is neither of
// them. Both a[i:m] and b[j:n] have lines, and neither their first nor their last
// lines are equal. Paths grow from both ends, by one difference per round, until two
// meet.
func (d *diff) middle(i, m, j, n int) (x, y int) {
	const none = math.MaxInt
	at := func(k int) int { return k + len(d.b) + 1 }
	for k := i - n - 1; k <= m-j+1; k++ {
		d.front[at(k)], d.back[at(k)] = -1, none
	}
	first, last := i-j, m-n
	d.front[at(first)], d.back[at(last)] = i, m
	odd := (first-last)%2 != 0
	for round := 1; ; round++ {
		for k := lowestDiagonal(first-round, i-n); k <= min(first+round, m-j); k += 2 {
			x := d.front[at(k)]
			if left := d.front[at(k-1)]; left >= 0 && left < m {
				x = max(x, left+1)
			}
			if above := d.front[at(k+1)]; above >= 0 && above-k <= n {
				x = max(x, above)
			}
			for x >= 0 && x < m && x-k < n && d.a[x] == d.b[x-k] {
				x++
			}
			d.front[at(k)] = x
			if odd && x >= d.back[at(k)] {
				return x, x - k
			}
		}
		for k := lowestDiagonal(last-round, i-n); k <= min(last+round, m-j); k += 2 {
			x := d.back[at(k)]
			if right := d.back[at(k+1)]; right != none && right > i {
				x = min(x, right-1)
			}
			if below := d.back[at(k-1)]; below != none && below-k >= j {
				x = min(x, below)
			}
			for x != none && x > i && x-k > j && d.a[x-1] == d.b[x-k-1] {
				x--
			}
			d.back[at(k)] = x
			if !odd && d.front[at(k)] >= x {
				return x, x - k
			}
		}
	}
}

// lowestDiagonal returns the first diagonal from k on, in steps of 2, that is not below the
// lowest one.
func lowestDiagonal(k, lowest int) int {
	if k < lowest {
		k += (lowest - k + 1) / 2 * 2
	}
	return k
}
