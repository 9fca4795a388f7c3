package hint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// TestTexts: joined errors are several messages, and a hint is repeated only if another one came between.
func TestTexts(t *testing.T) {
	a, b, c := Add(errors.New("a"), "list"), Add(errors.New("b"), "list"), errors.New("c")
	for _, x := range []struct {
		err  error
		want []string
	}{
		{c, []string{"c"}}, {a, []string{"a\nhint: list"}},
		{errors.Join(a, b), []string{"a", "b\nhint: list"}},
		{errors.Join(a, c, b), []string{"a\nhint: list", "c", "b\nhint: list"}},
		{Add(errors.Join(c, a), "sudo"), []string{"c\nhint: sudo", "a\nhint: list"}},
		{Add(errors.Join(c, c), "sudo"), []string{"c", "c\nhint: sudo"}},
		{fmt.Errorf("x: %w", a), []string{"x: a\nhint: list"}},
	} {
		if got := Texts(x.err); !slices.Equal(got, x.want) {
			t.Errorf("%q: %q, want %q", x.err, got, x.want)
		}
	}
}

// hinted has a hint in its own text.
type hinted struct{ error }

func (h hinted) HasHint() bool { return true }

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
		{fmt.Errorf("a: %w", hinted{unix.EPERM}), "a: operation not permitted"},
		{errors.New("permission denied"), "permission denied"},
		{fs.ErrNotExist, "file does not exist"},
	} {
		got := ForUser(c.err, "use sudo")
		if got.Error() != c.want || !errors.Is(got, c.err) {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}
