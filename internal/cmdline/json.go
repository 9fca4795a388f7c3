package cmdline

import (
	"bytes"
	"encoding/json"
	"io"

	"github.com/minirun/minirun/internal/termtext"
)

// WriteJSON writes a value for people and programs, as --format json does.
func WriteJSON(w io.Writer, v any) error {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := io.WriteString(w, termtext.JSON(out.String()))
	return err
}
