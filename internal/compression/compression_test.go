package compression

import "testing"

func TestDetect(t *testing.T) {
	for head, want := range map[string]Format{
		"":                         Plain,
		"\x1f":                     Plain,
		"\x1f\x8b\x08\x00\x00\x00": Gzip,
		"BZ":                       Plain,
		"BZh91A":                   Bzip2,
		"\xfd7zXZ":                 Plain,
		"\xfd7zXZ\x00":             XZ,
		"\x28\xb5\x2f\xfd":         Zstd,
		"\x50\x2a\x4d\x18\x00\x00": Zstd,
		"\x5e\x2a\x4d\x18\x00\x00": Zstd,
		"\x60\x2a\x4d\x18\x00\x00": Plain,
		"./\x00\x00\x00\x00":       Plain,
	} {
		if got := Detect([]byte(head)); got != want {
			t.Errorf("%q: %s, want %s", head, got, want)
		}
	}
}
