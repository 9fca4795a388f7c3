package termtext

import "strings"

// Clip shortens a text to one line of at most that many characters.
func Clip(text string, most int) string {
	r := []rune(strings.Join(strings.Fields(text), " "))
	if len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return string(r)
}
