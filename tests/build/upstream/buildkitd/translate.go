package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"

	controlapi "github.com/moby/buildkit/api/services/control"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// valueFlags lists the attributes whose value becomes the value of a flag.
var valueFlags = map[string]string{
	"target": "--target", "platform": "--platform", "shm-size": "--shm-size", "force-network-mode": "--network",
	"cgroup-parent": "--cgroup-parent",
}

// resourceKeys maps attributes to the keys of --resource.
var resourceKeys = map[string]string{
	"memory": "memory", "memswap": "memory-swap", "cpushares": "cpu-shares", "cpuperiod": "cpu-period",
	"cpuquota":   "cpu-quota",
	"cpusetcpus": "cpuset-cpus", "cpusetmems": "cpuset-mems",
}

// prefixFlags lists the attributes whose name contains a name from the Dockerfile.
var prefixFlags = []struct{ prefix, flag string }{
	{"build-arg:", "--build-arg"}, {"label:", "--label"},
}

// handledElsewhere matches attributes that are handled by other parts of the job, or that have no meaning
// without a daemon.
var handledElsewhere = regexp.MustCompile(`^(filename|context|contextkey|dockerfilekey|contextsubdir|source|cmdline|requestid|frontend\.caps|` +
	`cache-imports|cache-from|local-sessionid:.*|sharedkey:.*|input-metadata:.*|language|dontstripsource)$`)

// translate converts the attributes of the frontend to flags.
func (j *job) translate(ctx context.Context) error {
	for _, e := range j.req.GetEntitlements() {
		j.flags = append(j.flags, "--allow", e)
	}
	keys := make([]string, 0, len(j.attrs))
	for key := range j.attrs {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		flags, err := j.attribute(ctx, key, j.attrs[key])
		if err != nil {
			return err
		}
		j.flags = append(j.flags, flags...)
	}
	return nil
}

func (j *job) attribute(ctx context.Context, key, value string) ([]string, error) {
	if flag, ok := valueFlags[key]; ok {
		if value == "" {
			return nil, nil
		}
		return []string{flag, value}, nil
	}
	if name, ok := resourceKeys[key]; ok {
		return []string{"--resource", name + "=" + value}, nil
	}
	for _, p := range prefixFlags {
		if name, ok := strings.CutPrefix(key, p.prefix); ok {
			return []string{p.flag, name + "=" + value}, nil
		}
	}
	if name, ok := strings.CutPrefix(key, "context:"); ok {
		where, err := j.namedContext(ctx, name, value)
		return []string{"--build-context", name + "=" + where}, err
	}
	if kind, ok := strings.CutPrefix(key, "attest:"); ok {
		return []string{"--attest", strings.TrimSuffix("type="+kind+","+value, ",")}, nil
	}
	switch key {
	case "no-cache":
		if value == "" {
			return []string{"--no-cache"}, nil
		}
		return repeatFlag("--no-cache-filter", value, nil)
	case "ulimit":
		return repeatFlag("--ulimit", value, nil)
	case "add-hosts":
		return repeatFlag("--add-host", value, func(field string) string {
			name, address, _ := strings.Cut(field, "=")
			if ip := net.ParseIP(address); ip != nil && ip.To4() == nil {
				address = "[" + address + "]"
			}
			return name + ":" + address
		})
	case "hostname":
		if _, ok := j.attrs["build-arg:BUILDKIT_SANDBOX_HOSTNAME"]; ok { // takes precedence
			return nil, nil
		}
		return []string{"--build-arg", "BUILDKIT_SANDBOX_HOSTNAME=" + value}, nil
	case "image-resolve-mode":
		if value == "pull" {
			return []string{"--pull"}, nil
		}
		return nil, nil
	case "multi-platform":
		return nil, status.Errorf(codes.Unimplemented, "minirun build has no flag for the attribute %s=%s", key,
			value)
	}
	if handledElsewhere.MatchString(key) {
		return nil, nil
	}
	return nil, status.Errorf(codes.Unimplemented, "minirun build has no flag for the attribute %s=%s", key, value)
}

func repeatFlag(flag, value string, change func(string) string) ([]string, error) {
	fields, err := csv.NewReader(strings.NewReader(value)).Read()
	if err != nil {
		return nil, err
	}
	var out []string
	for _, f := range fields {
		if change != nil {
			f = change(f)
		}
		out = append(out, flag, f)
	}
	return out, nil
}

// cacheFlags returns the flags for external caches. Their directories are the client's: the test and
// this program run on the same machine.
func (j *job) cacheFlags() []string {
	var out []string
	cache := j.req.GetCache()
	for _, e := range cache.GetExports() {
		out = append(out, "--cache-to", formatCSV(e.Type, e.Attrs))
	}
	imports := slices.Clone(cache.GetImports())
	var more []*controlapi.CacheOptionsEntry
	if json.Unmarshal([]byte(j.attrs["cache-imports"]), &more) == nil {
		imports = append(imports, more...)
	}
	for _, e := range imports {
		if flag := formatCSV(e.Type, e.Attrs); !slices.Contains(out, flag) {
			out = append(out, "--cache-from", flag)
		}
	}
	return out
}

// formatCSV returns options in CSV form.
func formatCSV(kind string, attrs map[string]string) string {
	fields := []string{"type=" + kind}
	keys := make([]string, 0, len(attrs))
	for key := range attrs {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		fields = append(fields, key+"="+attrs[key])
	}
	var out strings.Builder
	w := csv.NewWriter(&out)
	_ = w.Write(fields) // writing to a strings.Builder cannot fail
	w.Flush()
	return strings.TrimSuffix(out.String(), "\n")
}

// describeName formats a name for this program's messages.
func describeName(kind, name string) string { return fmt.Sprintf("%s %q", kind, name) }
