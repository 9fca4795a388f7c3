package termtext

import "strings"

// Clip shortens a text to one line of at most that many columns.
func Clip(text string, most int) string { return Cut(strings.Join(strings.Fields(text), " "), most) }
