package hint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestForUser: the error number decides, not the text, and an error never gets a second hint.
func TestForUser(t *testing.T) {
	denied := &os.PathError{Op: "open", Path: "/x", Err: unix.EACCES}
	for _, c := range []struct {
		err  error
		want string
	}{
		{denied, "open /x: permission denied\nhint: use sudo"},
		{fmt.Errorf("list: %w", unix.EPERM), "list: operation not permitted\nhint: use sudo"},
		{fmt.Errorf("a: %w", Add(denied, "try %s", "y")), "a: open /x: permission denied\nhint: try y"},
		{errors.New("permission denied"), "permission denied"},
		{fs.ErrNotExist, "file does not exist"},
	} {
		got := ForUser(c.err, "use sudo")
		if got.Error() != c.want || !errors.Is(got, c.err) {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}
