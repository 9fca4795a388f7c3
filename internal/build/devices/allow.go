package devices

import (
	"fmt"
	"slices"
	"strings"

	"github.com/minirun/minirun/internal/keyvalue"
)

// Allow lists the devices that a build may use.
type Allow struct {
	All     bool
	Names   []string
	Aliases map[string]string // a device's name in the Dockerfile → its name here
}

// Add parses the value of one --allow: device, or device=NAME[,alias=NAME].
func (a *Allow) Add(text string) error {
	rest, named := strings.CutPrefix(text, "device=")
	if !named {
		a.All = true
		return nil
	}
	fields, err := keyvalue.Fields(rest)
	if err != nil {
		return err
	}
	name := fields[0]
	if name == "" {
		return fmt.Errorf("must be device, or device=NAME[,alias=NAME]")
	}
	if len(fields) == 1 {
		a.Names = append(a.Names, name)
	}
	for _, f := range fields[1:] {
		key, alias, _ := strings.Cut(f, "=")
		if key != "alias" || alias == "" {
			return fmt.Errorf("unknown option %q: only alias=NAME may follow the device", f)
		}
		if a.Aliases == nil {
			a.Aliases = map[string]string{}
		}
		a.Aliases[alias] = name
	}
	return nil
}

// A DeniedError means that a build requests a device that is not allowed.
type DeniedError struct{ Names []string }

func (e *DeniedError) Error() string {
	subject := "device " + e.Names[0] + " is"
	if len(e.Names) > 1 {
		subject = "devices " + strings.Join(e.Names, ", ") + " are"
	}
	return fmt.Sprintf("%s requested by the build but not allowed\nhint: use --allow device=%s", subject, e.Names[0])
}

// Select returns the devices that a RUN gets for a name. It is an error if one of them is not
// allowed, or is required and does not exist.
func (r *Registry) Select(a *Allow, name string, required bool) ([]string, error) {
	target, aliased := a.Aliases[name]
	if !aliased {
		target = name
	}
	found := r.Resolve(target)
	if len(found) == 0 {
		if required {
			return nil, r.missingError(target)
		}
		return nil, nil
	}
	if aliased || a.All {
		return found, nil
	}
	var allowed []string
	for _, n := range a.Names {
		list := r.Resolve(n)
		if len(list) == 0 {
			return nil, fmt.Errorf("--allow device=%s: %w", n, r.missingError(n))
		}
		allowed = append(allowed, list...)
	}
	var denied []string
	for _, f := range found {
		if !r.isAutoAllowed(f) && !slices.Contains(allowed, f) {
			denied = append(denied, f)
		}
	}
	if len(denied) > 0 {
		return nil, &DeniedError{denied}
	}
	return found, nil
}

// missingError returns the error for a device that does not exist.
func (r *Registry) missingError(name string) error {
	known := "no CDI spec describes a device"
	if all := r.Names(); len(all) > 0 {
		known = "the devices are " + strings.Join(all, ", ")
	}
	err := fmt.Errorf("required device %q is not registered: %s", name, known)
	if problems := r.Problems(); problems != nil {
		return fmt.Errorf("%w\n%w", err, problems)
	}
	return err
}
