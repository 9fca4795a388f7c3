package spec

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseResources(t *testing.T) {
	for _, c := range []struct{ document, want string }{
		{`{}`, ""},
		{`{"memory":{"limit":0,"reservation":0,"swap":0},"cpu":{"shares":0,"quota":0,"period":0,"realtimeRuntime":0,` +
			`"realtimePeriod":0,"cpus":"","mems":""},"blockIO":{"weight":0}}`, ""},
		{`{"memory":{"swap":8192}}`, ""}, // the container already has a limit
		{`{"memory":{"limit":-1,"swap":8192}}`, "memory.swap: "},
		{`{"memory":{"limit":"1"}}`, "memory.limit: must be an integer"},
		{`{"cpu":{"shares":1}}`, "cpu.shares: must be from 2 to 262144, got 1"},
		{`{"cpu":{"cpus":"x"}}`, "cpu.cpus: "},
		{`{"pids":{"limit":-2}}`, ""},
		{`{"blockIO":{"weight":5}}`, "blockIO.weight: "},
		{`{"blockIO":{"throttleReadBpsDevice":[{"major":-1,"minor":0,"rate":1}]}}`,
			"blockIO.throttleReadBpsDevice[0].major: "},
		{`{"devices":[{"allow":true,"type":"u","access":"r"}]}`, "devices[0].type: "},
		{`{"hugepageLimits":[{"pageSize":"2M","limit":1}]}`, "hugepageLimits[0].pageSize: "},
		{`{"network":{"priorities":[{"name":"a b","priority":1}]}}`, "network.priorities[0].name: "},
		{`{"rdma":{"x":{}}}`, "rdma.x: "},
		{`{"unified":{"../x":"1"}}`, `unified["../x"]: `},
		{`{"memory":{}} {}`, "must end after the first value"},
		{`[]`, "must be an object"},
		{``, "must not end here"},
	} {
		r, _, err := ParseResources([]byte(c.document), "file.json")
		switch {
		case c.want == "" && (err != nil || r == nil):
			t.Errorf("%s: %v", c.document, err)
		case c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), "file.json: "+c.want)):
			t.Errorf("%s: %v, want %q", c.document, err, c.want)
		}
	}
	_, warnings, err := ParseResources([]byte(`{"cpu":{"share":5}}`), "x")
	if err != nil || len(warnings) != 1 || warnings[0].Path != "cpu.share" {
		t.Errorf("a field nobody knows: %v, %v", warnings, err)
	}
}

func TestLoadResources(t *testing.T) {
	file := filepath.Join(t.TempDir(), "r.json")
	if err := os.WriteFile(file, []byte(`{"pids":{"limit":7}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if r, _, err := LoadResources(file); err != nil || *r.Pids.Limit != 7 {
		t.Errorf("%+v, %v", r, err)
	}
	if _, _, err := LoadResources(file + ".not"); err == nil || strings.Count(err.Error(), file+".not") != 1 {
		t.Errorf("a file that is not there: %v", err)
	}
	stdin := os.Stdin
	defer func() { os.Stdin = stdin }()
	var err error
	if os.Stdin, err = os.Open(file); err != nil {
		t.Fatal(err)
	}
	defer os.Stdin.Close()
	if r, _, err := LoadResources("-"); err != nil || *r.Pids.Limit != 7 {
		t.Errorf("%+v, %v", r, err)
	}
}
