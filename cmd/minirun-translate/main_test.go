package main

import (
	"bytes"
	"strings"
	"testing"
)

// TestAnswer: each complete text has one answer, and a text without an end has none.
func TestAnswer(t *testing.T) {
	var out bytes.Buffer
	if err := answer(strings.NewReader("a\x00\x00b\nc\x00d"), &out, strings.ToUpper); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != "A\x00\x00B\nC\x00" {
		t.Errorf("%q", got)
	}
}

// TestRunRefusesUnknownLanguages: minirun then prints English.
func TestRunRefusesUnknownLanguages(t *testing.T) {
	if err := run([]string{"xx"}); err == nil {
		t.Error("an unknown language is accepted")
	}
}
