package spec

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/spec/spectest"
	"github.com/minirun/minirun/internal/spec/strictjson"
)

// TestBorderlineDocumentsAreAccepted parses borderline documents that must be accepted. warn is part of their only
// warning, "" for none.
func TestBorderlineDocumentsAreAccepted(t *testing.T) {
	for _, c := range []struct{ path, value, warn string }{
		{"ociVersion", `"1.0.0-rc5"`, ""},
		{"ociVersion", `"1.0.2-dev"`, ""},
		{"ociVersion", `"1.2.3-alpha.1+build.05"`, ""},
		{"ociVersion", `"1.4.0"`, "newer"},
		{"extension", `{"a": [1.5e3, {"b": null}]}`, "not a field"},
		{"process.extension", `1`, "not a field"},
		{"process.user", `null`, "taken as 0"},
		{"process.user", ``, "taken as 0"},
		{"process.user.gid", ``, "taken as 0"},
		{"process.terminal", `false`, "no effect without process.terminal"},
		{"process.consoleSize", `{"height": 65535, "width": 0}`, ""},
		{"process.user.umask", `511`, ""},
		{"process.user.uid", `109`, ""},
		{"process.user.username", `"me"`, "Windows"},
		{"process.commandLine", `"x"`, "Windows"},
		{"process.env[1]", `"A=b=c"`, ""},
		{"process.env[1]", `"PATH=/twice"`, ""},
		{"process.capabilities.bounding[1]", `"CAP_NEW"`, "CAP_NEW"},
		{"process.capabilities.effective[0]", `"cap_kill"`, "cap_kill"},
		{"process.capabilities.ambient[0]", `"CAP_CHOWN"`, "not raised"},
		{"process.rlimits[0].soft", `1024`, ""},
		{"process.oomScoreAdj", `-1000`, ""},
		{"process.oomScoreAdj", `1000`, ""},
		{"process.scheduler", `{"policy": "SCHED_FIFO", "priority": 99}`, ""},
		{"process.scheduler", `{"policy": "SCHED_OTHER", "nice": -20}`, ""},
		{"process.scheduler.period", `0`, ""},
		{"process.ioPriority", `{"class": "IOPRIO_CLASS_IDLE", "priority": 7}`, ""},
		{"process.ioPriority", `{"class": "IOPRIO_CLASS_BE"}`, ""}, // 0, as in runc
		{"process.execCPUAffinity", `{}`, ""},
		{"process.execCPUAffinity.final", `"0-3, 7,,9 "`, ""},
		{"process.noNewPrivileges", `null`, ""},
		{"mounts[0].destination", `"proc"`, "relative"},
		{"mounts[0].options", `["idmapped", "x=y,z"]`, ""},
		{"mounts[0]", `{"destination": "/x", "options": ["remount", "ro"]}`, ""},
		{"mounts[2].options[1]", `"size=5"`, "no effect on a bind"},
		{"mounts[2].options", `["bind"]`, "should have idmap"},
		{"mounts[2]", `{"destination": "/x", "source": "/y", "options": ["bind", "idmap"]}`, ""},
		{"mounts[2]", `{"destination": "/x", "type": "bind", "source": "y", "options": ["bind"]}`, ""},
		{"hooks", `{}`, ""},
		{"annotations", `{"x": ""}`, ""},
		{`annotations["a\u00e9"]`, `"\ud83d\ude00"`, ""},
		{"linux.namespaces[5].path", `"/run/userns/a"`, ""}, // with one warning for each mapping, see below
		{"linux.uidMappings[1].size", `4294962295`, ""},
		{`linux.sysctl["kernel.domainname"]`, `"x"`, ""},
		{`linux.sysctl["net/ipv4/conf/eth0.1/forwarding"]`, `"1"`, ""},
		{"linux.resources", `{}`, ""},
		{"linux.resources.devices[1].major", `-1`, ""},
		{"linux.resources.devices[0].type", `"a"`, ""},
		{"linux.resources.memory", `{"limit": 0, "swap": 0, "swappiness": 100}`, ""},
		{"linux.resources.memory.swap", `536870912`, ""},
		{"linux.resources.memory.swap", `-1`, ""},
		{"linux.resources.memory.limit", `1`, ""},
		{"linux.resources.cpu", `{"shares": 0, "quota": -1, "period": 0, "burst": 5}`, ""},
		{"linux.resources.cpu.shares", `2`, ""},
		{"linux.resources.cpu.shares", `262144`, ""},
		{"linux.resources.cpu.period", `1000000`, ""},
		{"linux.resources.cpu.idle", `1`, ""},
		{"linux.resources.pids.limit", `0`, ""},
		{"linux.resources.pids.limit", `-1`, ""},
		{"linux.resources.pids.limit", `-2`, "linux.resources.pids.limit: -2 is taken as -1"},
		{"linux.resources.cpu.quota", `-5`, "linux.resources.cpu.quota: -5 is taken as -1"},
		{"linux.resources.devices[0].access", `"rwa"`, "linux.resources.devices[0].access"},
		{"linux.resources.memory.kernel", `4096`, "linux.resources.memory.kernel"},
		{"linux.resources.memory.useHierarchy", `false`, "linux.resources.memory.useHierarchy"},
		{"linux.resources.memory.swappiness", `18446744073709551615`, ""},
		{"linux.resources.blockIO.weight", `0`, ""},
		{"linux.resources.blockIO.throttleReadBpsDevice[0].rate", `0`, ""},
		{"linux.cgroupsPath", `"system.slice:minirun:rich"`, ""},
		{"linux.cgroupsPath", `"a..b/c"`, ""},
		{"linux.devices[0].type", `"u"`, ""},
		{"linux.devices[0].fileMode", `8630`, ""},
		{"linux.devices[1]", `{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229}`, ""},
		{"linux.netDevices.eth2.name", `"c%d"`, ""},
		{"linux.seccomp", `{"defaultAction": "SCMP_ACT_ALLOW"}`, ""},
		{"linux.seccomp.syscalls[0].errnoRet", `65535`, ""},
		{"linux.rootfsPropagation", `"runbindable"`, ""},
		{"linux.rootfsPropagation", ``, ""},
		{"linux.intelRdt", `{"closID": "/"}`, ""},
		{"linux.intelRdt", `{}`, ""},
		{"linux.memoryPolicy", `{"mode": "MPOL_PREFERRED", "nodes": ""}`, ""},
		{"linux.memoryPolicy", `{"mode": "MPOL_LOCAL"}`, ""},
		{"linux.memoryPolicy.flags", `["MPOL_F_STATIC_NODES", "MPOL_F_STATIC_NODES"]`, ""},
		{"windows", `{"layerFolders": []}`, "another platform"},
		{"solaris", `{"milestone": "x"}`, "another platform"},
		{"vm", `{}`, "another platform"},
		{"zos", `{}`, "another platform"},
		{"freebsd", `{}`, "another platform"},
	} {
		name := c.path + " = " + c.value
		doc := spectest.Rich()
		if c.path == "linux.namespaces[5].path" {
			doc = spectest.Edit(spectest.Edit(doc, "linux.uidMappings", ""), "linux.gidMappings", "")
		}
		if c.path == `linux.sysctl["kernel.domainname"]` {
			doc = spectest.Edit(doc, "domainname", "")
		}
		_, warns, err := Parse(spectest.Edit(doc, c.path, c.value))
		switch {
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case c.warn == "" && len(warns) > 0:
			t.Errorf("%s: warnings %v", name, warns)
		case c.warn != "" && (len(warns) != 1 || !strings.Contains(warns[0].String(), c.warn)):
			t.Errorf("%s: warnings %v, want one with %q", name, warns, c.warn)
		}
	}
}

