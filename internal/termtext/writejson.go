package termtext

import (
	"bytes"
	"encoding/json"
	"io"
)

// WriteJSON writes a value as indented JSON for people and programs, as --format json does.
func WriteJSON(w io.Writer, v any) error {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := io.WriteString(w, JSON(out.String()))
	return err
}
