package options

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// check compares the result of a parser, as JSON, with the wanted one, or its error with the words
// after "error: ".
func check(t *testing.T, name string, v any, err error, want string) {
	t.Helper()
	if words, isError := strings.CutPrefix(want, "error: "); isError {
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v, want %s", name, err, words)
		}
		return
	}
	text, jsonErr := json.Marshal(v)
	if err != nil || jsonErr != nil || string(text) != want {
		t.Errorf("%s: %s, %v, want %s", name, text, err, want)
	}
}

func TestBuildArguments(t *testing.T) {
	t.Setenv("SET_HERE", "value")
	for text, want := range map[string]string{
		"A=1": `{"A":"1"}`, "A=": `{"A":""}`, "A=b=c": `{"A":"b=c"}`, "SET_HERE": `{"SET_HERE":"value"}`,
		"UNSET_HERE": `{}`,
		"=x":         `error: --build-arg "=x"`,
	} {
		got, err := BuildArguments([]string{text})
		check(t, text, got, err, want)
	}
}

func TestLabelsAndContexts(t *testing.T) {
	got, err := Labels([]string{"a=1", "b", "a=2"})
	check(t, "labels", got, err, `{"a":"2","b":""}`)
	got, err = Labels([]string{"=1"})
	check(t, "labels", got, err, "error: NAME or NAME=VALUE")
	got, err = Contexts([]string{"base=docker-image://x"})
	check(t, "contexts", got, err, `{"base":"docker-image://x"}`)
	got, err = Contexts([]string{"base"})
	check(t, "contexts", got, err, `error: --build-context "base"`)
}

func TestHosts(t *testing.T) {
	for text, want := range map[string]string{
		"a:1.2.3.4": `["a=1.2.3.4"]`, "a=1.2.3.4,b:::1": `["a=1.2.3.4","b=::1"]`, "a:[::1]": `["a=[::1]"]`,
		"a:host-gateway": `["a=127.0.0.1"]`, "a": "error: NAME:ADDRESS", ":1.2.3.4": "error: NAME:ADDRESS",
		"a:b": "error: numeric address",
	} {
		got, err := Hosts([]string{text})
		check(t, text, got, err, want)
	}
}

func TestPlatforms(t *testing.T) {
	for text, want := range map[string]string{
		"linux/amd64": `[{"architecture":"amd64","os":"linux"}]`, "": "null", " , ": "null",
		"linux/arm64/v8, linux/arm/v7": `[{"architecture":"arm64","os":"linux"},{"architecture":"arm","os":"linux","variant":"v7"}]`,
		"a/b/c/d/e":                    "error: --platform a/b/c/d/e",
	} {
		got, err := Platforms([]string{text})
		check(t, text, got, err, want)
	}
	local, err := Platforms([]string{"local"})
	if err != nil || len(local) != 1 || local[0].OS == "" {
		t.Errorf("%+v, %v", local, err)
	}
}

func TestEntitlements(t *testing.T) {
	for text, want := range map[string]string{
		"network.host":                    `{"Allow":["network.host"],"Devices":{"All":false,"Names":null,"Aliases":null}}`,
		"device":                          `{"Allow":null,"Devices":{"All":true,"Names":null,"Aliases":null}}`,
		"device=vendor.com/x=1":           `{"Allow":null,"Devices":{"All":false,"Names":["vendor.com/x=1"],"Aliases":null}}`,
		"device=":                         "error: --allow device=",
		"buildx.local.delete":             "error: mode=delete",
		"fs.read":                         "error: must be network.host",
		"device=vendor.com/x=1,alias=gpu": `{"Allow":null,"Devices":{"All":false,"Names":null,"Aliases":{"gpu":"vendor.com/x=1"}}}`,
	} {
		got, err := ParseEntitlements([]string{text})
		check(t, text, got, err, want)
	}
}

func TestLimits(t *testing.T) {
	for name, c := range map[string]struct {
		flags LimitFlags
		want  string
	}{
		"last ulimit": {LimitFlags{Ulimits: []string{"nofile=1:2", "core=0", "nofile=3"}},
			"[{RLIMIT_CORE 0 0} {RLIMIT_NOFILE 3 3}]"},
		"unlimited": {LimitFlags{Ulimits: []string{"core=-1"}},
			"[{RLIMIT_CORE 18446744073709551615 18446744073709551615}]"},
		"above hard":       {LimitFlags{Ulimits: []string{"nofile=2:1"}}, "error: --ulimit"},
		"shm":              {LimitFlags{ShmSize: "1m"}, "shm 1048576"},
		"no shm":           {LimitFlags{ShmSize: "0"}, "error: --shm-size"},
		"memory":           {LimitFlags{Resources: []string{"memory=1k", "memory-swap=-1"}}, "memory 1024 -1"},
		"unlimited memory": {LimitFlags{Resources: []string{"memory=-1"}}, "error: must be a size"},
		"unknown":          {LimitFlags{Resources: []string{"gpu=1"}}, `error: unknown key "gpu"`},
		"no value":         {LimitFlags{Resources: []string{"memory="}}, "error: must be KEY=VALUE"},
		"shares":           {LimitFlags{Resources: []string{"cpu-shares=0"}}, "error: above zero"},
	} {
		l, err := c.flags.Parse()
		got := fmt.Sprint(l.Rlimits)
		switch {
		case err != nil:
			got = "error: " + err.Error()
		case l.ShmSize != 0:
			got = fmt.Sprint("shm ", l.ShmSize)
		case l.Resources != nil:
			got = fmt.Sprint("memory ", *l.Resources.Memory.Limit, " ", *l.Resources.Memory.Swap)
		}
		if words, isError := strings.CutPrefix(c.want, "error: "); got != c.want &&
			(!isError || err == nil || !strings.Contains(got, words)) {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestPolicies(t *testing.T) {
	if err := CheckPolicy([]string{"disabled=true", "filename=x.rego"}); err == nil ||
		!strings.Contains(err.Error(), "x.rego") {
		t.Error(err)
	}
	dir := t.TempDir()
	if got := FindPolicy(dir, ""); got != "" {
		t.Error(got)
	}
	policy := filepath.Join(dir, "Dockerfile.rego")
	if err := os.WriteFile(policy, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := FindPolicy(dir, ""); got != policy {
		t.Error(got)
	}
	if got := FindPolicy(dir, "-"); got != "" {
		t.Error(got)
	}
}
