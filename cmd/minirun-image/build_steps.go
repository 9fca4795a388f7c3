package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/build"
)

// stepOptions parses the flags for RUN and its cache.
func stepOptions(ctx *cli.Context, o *build.Options) (err error) {
	switch o.Network {
	case "", "default", "host", "none":
	default:
		return fmt.Errorf("--network %s: must be default, host or none (no daemon manages other networks)", o.Network)
	}
	if o.Without = commaSeparated(ctx.StringSlice("no-cache-filter")); o.NoCache && len(o.Without) > 0 {
		return errors.New("--no-cache cannot be combined with --no-cache-filter")
	}
	if err := entitlements(o, ctx.StringSlice("allow")); err != nil {
		return err
	}
	if o.Hosts, err = hosts(ctx.StringSlice("add-host")); err != nil {
		return err
	}
	o.Limits, err = stepLimits(ctx)
	return err
}

// commaSeparated splits the values of a flag at commas.
func commaSeparated(list []string) (out []string) {
	for _, text := range list {
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); part != "" {
				out = append(out, part)
			}
		}
	}
	return out
}

// entitlements parses --allow.
func entitlements(o *build.Options, list []string) error {
	for _, text := range list {
		switch {
		case text == "network.host" || text == "security.insecure":
			o.Allow = append(o.Allow, text)
		case text == "device" || strings.HasPrefix(text, "device="):
			if err := o.Devices.Add(text); err != nil {
				return fmt.Errorf("--allow %s: %w", text, err)
			}
		case text == "buildx.local.delete":
			return errors.New("--allow buildx.local.delete: minirun has no --output type=local,mode=delete; it never deletes other files in the directory")
		default:
			return fmt.Errorf("--allow %s: must be network.host, security.insecure or device[=NAME]", text)
		}
	}
	return nil
}

// labels parses --label. A name without a value has an empty value.
func labels(list []string) (map[string]string, error) {
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

// hosts parses --add-host NAME:ADDRESS[,NAME:ADDRESS…], or with = instead of the colon. RUN uses
// this machine's network, so host-gateway is this machine.
func hosts(list []string) (out []string, err error) {
	for _, text := range commaSeparated(list) {
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
