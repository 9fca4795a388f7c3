package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/image"
)

// removeOne removes what one argument refers to.
func removeOne(t *testing.T, s *Store, text string, force bool) ([]string, error) {
	t.Helper()
	out, err := s.RemoveImages(context.Background(), []string{text}, force)
	if err != nil {
		t.Fatal(err)
	}
	return out[0].Names, out[0].Err
}

func TestRemoveByNameAndID(t *testing.T) {
	s := newStore(t)
	d, m := addImage(t, s, "layer")
	setName(t, s, "app:1", d)
	setName(t, s, "app:2", d)
	id := m.Config.Digest.String()
	if _, err := removeOne(t, s, id, false); err == nil || !strings.Contains(err.Error(), "rmi -f "+id) {
		t.Errorf("an image with two names is removed by its ID: %v", err)
	}
	if names, err := removeOne(t, s, "app:1", false); err != nil ||
		!slices.Equal(names, []string{"docker.io/library/app:1"}) {
		t.Error(names, err)
	}
	if names, err := removeOne(t, s, id[:19], false); err != nil ||
		!slices.Equal(names, []string{"docker.io/library/app:2"}) {
		t.Error(names, err)
	}
	setName(t, s, "app:1", d)
	setName(t, s, "app:2", d)
	if names, err := removeOne(t, s, id[7:19], true); err != nil || len(names) != 2 {
		t.Error(names, err)
	}
	setName(t, s, "app:1", d)
	if names, err := removeOne(t, s, "app@"+d.Digest.String(), false); err != nil || len(names) != 1 {
		t.Error(names, err)
	}
	if got := listNames(t, s); got != "" {
		t.Error(got)
	}
}

// TestRemoveContinuesAfterError: an argument that cannot be removed does not affect the others, and a
// name that was already removed by an earlier argument is not found.
func TestRemoveContinuesAfterError(t *testing.T) {
	s := newStore(t)
	one, _ := addImage(t, s, "one")
	two, _ := addImage(t, s, "two")
	setName(t, s, "one", one)
	setName(t, s, "two", two)
	out, err := s.RemoveImages(context.Background(), []string{"none", "one", "one", "UPPER", "two"}, false)
	if err != nil || len(out) != 5 || listNames(t, s) != "" {
		t.Fatalf("%v, %v, left: %s", out, err, listNames(t, s))
	}
	for n, missing := range []bool{true, false, true, false, false} {
		if errors.Is(out[n].Err, image.ErrNotFound) != missing || (out[n].Err == nil) != (n == 1 || n == 4) {
			t.Errorf("%s: %v", out[n].Text, out[n].Err)
		}
	}
}

// TestRemoveReadsOnce: the index is written once for many names, and no manifest is read. Otherwise the
// time would grow with the square of their number.
func TestRemoveReadsOnce(t *testing.T) {
	s := newStore(t)
	var texts []string
	for n := range 20 {
		d, _ := addImage(t, s, fmt.Sprint(n))
		setName(t, s, fmt.Sprintf("app:%d", n), d)
		texts = append(texts, fmt.Sprintf("app:%d", n))
		if err := os.Remove(s.Blob(d.Digest.String())); err != nil {
			t.Fatal(err)
		}
	}
	watch, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		t.Skip("inotify: ", err)
	}
	defer func() { _ = unix.Close(watch) }()
	if _, err := unix.InotifyAddWatch(watch, s.Dir, unix.IN_MOVED_TO); err != nil {
		t.Fatal(err)
	}
	if _, err := s.RemoveImages(context.Background(), texts, false); err != nil {
		t.Fatal(err)
	}
	events := make([]byte, 4096)
	n, err := unix.Read(watch, events)
	if replaced := strings.Count(string(events[:max(n, 0)]), "index.json"); err != nil || replaced != 1 {
		t.Errorf("index.json was replaced %d times, %v", replaced, err)
	}
	if got := listNames(t, s); got != "" {
		t.Errorf("left: %s", got)
	}
}
