package main

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/docker/buildx/bake"
	"github.com/docker/buildx/build"
	"github.com/docker/buildx/util/buildflags"
)

func pointer[T any](v T) *T { return &v }

// TestEveryFieldOfTarget: each field known to buildx is passed on to minirun build, is
// rejected by name, or has already taken effect. A new field makes the test fail.
func TestEveryFieldOfTarget(t *testing.T) {
	earlier := []string{"Name", "Description", "Inherits", "Context", "Dockerfile", "DockerfileInline"}
	for _, c := range []struct {
		field  string
		target bake.Target
		want   string // arguments, or the beginning of an error
	}{
		{"Annotations", bake.Target{Annotations: []string{"index:a=b", "c=d"}},
			"--annotation=index:a=b --annotation=c=d"},
		{"Attest", bake.Target{Attest: buildflags.Attests{{Type: "provenance",
			Attrs: map[string]string{"mode": "max"}}, {Type: "sbom", Disabled: true}}},
			"--attest=type=provenance,mode=max --attest=type=sbom,disabled=true"},
		{"Contexts", bake.Target{Contexts: map[string]string{"b": "dir", "a": "target:other",
			"c": "docker-image://busybox", "d": "cwd://dir"}},
			"--build-context=b=dir --build-context=c=docker-image://busybox --build-context=d=dir"},
		{"Args", bake.Target{Args: map[string]*string{"B": pointer(""), "A": pointer("a=b"), "C": nil}},
			"--build-arg=A=a=b --build-arg=B="},
		{"Labels", bake.Target{Labels: map[string]*string{"a": pointer("b"), "c": nil}}, "--label=a=b"},
		{"Tags", bake.Target{Tags: []string{"a", "b:1"}}, "--tag=a --tag=b:1"},
		{"CacheFrom", bake.Target{CacheFrom: buildflags.CacheOptions{{Type: "registry",
			Attrs: map[string]string{"ref": "a/b"}}, {Type: "local", Attrs: map[string]string{"src": "d"}}}},
			"--cache-from=a/b --cache-from=type=local,src=d"},
		{"CacheTo", bake.Target{CacheTo: buildflags.CacheOptions{{Type: "inline"}}}, "--cache-to=type=inline"},
		{"Target", bake.Target{Target: pointer("stage")}, "--target=stage"},
		{"Secrets", bake.Target{Secrets: buildflags.Secrets{{ID: "a", FilePath: "target.go"}, {ID: "b", Env: "PATH"},
			{ID: "PATH"}}}, "--secret=id=a,src=target.go --secret=id=b,env=PATH --secret=id=PATH,env=PATH"},
		{"SSH", bake.Target{SSH: buildflags.SSHKeys{{ID: "default"}, {ID: "key", Paths: []string{"a"}}}},
			"--ssh=default --ssh=key=a"},
		{"Platforms", bake.Target{Platforms: []string{"linux/amd64", "linux/arm64"}},
			"--platform=linux/amd64,linux/arm64"},
		{"Outputs", bake.Target{Outputs: buildflags.Exports{{Type: "image", Attrs: map[string]string{"push": "true"}},
			{Type: "local", Destination: "out"}}},
			"--output=type=image,push=true --output=type=local,dest=out --load"},
		{"Pull", bake.Target{Pull: pointer(true)}, "--pull"},
		{"Pull", bake.Target{Pull: pointer(false)}, ""},
		{"NoCache", bake.Target{NoCache: pointer(true)}, "--no-cache"},
		{"NoCache", bake.Target{NoCache: pointer(true), NoCacheFilter: []string{"a"}}, "--no-cache"},
		{"NetworkMode", bake.Target{NetworkMode: pointer("none")}, "--network=none"},
		{"NoCacheFilter", bake.Target{NoCacheFilter: []string{"a", "b"}}, "--no-cache-filter=a --no-cache-filter=b"},
		{"ShmSize", bake.Target{ShmSize: pointer("128m")}, "--shm-size=128m"},
		{"Ulimits", bake.Target{Ulimits: []string{"nofile=1:2"}}, "--ulimit=nofile=1:2"},
		{"Resources", bake.Target{Resources: &buildflags.ResourcesConfig{Memory: pointer("1g")}},
			"--resource=memory=1g"},
		{"Call", bake.Target{Call: pointer("check,format=json")}, "--check --format=json"},
		{"Call", bake.Target{Call: pointer("outline")}, "--call=outline"},
		{"Call", bake.Target{Call: pointer("targets,format=json")}, "--call=targets,format=json"},
		{"Call", bake.Target{Call: pointer("build")}, ""},
		{"Entitlements", bake.Target{Entitlements: []string{"network.host"}}, "--allow=network.host"},
		{"Entitlements", bake.Target{Entitlements: []string{"device=x"}}, "--allow=device=x"},
		{"ExtraHosts", bake.Target{ExtraHosts: map[string]*string{"a": pointer("1.1.1.1,::1")}},
			"--add-host=a:1.1.1.1 --add-host=a:::1"},
		{"Policy", bake.Target{Policy: buildflags.PolicyConfigs{{Reset: true}}}, "error: policy: "},
		{"Policy", bake.Target{Policy: buildflags.PolicyConfigs{{Disabled: true}}}, ""},
	} {
		earlier = append(earlier, c.field)
		if got := argumentsOf(t, c.target); got != c.want &&
			(!strings.HasPrefix(c.want, "error") || !strings.HasPrefix(got, c.want)) {
			t.Errorf("%s: %q, want %q", c.field, got, c.want)
		}
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[bake.Target]()) {
		if f.IsExported() && !slices.Contains(earlier, f.Name) {
			t.Errorf("no code handles the field %s", f.Name)
		}
	}
}