// Engines also give the mappings of a user namespace that they join (runc 1.1 required them).
func TestJoinedUserNamespaceWithMappings(t *testing.T) {
	_, warns, err := Parse(spectest.Edit(spectest.Rich(), "linux.namespaces[5].path", `"/run/userns/a"`))
	if err != nil || len(warns) != 2 || warns[0].Path != "linux.uidMappings" || warns[1].Path != "linux.gidMappings" {
		t.Errorf("warnings %v, error %v", warns, err)
	}
}

// A field in a different case is accepted, as in encoding/json, with a warning.
func TestOtherSpelling(t *testing.T) {
	doc := spectest.Edit(spectest.Edit(spectest.Rich(), "process.args", ""), "process.ARGS", `["true"]`)
	s, warns, err := Parse(doc)
	if err != nil || len(warns) != 1 || warns[0].Path != "process.ARGS" {
		t.Fatalf("warnings %v, error %v", warns, err)
	}
	if len(s.Process.Args) != 1 || s.Process.Args[0] != "true" {
		t.Errorf("args are %q", s.Process.Args)
	}
}

// TestTwoSpellingsOfAField: a field in two different spellings is a duplicate. encoding/json uses
// the last one, and so does runc. Two programs that read the document differently would see two
// different containers. The error names the correct key.
func TestTwoSpellingsOfAField(t *testing.T) {
	for _, keys := range []string{`"noNewPrivileges": true, "nonewprivileges": false`,
		`"nonewprivileges": false, "noNewPrivileges": true`, `"NONEWPRIVILEGES": true, "nonewprivileges": true`} {
		_, _, err := Parse(bytes.Replace(spectest.Rich(), []byte(`"noNewPrivileges": true`), []byte(keys), 1))
		if err == nil || !strings.Contains(err.Error(),
			"must not be given twice: keys that differ only in case are the same field, noNewPrivileges") {
			t.Errorf("%s: %v", keys, err)
		}
	}
}

