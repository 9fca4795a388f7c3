package spec

// This file reads documents other than config.json: the process of exec, and minirun's
// own records.

import (
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/spec/strictjson"
)

// Decode fills in the struct that target points to from one of minirun's own JSON
// documents: strict about syntax, types and duplicate keys, as for config.json.
func Decode(data []byte, name string, target any) error {
	p := newProblems(name)
	strictjson.Decode(&p.Problems, data, target)
	return p.Err()
}

// ValidateExec checks an additional process for a container of s. Problems refer to
// the document name.
func ValidateExec(s *specs.Spec, proc *specs.Process, name string) ([]Warning, error) {
	p := newProblems(name)
	validateProcess(p, "", proc)
	inside := *s
	inside.Process = proc
	validateProcessIDs(p, &inside)
	return p.Warnings, p.Err()
}
