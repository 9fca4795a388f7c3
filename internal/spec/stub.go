package spec

import "github.com/opencontainers/runtime-spec/specs-go"

func scan(p *problems, data []byte, v any) bool                       { return true }
func validateSpec(p *problems, s *specs.Spec)                         {}
func validateProcess(p *problems, prefix string, proc *specs.Process) {}
