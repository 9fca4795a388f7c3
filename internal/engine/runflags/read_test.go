package runflags

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/engine"
	"github.com/minirun/minirun/internal/engine/config"
)

// command runs an action with the flags of run.
func command(name string, words []string, action cli.ActionFunc) error {
	c := &cli.Command{Name: name, Action: action, UseShortOptionHandling: true, Flags: append(All(),
		cmdline.ToggleFlag(cli.BoolFlag{Name: "detach", Aliases: []string{"d"}}),
		cmdline.ToggleFlag(cli.BoolFlag{Name: "keep"}), cmdline.TextFlag(cli.StringFlag{Name: "trace"}))}
	a := &cli.App{Name: "minirun", Commands: []*cli.Command{c}, Writer: io.Discard, ErrWriter: io.Discard,
		ExitErrHandler: func(*cli.Context, error) {}}
	return a.Run(append([]string{"minirun", name}, words...))
}

func read(words ...string) (s *engine.Settings, err error) {
	return s, command("run", words, func(ctx *cli.Context) (err error) {
		s, err = Read(ctx, nil)
		return err
	})
}

// TestWrongValuesAreRefused: every value is checked, and the message names the flag and the value.
func TestWrongValuesAreRefused(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	wrong := map[string][]string{
		"env": {"=x"}, "env-file": {"/none/such", dir, file("space", "A B=1"), file("equals", "=x")}, "label": {"=x"},
		"label-file": {"/none/such"}, "annotation": {"=x"}, "stop-signal": {"SIGX", "99"}, "stop-timeout": {"x", "-2", "1.5"},
		"pull": {"sometimes"}, "platform": {"linux", "windows/amd64", "linux/", "a/b/c/d"}, "log-driver": {"syslog", "journald"},
		"volume": {"x", "/a:b", "/none/such:/x", "/tmp:/x:color"}, "mount": {"x", "type=bind,src=/none/such,dst=/x", "type=bind"},
		"tmpfs": {"x", "/x:size=big"}, "volumes-from": {":ro", "x:rx"}, "volume-driver": {"nfs"}, "shm-size": {"x", "-1", "0"},
		"device": {"/none/such", "/dev/null:x", "/dev/null:/x:q", "a:b:c:d", dir}, "device-cgroup-rule": {"x", "c 1 rwm", "d 1:2 r", "c 1:2 q"},
		"restart": {"x", "on-failure:x", "always"}, "network": {"container:"}, "publish": {"x", "99999:80", "80:80:80:80"}, "expose": {"x", "0", "70000", "80/icmp"},
		"network-alias": {"a b"}, "ip": {"x"}, "ip6": {"x"}, "mac-address": {"x"}, "add-host": {"x"}, "dns": {"x"},
		"memory": {"12x", "x", "0", "-2"}, "memory-swap": {"x"}, "memory-reservation": {"x", "-1"},
		"memory-swappiness": {"101", "-1", "x"}, "oom-score-adj": {"1001", "x"},
		"cpus": {"abc", "0", "-1", "NaN", "1e300"}, "cpu-shares": {"x", "1"}, "cpu-period": {"x", "1"}, "cpu-quota": {"x"},
		"cpu-rt-period": {"x"}, "cpu-rt-runtime": {"x"}, "cpuset-cpus": {"x", "3-1", "0-", ","}, "cpuset-mems": {"x"},
		"pids-limit": {"x", "-2", "99999999999"}, "ulimit": {"x", "color=1", "nofile=2:1", "nofile=x", "nofile"},
		"blkio-weight": {"9", "1001", "x"}, "blkio-weight-device": {"x", "/dev/null:100", "/none:100"},
		"device-read-bps": {"x", "/dev/null:1m", "/none/such:1m"}, "device-write-bps": {"x"}, "device-read-iops": {"x"},
		"device-write-iops": {"x"}, "cap-add": {"nonsense"}, "cap-drop": {"nonsense"},
		"security-opt": {"x", "seccomp", "seccomp=/none/such", "no-new-privileges=maybe", "label=type:x", "systempaths=x",
			"apparmor"},
		"sysctl": {"x", "=1"}, "ipc": {"x", "container:a", "shareable"}, "pid": {"x", "private", "container:", "container:a/b"}, "uts": {"x", "container:x"},
		"cgroupns": {"x"}, "userns": {"auto", "keep-id"}, "workdir": {"x"}, "name": {"a/b", "-d"},
		"health-interval": {"x", "1", "-1s", "1us"}, "health-timeout": {"x"}, "health-start-period": {"x"},
		"health-start-interval": {"x"}, "health-retries": {"0", "x", "-1"},
	}
	anything := []string{"hostname", "domainname", "entrypoint", "user", "group-add", "cidfile", "dns-search", "dns-option", "cgroup-parent", "health-cmd"}
	for i := range table {
		f := &table[i]
		values := wrong[f.name]
		switch {
		case f.reason != "":
			values = []string{"x"}
		case f.kind == toggle || slices.Contains(anything, f.name):
		case len(values) == 0:
			t.Errorf("--%s has no wrong value in this test", f.name)
		}
		if f.kind != toggle && f.name != "entrypoint" && f.reason == "" { // "$UNSET"
			values = append(values, "")
		}
		for _, value := range values {
			word := "--" + f.name + "=" + value
			if f.kind == toggle {
				word = "--" + f.name
			}
			_, err := read(word)
			if err == nil {
				t.Errorf("%s is accepted", word)
				continue
			}
			text := err.Error()
			if !strings.Contains(text, f.name) && !strings.Contains(text, "capability") &&
				!strings.Contains(text, "container ID") {
				t.Errorf("%s: %s does not name the flag", word, text)
			}
			if !strings.Contains(text, value) && !strings.Contains(strings.ToLower(text), value) && f.reason == "" {
				t.Errorf("%s: %s does not name the value", word, text)
			}
			if strings.Count(text, "\n") > 2 {
				t.Errorf("%s: %s is too long", word, text)
			}
		}
	}
}

