package spec

import (
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/spec/strictjson"
)

// Compact formats a config.json on one line. TestCompact compares the result with
// that of encoding/json.
func Compact(s *specs.Spec) ([]byte, error) {
	out, err := strictjson.Marshal(s)
	if err != nil {
		return nil, &Error{Err: err}
	}
	return out, nil
}
