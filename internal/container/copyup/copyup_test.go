package copyup

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestSignalStopsCopy: a signal stops the copy of a large directory or of a large file.
func TestSignalStopsCopy(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(from, "large"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(from, "large"), 3*pieceSize); err != nil {
		t.Fatal(err)
	}
	source, target := openTestDir(t, from), openTestDir(t, to)
	told := errors.New("told")
	calls := 0
	stop := func() error {
		if calls++; calls == 3 {
			return told
		}
		return nil
	}
	if err := Copy(stop, source, target, "", Preserved{}); !errors.Is(err, told) {
		t.Errorf("the error is %v", err)
	}
	if info, err := os.Stat(filepath.Join(to, "large")); err != nil || info.Size() >= 3*pieceSize {
		t.Errorf("it has copied all: %v, %v", info, err)
	}
}

func openTestDir(t *testing.T, path string) int {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return int(f.Fd())
}
