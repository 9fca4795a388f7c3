// Package options parses the values of the flags of build that are not files or outputs: variables,
// labels, platforms, hosts, limits and entitlements. An error names the flag.
package options

import (
	"fmt"
	"net/netip"
	"os"
	"strings"

	"github.com/containerd/platforms"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
)

// CommaSeparated splits the values of a flag at commas.
func CommaSeparated(list []string) (out []string) {
	for _, text := range list {
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); part != "" {
				out = append(out, part)
			}
		}
	}
	return out
}

// Platforms parses --platform; local stands for this machine's platform.
func Platforms(list []string) (out []oci.Platform, err error) {
	for _, text := range CommaSeparated(list) {
		p := platforms.DefaultSpec()
		if text != "local" {
			if p, err = platforms.Parse(text); err != nil {
				return nil, fmt.Errorf("--platform %s: %w\nhint: use OS/ARCHITECTURE[/VARIANT], such as linux/arm64", text,
					err)
			}
		}
		out = append(out, platforms.Normalize(p))
	}
	return out, nil
}

// BuildArguments parses --build-arg. A name without a value takes the value from the environment,
// or is left out.
func BuildArguments(list []string) (map[string]string, error) {
	out := map[string]string{}
	for _, text := range list {
		name, value, given := strings.Cut(text, "=")
		if name == "" {
			return nil, fmt.Errorf("--build-arg %q: must be NAME or NAME=VALUE", text)
		}
		if !given {
			if value, given = os.LookupEnv(name); !given {
				continue
			}
		}
		out[name] = value
	}
	return out, nil
}

// Contexts parses --build-context.
func Contexts(list []string) (map[string]string, error) {
	out := map[string]string{}
	for _, text := range list {
		name, value, given := strings.Cut(text, "=")
		if name == "" || !given {
			return nil, fmt.Errorf("--build-context %q: must be NAME=VALUE", text)
		}
		out[name] = value
	}
	return out, nil
}

// Labels parses --label. A name without a value has an empty value.
func Labels(list []string) (map[string]string, error) {
	out := map[string]string{}
	for _, text := range list {
		name, value, _ := strings.Cut(text, "=")
		if name == "" {
			return nil, fmt.Errorf("--label %q: must be NAME or NAME=VALUE", text)
		}
		out[name] = value
	}
	return out, nil
}

// Hosts parses --add-host NAME:ADDRESS[,NAME:ADDRESS…], or with = instead of the colon. RUN uses
// this machine's network, so host-gateway is this machine.
func Hosts(list []string) (out []string, err error) {
	for _, text := range CommaSeparated(list) {
		at := strings.IndexAny(text, ":=")
		if at < 1 {
			return nil, fmt.Errorf("--add-host %q: must be NAME:ADDRESS", text)
		}
		name, address := text[:at], text[at+1:]
		if address == "host-gateway" {
			address = "127.0.0.1"
		}
		if _, err := netip.ParseAddr(strings.Trim(address, "[]")); err != nil {
			return nil, fmt.Errorf("--add-host %q: must be NAME:ADDRESS, with a numeric address or host-gateway", text)
		}
		out = append(out, name+"="+address)
	}
	return out, nil
}