// TestFlagsThatExcludeEachOther: none of two flags is ignored.
func TestFlagsThatExcludeEachOther(t *testing.T) {
	for line, words := range map[string]string{
		"--memory-swap 1g": "--memory-swap: needs --memory", "--memory 2g --memory-swap 1g": "must not be less",
		"--memory 1g --memory-reservation 2g": "must not be more", "--oom-kill-disable": "needs --memory",
		"--cpus 1 --cpu-quota 5000": "cannot be combined", "--uts host --hostname x": "--hostname",
		"--uts host --domainname x": "--domainname", "--no-healthcheck --health-cmd x": "--no-healthcheck",
		"--init --pid host": "--init cannot be", "--log-driver none": "only with --detach", "--sig-proxy=false": "not supported", "-v /a -v /a/": "already the target",
		"-v /a --tmpfs /a": "already the target", "--network host -p 80:80": "--publish needs",
	} {
		if _, err := read(strings.Fields(line)...); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v, want %s", line, err, words)
		}
	}
}

func TestReadSettings(t *testing.T) {
	dir := t.TempDir()
	envFile := filepath.Join(dir, "env")
	if err := os.WriteFile(envFile, []byte("\ufeff# comment\n\nA=1 # not a comment\n  B=\nHOME_OF_TEST\nNOT_SET_HERE\n"),
		0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME_OF_TEST", "/x")
	s, err := read("-it", "--rm", "--env-file", envFile, "-e", "C=x=y", "-e", "NOT_SET_HERE", "-l", "a=b", "-l", "c",
		"--annotation", "d=e", "-m", "64m", "--memory-swap", "-1", "--cpus", "1.5", "--pids-limit", "9", "--ulimit",
		"nofile=1024:2048", "--ulimit", "nofile=5", "--ulimit", "core=-1", "--oom-score-adj", "5", "--device-cgroup-rule",
		"c 42:* rw", "--device", "/dev/null:/dev/nothing:r", "--device", "vendor.com/class=one", "--sysctl", "net/core/somaxconn=5",
		"--security-opt", "seccomp:unconfined", "--security-opt", "no-new-privileges:true", "--pid", "container:a", "--shm-size", "1m",
		"--volumes-from", "x:ro", "--stop-timeout", "-1", "--group-add", "5", "--cpuset-cpus", "0-2,7", "--entrypoint", "",
		"--health-interval", "2s", "--health-retries", "3", "--expose", "80-90/udp")
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"A=1 # not a comment", "B=", "HOME_OF_TEST=/x", "C=x=y"}; !slices.Equal(s.Env, want) {
		t.Errorf("environment %q, want %q", s.Env, want)
	}
	if s.Labels["a"] != "b" || s.Labels["d"] != "e" || len(s.Labels) != 3 {
		t.Errorf("labels %v", s.Labels)
	}
	r := s.Resources
	if *r.Memory.Limit != 64<<20 || *r.Memory.Swap != -1 || *r.CPU.Quota != 150000 || *r.CPU.Period != 100000 ||
		*r.Pids.Limit != 9 || r.CPU.Cpus != "0-2,7" {
		t.Errorf("memory %+v, cpu %+v, pids %+v", r.Memory, r.CPU, r.Pids)
	}
	if len(s.Rlimits) != 2 || s.Rlimits[0] != (specs.POSIXRlimit{Type: "RLIMIT_NOFILE", Soft: 5, Hard: 5}) ||
		s.Rlimits[1].Hard != 1<<64-1 {
		t.Errorf("limits %+v", s.Rlimits)
	}
	if len(s.Devices) != 1 || s.Devices[0].Path != "/dev/nothing" || s.Devices[0].Minor != 3 || len(s.DeviceRules) != 2 ||
		s.DeviceRules[0].Access != "r" || s.DeviceRules[1].Minor != nil || len(s.CDI) != 1 {
		t.Errorf("devices %+v, rules %+v, CDI %q", s.Devices, s.DeviceRules, s.CDI)
	}
	if s.Sysctl["net.core.somaxconn"] != "5" || s.Security != (config.Security{NoNewPrivileges: true, Seccomp: "unconfined"}) ||
		s.Namespaces.PID != "container:a" || s.ShmSize != 1<<20 || *s.StopTimeout != -1 || *s.Entrypoint != "" ||
		!s.VolumesFrom[0].ReadOnly || s.HealthRetries != 3 || *s.OOMScoreAdj != 5 || !s.Terminal || !s.Interactive || !s.Remove {
		t.Errorf("%+v", s)
	}
	if s, err = read("--pids-limit", "-1"); err != nil || s.Resources.Pids != nil {
		t.Errorf("no limit of processes: %+v, %v", s, err)
	}
	if s, err = read(); err != nil || s.Resources.Memory != nil || s.Resources.CPU != nil || s.Pull != "missing" {
		t.Errorf("without flags: %+v, %v", s, err)
	}
}

