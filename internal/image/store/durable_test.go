package store

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// boot simulates another boot of the machine.
func boot(t *testing.T, id string) {
	t.Helper()
	before := bootID
	bootID = filepath.Join(t.TempDir(), "boot_id")
	t.Cleanup(func() { bootID = before })
	if err := os.WriteFile(bootID, []byte(id+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// made creates a layer as a build's step does, and returns its directory.
func made(t *testing.T, s *Store, name string) string {
	t.Helper()
	now, err := Now()
	if err != nil {
		t.Fatal(err)
	}
	return write(t, s, name, Layer{Made: now})
}

func write(t *testing.T, s *Store, name string, l Layer) string {
	t.Helper()
	dir := filepath.Join(s.Dir, "layers", name)
	text, err := json.Marshal(l)
	if err == nil {
		err = os.MkdirAll(filepath.Join(dir, "fs"), 0o700)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "layer.json"), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func is(t *testing.T, s *Store, dir string, want bool) {
	t.Helper()
	if got, err := s.Trust().IsComplete(dir); got != want || err != nil {
		t.Errorf("%s is whole: %v, %v, want %v", filepath.Base(dir), got, err, want)
	}
}

func settle(t *testing.T, s *Store, dirs ...string) {
	t.Helper()
	if err := s.SyncLayers(dirs); err != nil {
		t.Fatal(err)
	}
}

// TestTrustAfterPowerFailure: a layer of another boot is trusted if a sync in that boot followed it.
func TestTrustAfterPowerFailure(t *testing.T) {
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	boot(t, "first")
	unpacked := write(t, s, "unpacked", Layer{})
	early := made(t, s, "early")
	settle(t, s, unpacked)
	if _, err := os.Stat(s.syncedFile()); err == nil {
		t.Error("it has synced for a layer that is on the disk")
	}
	settle(t, s, unpacked, early)
	late := made(t, s, "late")
	for _, dir := range []string{unpacked, early, late} {
		is(t, s, dir, true) // the kernel has it
	}
	boot(t, "second")
	is(t, s, unpacked, true)
	is(t, s, early, true)
	is(t, s, late, false)
	// A sync in this boot does not restore files that were lost in another one.
	settle(t, s, made(t, s, "another"))
	is(t, s, late, false)
	is(t, s, early, true)
	second := made(t, s, "second")
	settle(t, s, second)
	before, err := os.ReadFile(s.syncedFile())
	if err != nil {
		t.Fatal(err)
	}
	settle(t, s, second, early)
	if now, err := os.ReadFile(s.syncedFile()); err != nil || string(now) != string(before) {
		t.Errorf("it has synced again: %q, %q, %v", before, now, err)
	}
	boot(t, "third")
	is(t, s, second, true)
	is(t, s, early, true)
	// The record itself may be lost or truncated; then no layer of another boot is trusted.
	for _, text := range []string{"", "first", "first 1", "first 1\n", "first x\n", "\x00\x00\x00"} {
		if err := os.WriteFile(s.syncedFile(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		is(t, s, early, false)
		is(t, s, unpacked, true)
	}
	if err := os.WriteFile(filepath.Join(second, "layer.json"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	is(t, s, second, false)
	is(t, s, filepath.Join(s.Dir, "layers", "gone"), false)
}

// TestOldestBootIsForgotten: layers of boots that are no longer remembered are not trusted.
func TestOldestBootIsForgotten(t *testing.T) {
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	boot(t, "first")
	first := made(t, s, "first")
	settle(t, s, first)
	for n := range maxBoots {
		boot(t, "boot-"+string(rune('a'+n%26))+string(rune('a'+n/26)))
		is(t, s, first, true)
		settle(t, s, made(t, s, "another"))
	}
	is(t, s, first, false)
	if list, err := s.readSynced(); err != nil || len(list) != maxBoots {
		t.Errorf("%d boots, %v", len(list), err)
	}
}
