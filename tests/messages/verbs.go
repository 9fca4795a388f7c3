package main

// This file finds the words to translate and the verbs in format strings of package fmt.

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/minirun/minirun/internal/translate"
)

// hasWords reports whether a format string contains a word to translate, and not only verbs and signs.
func hasWords(format string) bool {
	letters := 0
	for rest := format; rest != ""; {
		if n := translate.VerbLength(rest); n > 0 {
			rest, letters = rest[n:], 0
			continue
		}
		r, size := utf8.DecodeRuneInString(rest)
		rest = rest[size:]
		if !unicode.IsLetter(r) {
			letters = 0
			continue
		}
		if letters++; letters == 2 {
			return true
		}
	}
	return false
}

// arguments returns the verbs of a format string in the order of its arguments, as they are for
// `%[2]s of %[1]q`: "qs". It reports false if an argument is not used, or with two verbs.
func arguments(format string) (verbs string, ok bool) {
	var list []byte
	next := 0
	for rest := format; ; {
		at := strings.IndexByte(rest, '%')
		if at < 0 {
			break
		}
		rest = rest[at:]
		n := translate.VerbLength(rest)
		if n == 0 {
			rest = rest[1:]
			continue
		}
		verb, letter := rest[:n], rest[n-1]
		rest = rest[n:]
		if letter == '%' {
			continue
		}
		if from, to := strings.IndexByte(verb, '['), strings.IndexByte(verb, ']'); from > 0 && to > from {
			index, err := strconv.Atoi(verb[from+1 : to])
			if err != nil || index < 1 || index > 32 {
				return "", false
			}
			next = index - 1
		}
		for len(list) <= next {
			list = append(list, 0)
		}
		if list[next] != 0 && list[next] != letter {
			return "", false
		}
		list[next] = letter
		next++
	}
	return string(list), !strings.Contains(string(list), "\x00")
}
