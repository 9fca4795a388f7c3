package images

import (
	"archive/tar"
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// writeLayer writes a layer with these files, whose content is their name: a removed file has .wh.
func writeLayer(t *testing.T, compressed bool, names ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "layer")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var w *tar.Writer
	if compressed {
		z := gzip.NewWriter(f)
		defer z.Close()
		w = tar.NewWriter(z)
	} else {
		w = tar.NewWriter(f)
	}
	defer w.Close()
	for _, name := range names {
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(name))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(name)); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func TestLayersAreSearched(t *testing.T) {
	p := &platformImage{layers: []string{writeLayer(t, false, "app/lock", "./usr/bin/npm"), writeLayer(t, true, "usr/bin/.wh.npm", "b")}}
	for _, c := range []struct {
		pattern, found string
		layer          int
	}{
		{"npm", "/usr/bin/npm", 1}, // it is in a layer, although the next one hides it
		{"/usr/bin/np?", "/usr/bin/npm", 1}, {"/npm", "", 0}, {"b", "/b", 2}, {"gcc", "", 0},
	} {
		found, layer, err := p.matching([]string{c.pattern})
		if found != c.found || layer != c.layer || err != nil {
			t.Errorf("%s: %q in layer %d, %v", c.pattern, found, layer, err)
		}
	}
	if _, _, err := p.matching([]string{"[a"}); err == nil {
		t.Error("a wrong pattern is accepted")
	}
	if size, err := p.size(); size != int64(len("app/lock./usr/bin/npmusr/bin/.wh.npmb")) || err != nil {
		t.Errorf("size %d, %v", size, err)
	}
	for suffix, want := range map[string]string{"lock": "app/lock", "app/lock": "app/lock", "bin/npm": "", "none": ""} {
		if text, err := p.content(suffix); text != want || err != nil {
			t.Errorf("%s: %q, %v", suffix, text, err)
		}
	}
}

// TestProbeAfterStop: only a probe that began after the servers were stopped says something about the check.
func TestProbeAfterStop(t *testing.T) {
	stopped := time.Unix(100, 0)
	var h healthState
	add := func(second int64, code int) {
		h.Health.Log = append(h.Health.Log, struct {
			Start    time.Time
			ExitCode int
		}{time.Unix(second, 0), code})
	}
	add(99, 0)
	add(101, 1)
	if h.succeededAfter(stopped) {
		t.Error("a probe before the stop, or a failed one, counts")
	}
	if add(102, 0); !h.succeededAfter(stopped) {
		t.Error("a probe that succeeds does not count")
	}
}