// argumentsOf returns the arguments with which a target is built that another one needs.
func argumentsOf(t *testing.T, target bake.Target) string {
	t.Helper()
	target.Context = pointer(".")
	targets := map[string]*bake.Target{
		"default": &target, "other": {Contexts: map[string]string{"c": "target:default"}},
	}
	if len(target.Contexts) > 0 {
		targets["other"].Contexts = nil
	}
	d := &definition{targets: targets, inputs: map[string]build.Inputs{}, linked: map[string]bool{}}
	for name, x := range targets {
		in := build.Inputs{ContextPath: ".", NamedContexts: map[string]build.NamedContext{}}
		for context, path := range x.Contexts {
			in.NamedContexts[context] = build.NamedContext{Path: strings.TrimPrefix(path, "cwd://")}
		}
		d.inputs[name] = in
	}
	j, err := d.newJob("default", &target, d.users()["default"])
	if err != nil {
		return "error: " + err.Error()
	}
	return strings.Join(j.args, " ")
}

// TestInputPathsAreRelative: the paths of contexts and Dockerfiles, as buildx finds them, relative to this
// directory.
func TestInputPathsAreRelative(t *testing.T) {
	for _, c := range []struct {
		target bake.Target
		want   string
	}{
		{bake.Target{}, " in ."},
		{bake.Target{Context: pointer("dir")}, " in dir"},
		{bake.Target{Context: pointer("dir"), Dockerfile: pointer("sub/D")}, "--file=dir/sub/D in dir"},
		{bake.Target{Context: pointer("dir"), Dockerfile: pointer("/D")}, "--file=/D in dir"},
		{bake.Target{Context: pointer("cwd://dir"), DockerfileInline: pointer("FROM scratch")}, "--file=- in dir"},
		{bake.Target{Context: pointer("https://example.com/r.git#main:sub")},
			" in https://example.com/r.git#main:sub"},
		{bake.Target{Context: pointer("https://example.com/r.git"), Dockerfile: pointer("D")},
			"--file=D in https://example.com/r.git"},
		{bake.Target{Contexts: map[string]string{"a": "cwd://x", "b": "oci-layout://y"}},
			"--build-context=a=x --build-context=b=oci-layout://y in ."},
	} {
		d := &definition{targets: map[string]*bake.Target{"default": &c.target}}
		if err := d.resolve(t.Context(), &options{allow: []string{"fs=*"}}); err != nil {
			t.Error(err)
			continue
		}
		jobs, err := d.plan()
		if err != nil {
			t.Error(err)
			continue
		}
		if got := strings.Join(jobs[0].args, " ") + " in " + jobs[0].context; got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// TestPlanBuildsDependenciesFirst: a target is built after the targets that it needs.
func TestPlanBuildsDependenciesFirst(t *testing.T) {
	target := func(needs ...string) *bake.Target {
		contexts := map[string]string{}
		for _, n := range needs {
			contexts[n] = "target:" + n
		}
		return &bake.Target{Contexts: contexts}
	}
	d := &definition{
		targets: map[string]*bake.Target{"a": target("z"), "b": target(), "z": target("m", "n"), "m": target(),
			"n": target("m")},
	}
	if err := d.resolve(t.Context(), &options{}); err != nil {
		t.Fatal(err)
	}
	jobs, err := d.plan()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, j := range jobs {
		names = append(names, j.name)
	}
	if got := strings.Join(names, " "); got != "m n z a b" {
		t.Errorf("the order is %s", got)
	}
}
