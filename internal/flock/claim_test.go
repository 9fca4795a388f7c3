package flock

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestClaim: one open file has the claim, others can ask for it without taking it, and it ends with
// the last descriptor of the open file.
func TestClaim(t *testing.T) {
	path := filepath.Join(t.TempDir(), "claim")
	files := make([]*os.File, 2)
	for i := range files {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files[i] = f
	}
	first, second := int(files[0].Fd()), int(files[1].Fd())
	if claimed, err := IsClaimed(second); claimed || err != nil {
		t.Fatal(claimed, err)
	}
	if err := Claim(first); err != nil {
		t.Fatal(err)
	}
	if claimed, err := IsClaimed(second); !claimed || err != nil {
		t.Error(claimed, err)
	}
	if err := Claim(second); !errors.Is(err, unix.EAGAIN) {
		t.Error(err)
	}
	handed, err := unix.Dup(first) // as a child inherits it
	if err != nil {
		t.Fatal(err)
	}
	files[0].Close()
	if claimed, err := IsClaimed(second); !claimed || err != nil {
		t.Error("the claim ended with the first descriptor: ", err)
	}
	if err := unix.Close(handed); err != nil {
		t.Fatal(err)
	}
	if err := Claim(second); err != nil {
		t.Error(err)
	}
}
