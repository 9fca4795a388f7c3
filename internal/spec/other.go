package spec

// This file owns documents beside config.json: the process of exec, and records of
// minirun's own.

import "github.com/opencontainers/runtime-spec/specs-go"

// Decode fills the struct that target points to from a JSON document of minirun's
// own: strict about syntax, types and duplicate keys, as with config.json.
func Decode(data []byte, name string, target any) error {
	p := &problems{file: name}
	decode(p, data, target)
	return p.err()
}

// ValidateExec checks a process that is to run in a container of s beside its
// first one. Problems are those of the document name.
func ValidateExec(s *specs.Spec, proc *specs.Process, name string) ([]Warning, error) {
	p := &problems{file: name}
	validateProcess(p, "", proc)
	inside := *s
	inside.Process = proc
	validateProcessIDs(p, &inside)
	return p.warns, p.err()
}
