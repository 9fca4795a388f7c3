package spec

import "github.com/opencontainers/runtime-spec/specs-go"

// validate checks the values of a config.json that is already decoded.
func validate(s *specs.Spec) ([]Warning, error) {
	p := newProblems("")
	validateSpec(p, s)
	return p.Warnings, p.Err()
}
