package attest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/minirun/minirun/internal/keyvalue"
)

// A Mode is the level of detail of a provenance.
type Mode int

// The modes.
const (
	None Mode = iota
	Min       // bases, sources, times
	Max       // also build arguments, names of secrets, the Dockerfile
)

// Options select the attestations. None is created unless requested.
type Options struct {
	Provenance   Mode
	BuilderID    string
	Reproducible bool // claimed by the user
	SLSA02       bool // version=v0.2: SLSA 0.2 provenance instead of SLSA 1
	InlineOnly   bool // only images in the store and in registries have the provenance
	SBOM         bool
}

// Parse reads --attest type=…, then --provenance and --sbom, which override it.
func Parse(attests []string, provenance, sbom string) (o Options, err error) {
	for _, text := range attests {
		if err := o.parseAttest(text); err != nil {
			return o, fmt.Errorf("--attest %q: %w", text, err)
		}
	}
	for _, f := range []struct{ flag, kind, text string }{{"provenance", "provenance", provenance},
		{"sbom", "sbom", sbom}} {
		if f.text == "" {
			continue
		}
		if err := o.parseShort(f.kind, f.text); err != nil {
			return o, fmt.Errorf("--%s %q: %w", f.flag, f.text, err)
		}
	}
	return o, nil
}

// parseShort reads true, false, or KEY=VALUE,….
func (o *Options) parseShort(kind, text string) error {
	if on, err := strconv.ParseBool(text); err == nil {
		if !on {
			return o.parseAttest("type=" + kind + ",disabled=true")
		}
		return o.parseAttest("type=" + kind)
	}
	if !strings.Contains(text, "=") {
		return errors.New("must be true, false, or KEY=VALUE")
	}
	return o.parseAttest("type=" + kind + "," + text)
}

func (o *Options) parseAttest(text string) error {
	values := map[string]string{}
	err := keyvalue.Each(text, func(key, value string, _ bool) error {
		values[key] = value
		return nil
	})
	if err != nil {
		return err
	}
	kind := values["type"]
	delete(values, "type")
	disabled, err := takeBool(values, "disabled")
	if err != nil {
		return err
	}
	switch kind {
	case "provenance":
		return o.parseProvenance(values, disabled)
	case "sbom":
		o.SBOM = !disabled
		if values["generator"] != "" {
			return errors.New("generator: not supported, because minirun lists the packages itself")
		}
		delete(values, "generator")
		return rejectUnknown(values)
	}
	return fmt.Errorf("type %q: must be provenance or sbom", kind)
}

func (o *Options) parseProvenance(values map[string]string, disabled bool) (err error) {
	o.BuilderID = values["builder-id"]
	if o.Reproducible, err = takeBool(values, "reproducible"); err != nil {
		return err
	}
	if o.InlineOnly, err = takeBool(values, "inline-only"); err != nil {
		return err
	}
	switch mode := values["mode"]; {
	case disabled:
		o.Provenance = None
	case mode == "" || mode == "min":
		o.Provenance = Min
	case mode == "max":
		o.Provenance = Max
	default:
		return fmt.Errorf("mode=%s: must be min or max", mode)
	}
	switch v := values["version"]; v {
	case "", "v1", "v0.2":
		o.SLSA02 = v == "v0.2"
	default:
		return fmt.Errorf("version=%s: must be v1 or v0.2", v)
	}
	for _, known := range []string{"builder-id", "mode", "version"} {
		delete(values, known)
	}
	return rejectUnknown(values)
}

// takeBool parses and removes a switch; its name alone turns it on.
func takeBool(values map[string]string, key string) (on bool, err error) {
	value, ok := values[key]
	if on = ok; value != "" {
		if on, err = strconv.ParseBool(value); err != nil {
			return false, fmt.Errorf("%s=%s: must be true or false", key, value)
		}
	}
	delete(values, key)
	return on, nil
}

func rejectUnknown(values map[string]string) error {
	for key := range values {
		return fmt.Errorf("unknown key %q", key)
	}
	return nil
}
