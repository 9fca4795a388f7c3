// Package nearest finds the word that was probably meant by one with a typing error. internal/build
// uses a function of BuildKit for the same purpose, so that its messages agree with BuildKit's;
// cmd/minirun must not link that.
package nearest

import (
	"strings"
	"unicode/utf8"
)

// Word returns the candidate that was probably meant by a word that is not one of them, or "".
func Word(word string, candidates []string) string {
	if utf8.RuneCountInString(word) < 2 {
		return ""
	}
	best, least := "", max(1, utf8.RuneCountInString(word)/3)+1
	for _, c := range candidates {
		if d := countEdits([]rune(strings.ToLower(word)), []rune(strings.ToLower(c))); d < least {
			best, least = c, d
		}
	}
	return best
}

// Edits returns the number of typing errors that turn one word into the other.
func Edits(a, b string) int { return countEdits([]rune(a), []rune(b)) }

// countEdits returns the number of characters to insert, remove, replace or exchange with their
// neighbor that turns one word into the other (the optimal string alignment distance).
func countEdits(a, b []rune) int {
	before, above := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i := range a {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range b {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(row[j]+1, above[j+1]+1, above[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, above = above, row
	}
	return above[len(b)]
}