// A container without its own namespaces must not change what belongs to the host.
func TestHostNamespacesAreProtected(t *testing.T) {
	doc := []byte(`{"ociVersion": "1.0.2", "process": {"user": {"uid": 0, "gid": 0}, "args": ["sh"], "cwd": "/"},
		"root": {"path": "rootfs"}, "mounts": [{"destination": "/proc", "type": "proc"}]}`)
	_, warns, err := Parse(doc)
	if err != nil || len(warns) != 1 || warns[0].Path != "mounts" {
		t.Errorf("without linux: warnings %v, error %v", warns, err)
	}
	_, _, err = Parse(spectest.Edit(doc, "linux", `{"sysctl": {"kernel.domainname": "x"}}`))
	want := `config.json: linux.sysctl["kernel.domainname"]: ` +
		`needs a uts namespace in linux.namespaces: it would change the host`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// TestMessageTexts checks the text of messages, one of each kind.
func TestMessageTexts(t *testing.T) {
	for _, c := range []struct{ path, value, want string }{
		{"mounts[2].options[0]", `5`, `config.json: mounts[2].options[0]: must be a string, got the number 5`},
		{"process.terminal", `"yes"`, `config.json: process.terminal: must be true or false, got a string`},
		{"process.args", `"sh"`, `config.json: process.args: must be an array, got a string`},
		{"process.user.uid", `-1`, `config.json: process.user.uid: must be an integer from 0 to 4294967295, got -1`},
		{"process.scheduler.nice", `1.5`,
			`config.json: process.scheduler.nice: must be an integer from -2147483648 to 2147483647, got 1.5`},
		{"linux.resources.memory.limit", `1e9`,
			`config.json: linux.resources.memory.limit: must be an integer of 64 bits, got 1e9`},
		{"process.cwd", `"root"`, `config.json: process.cwd: must be an absolute path, got "root"`},
		{"hooks.poststop[0]", `null`, `config.json: hooks.poststop[0]: must be an object, got null`},
		{`linux.sysctl["vm.x"]`, `"1"`, `config.json: linux.sysctl["vm.x"]: ` +
			`must be a kernel parameter of a namespace: this one would change the host`},
		{"hostname", `"` + strings.Repeat("é", 90) + `"`,
			`config.json: hostname: must not be longer than 64 bytes, got "` + strings.Repeat("é", 40) + `"…`},
		{"linux.rootfsPropagation", `"x\u0000"`,
			`config.json: linux.rootfsPropagation: must not contain a NUL byte, got "x\x00"`},
	} {
		_, _, err := Parse(spectest.Edit(spectest.Rich(), c.path, c.value))
		if err == nil || err.Error() != c.want {
			t.Errorf("%s = %s:\ngot  %v\nwant %s", c.path, c.value, err, c.want)
		}
	}
}

// A syntax error includes its position.
func TestSyntaxMessage(t *testing.T) {
	_, _, err := Parse([]byte("{\"mounts\":\n [{\"destination\":]"))
	want := `config.json: mounts[0].destination: must be a JSON value, got ']' (line 2, column 18)`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// TestAllProblems: all problems of a document are reported together, in document order, up to a
// limit.
func TestAllProblems(t *testing.T) {
	doc := spectest.Edit(spectest.Edit(spectest.Rich(), "process.cwd", `"x"`), "linux.personality.domain", `"x"`)
	_, _, err := Parse(doc)
	want := "config.json: process.cwd: must be an absolute path, got \"x\"\n" +
		"config.json: linux.personality.domain: must be LINUX or LINUX32, got \"x\""
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	_, _, err = Parse(spectest.Edit(spectest.Rich(), "process.args", "["+strings.Repeat("1,", 99)+"1]"))
	if lines := strings.Split(err.Error(), "\n"); len(lines) != strictjson.MaxProblems+1 ||
		lines[strictjson.MaxProblems] != "and 80 more" {
		t.Errorf("got %d lines, the last is %q", len(lines), lines[len(lines)-1])
	}
}

// TestValidateAlone: Validate finds the problems that Parse finds in JSON in a Spec that a program
// created.
func TestValidateAlone(t *testing.T) {
	s := Default(false)
	s.Process.Args = []string{"sh", "a\x00b"}
	s.Process.Env = append(s.Process.Env, "A=\x00")
	s.Process.Cwd = "/\x00"
	s.Root.Path = "\x00"
	s.Annotations = map[string]string{"a\x00": ""}
	_, err := validate(s)
	for _, path := range []string{"process.args[1]", "process.env[2]", "process.cwd", "root.path", "annotations"} {
		if err == nil || !blames(err, path) {
			t.Errorf("no error names %s: %v", path, err)
		}
	}
	if _, err := validate(Default(true)); err != nil {
		t.Error(err)
	}
}

// An ID-mapped mount needs a mapping, either its own or the container's.
func TestIDMapWithoutMapping(t *testing.T) {
	s := Default(false)
	s.Mounts = append(s.Mounts, specs.Mount{Destination: "/x", Source: "/y", Options: []string{"bind", "idmap"}})
	if _, err := validate(s); err == nil || !blames(err, "mounts[7].uidMappings") {
		t.Error(err)
	}
}

// TestLargeDocument: large documents take time proportional to their size. Each of these has lists
// whose entries are compared with each other.
func TestLargeDocument(t *testing.T) {
	repeat := func(entry string, n int) string {
		var b strings.Builder
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(strings.ReplaceAll(entry, "#", strconv.Itoa(i)))
		}
		return b.String()
	}
	const n = 50_000
	doc := spectest.Rich()
	for path, value := range map[string]string{
		"linux.devices":                        "[" + repeat(`{"path": "/dev/p#", "type": "p"}`, n) + "]",
		"linux.netDevices":                     "{" + repeat(`"e#": {}`, n) + "}",
		"linux.memoryPolicy.flags":             "[" + repeat(`"MPOL_F_STATIC_NODES"`, n) + "]",
		"linux.resources.network.priorities":   "[" + repeat(`{"name": "e#", "priority": 1}`, n) + "]",
		"annotations":                          "{" + repeat(`"a#": "b"`, n) + "}",
		"process.capabilities.effective":       "[" + repeat(`"CAP_KILL"`, n) + "]",
		"extension":                            "{" + repeat(`"a#": [{}]`, n) + "}",
		`linux.resources.unified`:              "{" + repeat(`"a#": "b"`, n) + "}",
		"linux.seccomp.syscalls[0].names":      "[" + repeat(`"call#"`, n) + "]",
		"linux.resources.blockIO.weightDevice": "[" + repeat(`{"major": 8, "minor": 1, "weight": 10}`, n) + "]",
		"mounts":                               "[" + repeat(`{"destination": "/m#", "type": "tmpfs"}`, n) + "]",
		"linux.resources.rdma":                 "{" + repeat(`"d#": {"hcaHandles": 1}`, n) + "}",
		"linux.maskedPaths":                    "[" + repeat(`"/m#"`, n) + "]",
		"hooks.createRuntime":                  "[" + repeat(`{"path": "/h#"}`, n) + "]",
	} {
		start := time.Now()
		_, _, err := Parse(spectest.Edit(doc, path, value))
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("%s: took %v", path, d)
		}
	}
	_, _, err := Parse(spectest.Edit(doc, "annotations", "{"+repeat(`"a#": "b"`, 40)+`, "a39": ""}`))
	if err == nil || !blames(err, "annotations.a39") {
		t.Errorf("the same key after 40 others: %v", err)
	}
	_, warns, err := Parse(spectest.Edit(doc, "process", strings.Replace(
		`{"args": ["sh"], "cwd": "/", #}`, "#", repeat(`"x#": 0`, 500), 1)))
	if err != nil || len(warns) != strictjson.MaxWarnings {
		t.Errorf("%d warnings, %v", len(warns), err)
	}
}

// TestForeignValue: a value of type any, which only the Windows section has, is left to
// encoding/json.
func TestForeignValue(t *testing.T) {
	s, _, err := Parse(spectest.Edit(spectest.Rich(), "windows",
		`{"layerFolders": ["a"], "credentialSpec": {"a": [1, "b"]}}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(s.Windows.CredentialSpec); got != "map[a:[1 b]]" {
		t.Error(got)
	}
}

func TestWarningString(t *testing.T) {
	if got := (Warning{Path: "a.b", Text: "text"}).String(); got != "a.b: text" {
		t.Error(got)
	}
}
