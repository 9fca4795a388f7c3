package attest

import (
	"strconv"
	"strings"
)

// This file describes the steps of a build for mode=max: the build definition, in the JSON
// form of BuildKit's LLB (docs/attestations/slsa-definitions.md there), so that programs that
// read BuildKit's provenance can read minirun's.

// A Step is one step of a build.
type Step struct {
	Op          any    // the operation, under its name in LLB: exec, file or source
	Platform    string // OS/ARCHITECTURE[/VARIANT] of an exec's program
	Inputs      []int  // indexes of steps
	First, Last int    // lines of the Dockerfile; 0: none
}

type (
	buildConfig struct {
		Definition []stepDefinition `json:"llbDefinition"`
	}
	stepDefinition struct {
		ID     string   `json:"id"`
		Op     stepOp   `json:"op"`
		Inputs []string `json:"inputs,omitempty"`
	}
	stepOp struct {
		Op          any            `json:"Op"`
		Platform    *Platform      `json:"platform,omitempty"`
		Constraints map[string]any `json:"constraints"`
	}
	metadata struct {
		Source sourceMap `json:"source"`
	}
	sourceMap struct {
		Locations map[string]locations `json:"locations,omitempty"`
		Infos     []sourceInfo         `json:"infos"`
	}
	locations struct {
		Locations []sourceLocation `json:"locations,omitempty"`
	}
	sourceLocation struct {
		Ranges []sourceRange `json:"ranges"`
	}
	sourceRange struct {
		Start sourceLine `json:"start"`
		End   sourceLine `json:"end"`
	}
	sourceLine struct {
		Line int `json:"line"`
	}
	sourceInfo struct {
		Filename string `json:"filename"`
		Language string `json:"language"`
		Data     []byte `json:"data"` // in base64
	}
)

// A Platform is the platform of an operation, with LLB's field names.
type Platform struct {
	Architecture string `json:"Architecture"`
	OS           string `json:"OS"`
	Variant      string `json:"Variant,omitempty"`
}

// parsePlatform parses OS/ARCHITECTURE[/VARIANT]; it returns nil for an empty text.
func parsePlatform(text string) *Platform {
	parts := strings.SplitN(text, "/", 3)
	if len(parts) < 2 {
		return nil
	}
	p := &Platform{OS: parts[0], Architecture: parts[1]}
	if len(parts) == 3 {
		p.Variant = parts[2]
	}
	return p
}

func stepID(i int) string { return "step" + strconv.Itoa(i) }

// newBuildConfig returns the steps, followed by one that represents the result.
func newBuildConfig(f Facts) *buildConfig {
	out := &buildConfig{Definition: []stepDefinition{}}
	for i, s := range f.Steps {
		d := stepDefinition{
			ID: stepID(i), Op: stepOp{Op: s.Op, Platform: parsePlatform(s.Platform), Constraints: map[string]any{}},
		}
		for _, in := range s.Inputs {
			d.Inputs = append(d.Inputs, stepID(in)+":0")
		}
		out.Definition = append(out.Definition, d)
	}
	return out
}

// newMetadata returns the Dockerfile, and the lines of each step.
func newMetadata(f Facts) *metadata {
	m := &metadata{Source: sourceMap{Infos: []sourceInfo{{f.Dockerfile, "Dockerfile", f.Text}}}}
	for i, s := range f.Steps {
		if s.First == 0 {
			continue
		}
		if m.Source.Locations == nil {
			m.Source.Locations = map[string]locations{}
		}
		m.Source.Locations[stepID(i)] = locations{[]sourceLocation{{[]sourceRange{{sourceLine{s.First},
			sourceLine{s.Last}}}}}}
	}
	return m
}
