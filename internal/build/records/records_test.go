package records

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minirun/minirun/internal/build/progress"
	"github.com/minirun/minirun/internal/image/store"
)

func newStore(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// begin starts a record, whose steps are not shown.
func begin(t testing.TB, s *store.Store, name string) (*Writer, progress.Display) {
	t.Helper()
	w, err := Begin(s, Record{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	quiet, err := progress.New("quiet", os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	return w, w.Watch(quiet)
}

func list(t testing.TB, s *store.Store) []*Record {
	t.Helper()
	out, err := ForStore(s.Store).List()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func eventsOf(t testing.TB, r *Record) (out []progress.Event) {
	t.Helper()
	err := r.Events(func(events iter.Seq[progress.Event]) error {
		out = slices.Collect(events)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestEncodingIsReadByEncodingJSON: encoding/json can read what is encoded by hand.
func TestEncodingIsReadByEncodingJSON(t *testing.T) {
	odd := "a\"b\\c\n\x00\x1f\x7f é 😀 \u2028 <&> \xff end"
	valid := strings.ToValidUTF8(odd, "\ufffd")
	r := Record{
		ID: "1", Name: odd, Context: "/c", Dockerfile: "D", Repository: "r", Target: "t",
		Platforms: []string{"a", odd}, Tags: []string{"x"},
		Arguments: map[string]string{odd: odd, "b": ""}, Labels: map[string]string{"l": "1"},
		Contexts: map[string]string{"c": "d"}, Options: map[string]string{"o": "p"},
		Started: time.Unix(1, 5).UTC(), Completed: time.Unix(2, 0).UTC(), Status: Failed,
		Result: Result{Error: odd, Source: "s", Materials: map[string]string{"m": "n"}, Image: "i", Digest: "d",
			Names: []string{"n"}},
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Record]()) {
		if f.IsExported() && reflect.ValueOf(r).FieldByIndex(f.Index).IsZero() {
			t.Errorf("the test has no value for %s", f.Name)
		}
	}
	want := r
	want.Name, want.Error, want.Platforms, want.Arguments = valid, valid, []string{"a", valid},
		map[string]string{valid: valid, "b": ""}
	var got Record
	line := r.append(nil)
	if err := json.Unmarshal(line, &got); err != nil || !reflect.DeepEqual(got, want) ||
		bytes.Count(line, []byte("\n")) != 1 {
		t.Errorf("%v\n%+v, want\n%+v\n%s", err, got, want, line)
	}
	for _, e := range []progress.Event{
		{At: time.Unix(3, 1).UTC(), Kind: progress.Begin, ID: 1 << 22, Text: odd},
		{At: time.Unix(3, 2).UTC(), Kind: progress.Output, ID: 1, Data: []byte(odd)},
		{At: time.Unix(3, 3).UTC(), Kind: progress.Count, ID: 2, Text: "x", Done: 5, Total: 1 << 40},
		{At: time.Unix(3, 4).UTC(), Kind: progress.End, ID: 3, Cached: true},
		{At: time.Unix(3, 4).UTC(), Kind: progress.Inputs, ID: 3, Inputs: []int{1, 2, 3}},
		{At: time.Unix(3, 5).UTC(), Kind: progress.End, ID: 3, Error: odd, Canceled: true},
	} {
		got := slices.Collect(readEvents(newLineScanner(bytes.NewReader(appendLine(nil, &e, r.Started))), r.Started))
		e.Text, e.Error = strings.ToValidUTF8(e.Text, "\ufffd"), strings.ToValidUTF8(e.Error, "\ufffd")
		if len(got) != 1 || !reflect.DeepEqual(got[0], e) {
			t.Errorf("%+v, want %+v", got, e)
		}
	}
}

// TestLongBuildHasFileWhileItRuns: it is listed as running, then with its outcome. An unlocked
// log belongs to a killed build.
func TestLongBuildHasFileWhileItRuns(t *testing.T) {
	s := newStore(t)
	w, d := begin(t, s, "long")
	d.Begin(1, "[1/1] RUN x")
	w.mutex.Lock()
	w.flush() // as the timer does
	w.mutex.Unlock()
	d.Output(1, []byte("hello\n"))
	d.End(1, false, errors.New("bad"))
	all := list(t, s)
	if len(all) != 1 || all[0].Status != Running {
		t.Fatalf("%+v", all)
	}
	if err := ForStore(s.Store).Remove(all[0]); !errors.Is(err, errRunning) {
		t.Errorf("removed while it runs: %v", err)
	}
	if err := w.End(Failed, Result{Error: "bad"}); err != nil {
		t.Fatal(err)
	}
	all = list(t, s)
	if len(all) != 1 || all[0].Status != Failed || all[0].Error != "bad" {
		t.Fatalf("%+v", all[0])
	}
	steps, err := all[0].Steps()
	if err != nil || len(steps) != 1 || steps[0].Error != "bad" || steps[0].Name != "[1/1] RUN x" {
		t.Errorf("%+v, %v", steps, err)
	}
	if e := eventsOf(t, all[0]); len(e) != 3 || string(e[1].Data) != "hello\n" {
		t.Errorf("%+v", e)
	}

	killed, _ := begin(t, s, "killed")
	killed.mutex.Lock()
	killed.flush()
	killed.mutex.Unlock()
	if _, err := killed.file.WriteString(`{"at":5,"ki`); err != nil { // an incomplete line
		t.Fatal(err)
	}
	_ = killed.file.Close() // as the kernel does
	if all = list(t, s); len(all) != 2 || all[0].Status != Interrupted || len(eventsOf(t, all[0])) != 0 {
		t.Errorf("%+v", all[0])
	}
}

// TestFilesAreReadableOnlyByOwner also checks that nothing is left in tmp.
func TestFilesAreReadableOnlyByOwner(t *testing.T) {
	s := newStore(t)
	for _, long := range []bool{false, true} {
		w, _ := begin(t, s, "x")
		if long {
			w.mutex.Lock()
			w.flush()
			w.mutex.Unlock()
		}
		if err := w.End(Completed, Result{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range list(t, s) {
		if info, err := os.Stat(r.path); err != nil || info.Mode() != 0o600 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
	}
	if info, err := os.Stat(ForStore(s.Store).dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if left, err := os.ReadDir(filepath.Join(s.Dir, "tmp")); err != nil || len(left) != 0 {
		t.Errorf("%v, %v", left, err)
	}
}

// TestRecordIsBounded: of a step with endless output, the beginning and the end are kept, and
// every step has an end.
func TestRecordIsBounded(t *testing.T) {
	s := newStore(t)
	w, d := begin(t, s, strings.Repeat("n", 10))
	d.Begin(1, strings.Repeat("x", 1<<20))
	line := bytes.Repeat([]byte("0123456789abcde\n"), 1<<10)
	for range 1 << 10 { // 16 MiB
		d.Output(1, line)
	}
	d.Output(1, []byte("the last line\n"))
	d.End(1, false, errors.New(strings.Repeat("e", 1<<20)))
	if err := w.End(Failed, Result{Error: strings.Repeat("e", 1<<20)}); err != nil {
		t.Fatal(err)
	}
	r := list(t, s)[0]
	info, err := os.Stat(r.path)
	if err != nil || info.Size() > 2*maxOutput {
		t.Errorf("%d bytes, %v", info.Size(), err)
	}
	var text bytes.Buffer
	err = r.Events(func(events iter.Seq[progress.Event]) error { return progress.Replay("plain", &text, events) })
	if err != nil || !strings.Contains(text.String(), "the last line") ||
		!strings.Contains(text.String(), "bytes are omitted") || !strings.Contains(text.String(), "#1 ERROR: eee") {
		t.Errorf("%v: %d bytes of log", err, text.Len())
	}
}

// TestOldRecordsAreRemoved also covers concurrent builds.
func TestOldRecordsAreRemoved(t *testing.T) {
	t.Setenv(KeepVariable, "5")
	s := newStore(t)
	var wait sync.WaitGroup
	for n := range 40 {
		wait.Go(func() {
			w, d := begin(t, s, strconv.Itoa(n))
			d.Begin(1, "step")
			if n%2 == 0 {
				w.mutex.Lock()
				w.flush()
				w.mutex.Unlock()
			}
			d.End(1, true, nil)
			if err := w.End(Completed, Result{}); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	w, _ := begin(t, s, "last")
	w.mutex.Lock()
	w.flush()
	w.mutex.Unlock()
	if err := w.End(Completed, Result{}); err != nil {
		t.Fatal(err)
	}
	all := list(t, s)
	files, err := os.ReadDir(ForStore(s.Store).dir)
	if err != nil || len(files) != 5 || len(all) != 5 || all[0].Name != "last" {
		t.Errorf("%d files, %d records, %v", len(files), len(all), err)
	}
	if err := ForStore(s.Store).Clear(); err != nil || len(list(t, s)) != 0 {
		t.Errorf("%v, %d left", err, len(list(t, s)))
	}
	t.Setenv(KeepVariable, "0")
	if w, err := Begin(s, Record{}); w != nil || err != nil {
		t.Errorf("recorded: %v, %v", w, err)
	}
	t.Setenv(KeepVariable, "many")
	if _, err := Begin(s, Record{}); err == nil || !strings.Contains(err.Error(), KeepVariable+"=many") {
		t.Error(err)
	}
}

// TestFindByIDPrefixAndPosition: by ID, by a prefix of an ID, and by position.
func TestFindByIDPrefixAndPosition(t *testing.T) {
	s := newStore(t)
	b := ForStore(s.Store)
	if _, err := b.Find(""); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	for i, id := range []string{"aaa1", "aaa2", "b"} {
		r := Record{
			ID: id, Status: Completed, path: filepath.Join(b.dir, fmt.Sprintf("%019d-%s%s", i, id, extension)),
		}
		if err := os.WriteFile(r.path, r.append(nil), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range map[string]string{"0-empty": "", "1-x": "{", "2-y": "{}\n"} { // damaged
		if err := os.WriteFile(filepath.Join(b.dir, name+extension), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for ref, want := range map[string]string{"": "b", "^0": "b", "^1": "aaa2", "^2": "aaa1", "aaa1": "aaa1", "b": "b",
		"aaa": "", "^3": "", "^x": "", "^-1": "", "c": ""} {
		r, err := b.Find(ref)
		if got := ""; r != nil {
			if got = r.ID; got != want {
				t.Errorf("%q: %s, want %s", ref, got, want)
			}
		} else if want != "" || err == nil {
			t.Errorf("%q: %v, want %s", ref, err, want)
		}
	}
}
