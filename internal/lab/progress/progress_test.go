package progress

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func newStore(t *testing.T) Store {
	return Store{Path: filepath.Join(t.TempDir(), "state", "minirun", "labs.json"), UID: os.Getuid(), GID: os.Getgid(), Machine: "m"}
}

// TestConcurrentChangesAreKept: no change of another process is lost.
func TestConcurrentChangesAreKept(t *testing.T) {
	s := newStore(t)
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			err := s.Change(func(f *File) error {
				if f.Labs["a"] == nil {
					f.Labs["a"] = &Lab{}
				}
				f.Labs["a"].Checks++
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	f, err := s.Read()
	if err != nil || f.Labs["a"].Checks != 20 {
		t.Errorf("%+v %v", f.Labs["a"], err)
	}
}

// TestEditedProgressIsDetected: a state that was written with an editor is not genuine.
func TestEditedProgressIsDetected(t *testing.T) {
	s := newStore(t)
	l := &Lab{Values: map[string]string{"token": "1"}}
	s.Mark("a", l, Started, time.Now())
	if !s.Genuine("a", l) {
		t.Error("what was marked is not genuine")
	}
	for name, change := range map[string]func(l *Lab){
		"passed":        func(l *Lab) { l.State = Passed },
		"another token": func(l *Lab) { l.Values = map[string]string{"token": "2"} },
		"a time":        func(l *Lab) { now := time.Now(); l.Passed = &now },
		"no proof":      func(l *Lab) { l.Proof = "" },
	} {
		changed := *l
		change(&changed)
		if s.Genuine("a", &changed) {
			t.Errorf("%s is genuine", name)
		}
	}
	if s.Genuine("b", l) {
		t.Error("the proof of another lab is genuine")
	}
	other := s
	other.Machine = "another"
	if other.Genuine("a", l) {
		t.Error("the proof of another machine is genuine")
	}
}

func TestDamagedAndNewerFilesAreRefused(t *testing.T) {
	s := newStore(t)
	if err := os.MkdirAll(filepath.Dir(s.Path), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ text, want string }{{`{"version": 1,`, "hint:"}, {`{"version": 2}`, ErrVersion.Error()}} {
		text, want := c.text, c.want
		if err := os.WriteFile(s.Path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := s.Change(func(*File) error { return nil })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
		if data, err := os.ReadFile(s.Path); err != nil || string(data) != text {
			t.Errorf("%s was replaced by %s", text, data)
		}
	}
}
