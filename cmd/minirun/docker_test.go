package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// dockerFlags are the flags of docker's reference documentation (version 28).
var dockerFlags = map[string]string{
	"run, create": "add-host annotation attach blkio-weight blkio-weight-device cap-add cap-drop cgroup-parent cgroupns " +
		"cidfile cpu-count cpu-percent cpu-period cpu-quota cpu-rt-period cpu-rt-runtime cpu-shares cpus cpuset-cpus " +
		"cpuset-mems detach detach-keys device device-cgroup-rule device-read-bps device-read-iops device-write-bps " +
		"device-write-iops disable-content-trust dns dns-option dns-search domainname entrypoint env env-file expose gpus " +
		"group-add health-cmd health-interval health-retries health-start-interval health-start-period health-timeout " +
		"help hostname init interactive io-maxbandwidth io-maxiops ip ip6 ipc isolation kernel-memory label label-file link " +
		"link-local-ip log-driver log-opt mac-address memory memory-reservation memory-swap memory-swappiness mount name " +
		"network network-alias no-healthcheck oom-kill-disable oom-score-adj pid pids-limit platform privileged publish " +
		"publish-all pull quiet read-only restart rm runtime security-opt shm-size sig-proxy stop-signal stop-timeout " +
		"storage-opt sysctl tmpfs tty ulimit use-api-socket user userns uts volume volume-driver volumes-from workdir",
	"exec": "detach env env-file interactive privileged tty user workdir",
}

var flagRow = regexp.MustCompile("(?m)^\\| `--([a-z0-9-]+)`[^|]* \\| (supported|differs|rejected) \\| (.*) ?\\|$")

// TestDockerTables: docs/docker.md has a row for each of docker's flags, which says the truth.
func TestDockerTables(t *testing.T) {
	text, err := os.ReadFile("../../docs/docker.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range app(nil).Commands {
		title := c.Name
		if title == "run" {
			title = "run, create"
		}
		list, ok := dockerFlags[title]
		if !ok {
			continue
		}
		_, section, _ := strings.Cut(string(text), "\n## "+title+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		want := strings.Fields(list)
		rows := map[string]string{}
		for _, m := range flagRow.FindAllStringSubmatch(section, -1) {
			rows[m[1]] = m[2]
			if m[2] != "supported" && strings.TrimSpace(m[3]) == "" {
				t.Errorf("%s --%s: %s, without a reason", title, m[1], m[2])
			}
			if !slices.Contains(want, m[1]) {
				t.Errorf("%s --%s: docker has no such flag", title, m[1])
			}
		}
		for _, name := range want {
			got, is := rows[name], statusOf(c, name)
			if is == "supported" && got == "differs" {
				is = got
			}
			if got != is {
				t.Errorf("docs/docker.md, %s: --%s is %q, but the command says %q", title, name, got, is)
			}
		}
	}
}

// statusOf returns what a command does with a flag: those that are rejected are hidden.
func statusOf(c *cli.Command, name string) string {
	if name == "help" {
		return "supported"
	}
	for _, f := range c.Flags {
		if slices.Contains(f.Names(), name) {
			if v, ok := f.(cli.VisibleFlag); ok && !v.IsVisible() && name != "interactive" { // exec -i: nothing to do
				return "rejected"
			}
			return "supported"
		}
	}
	return ""
}
