// Package golden stores a text as the difference from a similar text, so that golden files repeat each
// other as little as possible and a reader sees what is special about each.
//
// A difference reads like a unified diff without line numbers, so a change of the base does not change
// the differences from it:
//
//	 a line        the same in both
//	-a line        only in the base
//	+a line        only in the text
//	...            the same in both, up to the next line that is listed
//	... removed    only in the base, up to the next line that is listed
package golden

import (
	"fmt"
	"slices"
	"strings"
)

const (
	skip   = "..."         // stands for lines that are the same in both
	remove = "... removed" // stands for lines that only the base has
)

// An Edit is a line with its sign: ' ' if both texts have it, '-' if only the first, '+' if only the
// second.
type Edit struct {
	Sign byte
	Line string
}

// Edits returns the edits that turn one list of lines into another. They keep a longest common
// subsequence.
func Edits(from, to []string) (out []Edit) {
	common := make([][]int, len(from)+1) // lengths for from[i:] and to[j:]
	for i := range common {
		common[i] = make([]int, len(to)+1)
	}
	for i := len(from) - 1; i >= 0; i-- {
		for j := len(to) - 1; j >= 0; j-- {
			if common[i][j] = max(common[i+1][j], common[i][j+1]); from[i] == to[j] {
				common[i][j] = common[i+1][j+1] + 1
			}
		}
	}
	i, j := 0, 0
	for i < len(from) || j < len(to) {
		switch {
		case i < len(from) && j < len(to) && from[i] == to[j]:
			out = append(out, Edit{' ', from[i]})
			i, j = i+1, j+1
		case j == len(to) || i < len(from) && common[i+1][j] >= common[i][j+1]:
			out = append(out, Edit{'-', from[i]})
			i++
		default:
			out = append(out, Edit{'+', to[j]})
			j++
		}
	}
	return out
}

// Difference returns what [Apply] needs to turn base into lines.
func Difference(base, lines []string) (out []string) {
	edits := Edits(base, lines)
	for len(edits) > 0 {
		n := run(edits, ' ')
		if n == len(edits) {
			return append(out, skip)
		}
		// A removed line that can be found by its text needs no line before it.
		from := n
		if edits[n].Sign == '+' || slices.Index(base, edits[n].Line) < n {
			from = anchor(base, n)
		}
		if from > 0 {
			out = append(out, skip)
		}
		for _, line := range base[from:n] {
			out = append(out, " "+line)
		}
		base, edits = base[n:], edits[n:]
		n = run(edits, '-')
		out = append(out, removed(base, n)...)
		base, edits = base[n:], edits[n:]
		for len(edits) > 0 && edits[0].Sign == '+' {
			out = append(out, "+"+edits[0].Line)
			edits = edits[1:]
		}
	}
	return out
}

// run returns how many edits at the beginning have a sign.
func run(edits []Edit, sign byte) int {
	for i, e := range edits {
		if e.Sign != sign {
			return i
		}
	}
	return len(edits)
}

// removed lists the first n lines of base as removed: the first and the last of many.
func removed(base []string, n int) (out []string) {
	for i := 0; i < n; i++ {
		out = append(out, "-"+base[i])
		if last := i + 1 + anchor(base[i+1:], n-i-1); i == 0 && last > i+1 {
			out = append(out, remove)
			i = last - 1
		}
	}
	return out
}

// anchor returns the last line before end that occurs in lines for the first time, or 0: [Apply]
// skips to the first occurrence.
func anchor(lines []string, end int) int {
	for i := end - 1; i > 0; i-- {
		if slices.Index(lines, lines[i]) == i {
			return i
		}
	}
	return 0
}

// Apply returns the lines whose [Difference] from base is diff.
func Apply(base, diff []string) (out []string, err error) {
	elided := "" // skip or remove, until the next line of the base
	for n, line := range diff {
		if line == skip || line == remove {
			elided = line
			continue
		}
		if line == "" || !strings.Contains(" +-", line[:1]) {
			return nil, fmt.Errorf("line %d has no sign: %s", n+1, line)
		}
		sign, text := line[0], line[1:]
		if sign == '+' {
			if elided == skip {
				return nil, fmt.Errorf("line %d: a new line after %q has no place: %s", n+1, skip, line)
			}
			out = append(out, text)
			continue
		}
		here := 0
		if elided != "" {
			here = slices.Index(base, text)
		}
		if here < 0 || here >= len(base) || base[here] != text {
			return nil, fmt.Errorf("line %d: the base does not have this line here: %s", n+1, text)
		}
		if elided == skip {
			out = append(out, base[:here]...)
		}
		if sign == ' ' {
			out = append(out, text)
		}
		base, elided = base[here+1:], ""
	}
	if elided == skip {
		return append(out, base...), nil
	}
	if len(base) > 0 {
		return nil, fmt.Errorf("it ends before the base does, without %q: %s", skip, base[0])
	}
	return out, nil
}
