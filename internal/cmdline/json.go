package cmdline

import (
	"encoding/json"
	"io"
)

// WriteJSON writes a value for people and programs, as --format json does.
func WriteJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
