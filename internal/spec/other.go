package spec

// This file reads documents other than config.json: the process of exec, and minirun's
// own records.

import "github.com/opencontainers/runtime-spec/specs-go"

// Decode fills in the struct that target points to from one of minirun's own JSON
// documents: strict about syntax, types and duplicate keys, as for config.json.
func Decode(data []byte, name string, target any) error {
	p := &problems{file: name}
	decode(p, data, target)
	return p.err()
}

// ValidateExec checks an additional process for a container of s. Problems refer to
// the document name.
func ValidateExec(s *specs.Spec, proc *specs.Process, name string) ([]Warning, error) {
	p := &problems{file: name}
	validateProcess(p, "", proc)
	inside := *s
	inside.Process = proc
	validateProcessIDs(p, &inside)
	return p.warns, p.err()
}