// TestEveryFlagIsRefusedForABundle: with what to set in config.json instead.
func TestEveryFlagIsRefusedForABundle(t *testing.T) {
	check := func(words ...string) error {
		return command("run", words, func(ctx *cli.Context) error { return CheckBundle(ctx, "b/") })
	}
	for i := range table {
		f := &table[i]
		word := "--" + f.name + "=x"
		if f.kind == toggle {
			word = "--" + f.name
		}
		err := check(word)
		if f.name == "interactive" || f.name == "rm" {
			if err != nil {
				t.Errorf("%s: %v", word, err)
			}
			continue
		}
		want := "hint: "
		if f.field != "" {
			want = "\nhint: set " + f.field + " in b/config.json"
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "--"+f.name) {
			t.Errorf("%s: %v, want %q", word, err, want)
		}
		if f.short != "" {
			word = "-" + f.short
			if f.kind != toggle {
				word += "=x"
			}
			if err := check(word, "--keep"); err == nil {
				t.Errorf("%s is accepted", word)
			}
		}
	}
	for _, words := range [][]string{{"--rm", "--keep"}, {"--rm", "-d"}} {
		if err := check(words...); err == nil {
			t.Errorf("%q is accepted", words)
		}
	}
	if err := check("--keep", "-d"); err != nil {
		t.Error(err)
	}
}

// TestOnlyNeededFlagsAreBuilt: a start of a bundle does not pay for the flags of images.
func TestOnlyNeededFlagsAreBuilt(t *testing.T) {
	others := []cli.Flag{cmdline.TextFlag(cli.StringFlag{Name: "bundle", Aliases: []string{"b"}}),
		cmdline.ToggleFlag(cli.BoolFlag{Name: "detach", Aliases: []string{"d"}})}
	for line, want := range map[string]string{
		"": "", "bundle/": "", "-b x -d id": "", "--bundle=x id": "", "-m 64m x": "memory", "-dit x": "interactive tty",
		"-e A=1 --env=B=2 x": "env", "-db x": "", "x -m 1": "memory",
	} {
		var got []string
		for _, f := range Needed(strings.Fields(line), others) {
			got = append(got, f.Names()[0])
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
	for _, line := range []string{"--help", "-h", "--bogus x", "-xz", "--"} {
		if got := len(Needed(strings.Fields(line), others)); got != len(table) {
			t.Errorf("%s: %d flags, want all", line, got)
		}
	}
}

func TestNamesAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range All() {
		for _, n := range f.Names() {
			if seen[n] {
				t.Errorf("%s is defined twice", n)
			}
			seen[n] = true
		}
	}
}
