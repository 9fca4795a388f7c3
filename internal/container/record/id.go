package record

import (
	"fmt"
)

// CheckID refuses names that are not plain directory names: runc's rule, letters,
// digits and _ + - . but not "." and "..".
func CheckID(id string) error {
	if id == "" {
		return fmt.Errorf("container ID: must not be empty")
	}
	if id == "." || id == ".." || len(id) > 1024 {
		return fmt.Errorf("container ID %q: not usable as a name", id)
	}
	for _, c := range []byte(id) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && c != '_' && c != '+' && c != '-' && c != '.' {
			return fmt.Errorf("container ID %q: only letters, digits and _ + - . are allowed", id)
		}
	}
	return nil
}
