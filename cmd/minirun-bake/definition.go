package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/containerd/platforms"
	"github.com/docker/buildx/bake"
	"github.com/docker/buildx/build"
	"github.com/docker/buildx/util/buildflags"
)

// A definition is the result of reading the files and the command line.
type definition struct {
	targets map[string]*bake.Target // the requested targets, and those that they need
	groups  map[string]*bake.Group

	// inputs are the targets' contexts and Dockerfiles, with paths relative to this directory.
	// resolve sets both.
	inputs map[string]build.Inputs
	linked map[string]bool // targets that were not requested
}

// readFiles reads the files from --file, from BUILDX_BAKE_FILE, or in this directory.
func (o *options) readFiles() ([]bake.File, error) {
	names := o.files
	if list := os.Getenv("BUILDX_BAKE_FILE"); len(names) == 0 && list != "" {
		separator := os.Getenv("BUILDX_BAKE_PATH_SEPARATOR")
		if separator == "" {
			separator = string(os.PathListSeparator)
		}
		names = strings.Split(list, separator)
	}
	files, err := bake.ReadLocalFiles(names, os.Stdin, nil)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, errors.New("this directory has no bake file\n" +
			"hint: create docker-bake.hcl, docker-bake.json or compose.yaml, or use --file FILE; to build the " +
			"directory bake, use ./bake")
	}
	return files, nil
}

// parseOptions returns the parser options that come from the environment.
func parseOptions() bake.ParseOpt {
	return bake.ParseOpt{FileRelativePaths: isOn("BUILDX_BAKE_FILE_RELATIVE_PATHS", false)}
}

// isOn returns the value of a boolean variable.
func isOn(variable string, otherwise bool) bool {
	if on, err := strconv.ParseBool(os.Getenv(variable)); err == nil {
		return on
	}
	return otherwise
}

// builtInVariables returns the predefined variables.
func builtInVariables() map[string]string {
	return map[string]string{
		"BAKE_CMD_CONTEXT":    "cwd://",
		"BAKE_LOCAL_PLATFORM": platforms.Format(platforms.DefaultSpec()),
	}
}

// parseVariables returns the variables of --var.
func (o *options) parseVariables() (map[string]string, error) {
	out := map[string]string{}
	for _, text := range o.variables {
		name, value, ok := strings.Cut(text, "=")
		if name == "" || !ok {
			return nil, fmt.Errorf("--var %q: must be NAME=VALUE", text)
		}
		out[name] = value
	}
	return out, nil
}

// overrides returns the values of --set, and of the flags that are short forms of it.
func (o *options) overrides() []string {
	out := append([]string{}, o.set...)
	for _, f := range []struct {
		given bool
		text  string
	}{
		{o.load, "*.load=true"}, {o.push, "*.push=true"}, {o.noCache, "*.no-cache=true"}, {o.pull, "*.pull=true"},
		{o.sbom != "", "*.attest=" + buildflags.CanonicalizeAttest("sbom", o.sbom)},
		{o.provenance != "", "*.attest=" + buildflags.CanonicalizeAttest("provenance", o.provenance)},
		{o.call != "", "*.call=" + o.call},
	} {
		if f.given {
			out = append(out, f.text)
		}
	}
	return out
}

// readDefinition returns the requested targets.
func (o *options) readDefinition(ctx context.Context) (*definition, error) {
	files, err := o.readFiles()
	if err != nil {
		return nil, err
	}
	given, err := o.parseVariables()
	if err != nil {
		return nil, err
	}
	allowed, err := o.entitlements()
	if err != nil {
		return nil, err
	}
	wanted := o.targets
	if len(wanted) == 0 {
		wanted = []string{"default"}
	}
	d := &definition{}
	d.targets, d.groups, err = bake.ReadTargets(ctx, files, wanted, o.overrides(), builtInVariables(), given, allowed,
		parseOptions())
	return d, err
}

// entitlements returns the entitlements of targets: access to this directory, and those of --allow.
func (o *options) entitlements() (*bake.EntitlementConf, error) {
	e, err := bake.ParseEntitlements(o.allow)
	if err != nil {
		return nil, fmt.Errorf("--allow: %w", err)
	}
	here, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	e.FSRead, e.FSWrite = append(e.FSRead, here), append(e.FSWrite, here)
	return &e, nil
}

// resolve finds the inputs of each target. It rejects targets that request entitlements that
// were not granted: a bake file may come from an untrusted repository.
func (d *definition) resolve(ctx context.Context, o *options) error {
	all, err := bake.TargetsToBuildOpt(d.targets, &bake.Input{})
	if err != nil {
		return err
	}
	d.inputs, d.linked = map[string]build.Inputs{}, map[string]bool{}
	for name, t := range all {
		d.inputs[name], d.linked[name] = t.Inputs, t.Linked
	}
	allowed, err := o.entitlements()
	if err != nil {
		return err
	}
	wanting, err := allowed.Validate(all)
	if err != nil {
		return err
	}
	if !isOn("BUILDX_BAKE_ENTITLEMENTS_FS", true) {
		wanting.FSRead, wanting.FSWrite = nil, nil
	}
	return wanting.Prompt(ctx, false, cleanWriter{os.Stderr})
}
