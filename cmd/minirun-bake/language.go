package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// translated returns texts in the user's language, by the program minirun-translate next to this one, which
// reads the same variables of the environment as minirun. minirun sets one of them for --lang. The texts stay English
// if the program is missing or fails.
func translated(texts ...string) []string {
	self, err := os.Executable()
	if err != nil {
		return texts
	}
	cmd := exec.Command(filepath.Join(filepath.Dir(self), "minirun-translate"))
	cmd.Stdin = strings.NewReader(strings.Join(texts, "\x00") + "\x00")
	out, err := cmd.Output()
	answers := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	if err != nil || len(answers) != len(texts) {
		return texts
	}
	return answers
}
