package lint

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const printed = `FROM alpine AS Builder
WORKDIR /app

RUN apt-get update
FROM scratch
COPY --from=builder \
     dist /
CMD run
`

func TestPrintMatchesGoldenFiles(t *testing.T) {
	for name, text := range map[string]string{"findings": printed, "none": "FROM scratch\nCOPY a /\n",
		"broken": "FROM a AS B\nFROO b\n", "failed": "# check=error=true\nFROM a\nCMD b\n"} {
		for _, format := range []string{"text", "json"} {
			r, err := Check([]byte(text), Options{})
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if err := r.Print(&out, format); err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+"."+format)
			if os.Getenv("UPDATE_GOLDEN") != "" {
				if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(out.Bytes(), want) {
				t.Errorf("%s: got\n%s\nwant\n%s", golden, out.Bytes(), want)
			}
			if format == "json" && !json.Valid(out.Bytes()) {
				t.Errorf("%s: not JSON", golden)
			}
		}
	}
	r, _ := Check([]byte("FROM a\n"), Options{})
	if err := r.Print(io.Discard, "xml"); err == nil {
		t.Error("xml is a format")
	}
}

// FuzzCheck: no text causes a panic, and all lines are within the text.
func FuzzCheck(f *testing.F) {
	f.Add(printed)
	f.Add("ARG A=$B\nFROM --platform=$C ${A:-x} AS y\nCOPY <<E /\n$z\nE\nENV a $b\nWORKDIR x\nEXPOSE 1:2/T\n" +
		"ONBUILD CMD a\n")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Check([]byte(text), known())
		if err != nil {
			return
		}
		n := strings.Count(text, "\n") + 1
		for _, w := range r.Warnings {
			if w.Line() < 0 || w.Line() > w.lastLine() || w.lastLine() > n || w.Rule == "" || w.Detail == "" {
				t.Errorf("%+v of %d lines", w, n)
			}
		}
		for _, format := range []string{"text", "json"} {
			if err := r.Print(io.Discard, format); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestExpansionIsBounded: variables that double in size with each line do not use up all memory.
func TestExpansionIsBounded(t *testing.T) {
	text := "FROM base\nENV A=aaaaaaaaaaaaaaaa\n" + strings.Repeat("ENV A=$A$A\n", 64)
	if _, err := Check([]byte(text), Options{}); err != nil {
		t.Fatal(err)
	}
}
