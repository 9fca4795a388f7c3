package build

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRunCannotReachHost: a program in a RUN tries what it must not be able to do. Each line of output
// names something that succeeded.
func TestRunCannotReachHost(t *testing.T) {
	o := newOutside(t, newStore(t))
	mounts := mountsOf()
	var root unix.Stat_t
	if err := unix.Stat("/", &root); err != nil {
		t.Fatal(err)
	}
	disk := fmt.Sprintf("%d %d", unix.Major(root.Dev), unix.Minor(root.Dev))
	t.Setenv("MINIRUN_TEST_ENVIRONMENT", theHosts)
	dockerfile := `FROM base
RUN <<'SCRIPT'
could() { echo "could $*"; }
for f in /proc/sys/kernel/core_pattern /proc/sys/vm/drop_caches /proc/sysrq-trigger /proc/irq/default_smp_affinity /sys/kernel/uevent_helper /sys/power/state /sys/fs/cgroup/devices/devices.allow /sys/fs/cgroup/cgroup.procs; do
	(echo > $f) 2>/dev/null && could write $f
done
cat /proc/kcore 2>/dev/null | head -c 1 | grep -q . && could read /proc/kcore
cat /proc/interrupts 2>/dev/null | grep -q . && could read /proc/interrupts
dd if=/dev/mem bs=1 count=1 2>/dev/null | grep -q . && could read /dev/mem
mount -t tmpfs none /tmp 2>/dev/null && could mount
mount -o remount,rw /sys 2>/dev/null && could remount /sys
umount /proc/sys 2>/dev/null && could unmount
unshare -m true 2>/dev/null && could unshare
unshare -U true 2>/dev/null && could make a user namespace
chroot / true || could not even chroot
mknod /disk b DISK 2>/dev/null && dd if=/disk of=/dev/null bs=512 count=1 2>/dev/null && could read the disk
rm -f /disk
mknod /mark c 0 0 2>/dev/null && could make a mark of a deleted file
hostname elsewhere 2>/dev/null && could set the host name
date -s "$(date +%Y-%m-%d) 00:00:01" >/dev/null 2>&1; [ "$(date +%H%M)" = 0000 ] && could set the clock
insmod /etc/passwd 2>/dev/null && could load a module
[ -e OUT ] && could see the outside
[ -e STORE ] && could see the store
[ -e CONTEXT ] && could see the context
for d in /proc/[0-9]*; do [ -e $d/root/STORE ] && could see the store through $d; done
kill -0 PARENT 2>/dev/null && could signal the test
env | grep -q MINIRUN_TEST && could see the environment
grep -q . /proc/1/environ && tr '\0' '\n' < /proc/1/environ | grep MINIRUN_TEST && could see that of process 1
i=3; while [ $i -lt 300 ]; do [ -e /proc/self/fd/$i ] && could use the descriptor $i, $(readlink /proc/self/fd/$i); i=$((i+1)); done
for n in 0 1 2; do case $(readlink /proc/self/fd/$n) in /dev/null|pipe:*) ;; *) could use $n, $(readlink /proc/self/fd/$n);; esac; done
[ "$(readlink /proc/1/exe)" = /bin/busybox ] || could see $(readlink /proc/1/exe)
[ "$(echo /proc/[0-9]* | wc -w)" -le 6 ] || could see the processes of others
[ "$(id -G)" = 0 ] || could use the groups $(id -G)
grep -E '^(Cap|Seccomp:)' /proc/self/status
echo done
SCRIPT
`
	dir := contextDir(t, map[string]string{"f": theHosts}, "")
	text := strings.NewReplacer("DISK", disk, "STORE", o.store.StoreDir, "CONTEXT", dir, "PARENT", itoa(os.Getpid())).Replace(o.path(dockerfile))
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	b, _ := o.builds(dir)
	// Docker's default capabilities without CAP_NET_RAW, because the network is the host's, and no
	// inheritable ones (CVE-2022-27651).
	want := "CapInh:\t0000000000000000\nCapPrm:\t00000000a80405fb\nCapEff:\t00000000a80405fb\nCapBnd:\t00000000a80405fb\nCapAmb:\t0000000000000000\nSeccomp:\t2\ndone\n"
	if b.Status != 0 || b.said != want {
		t.Errorf("status %d: %s%s", b.Status, b.said, b.Stderr)
	}
	// The script detects what is possible: with everything allowed it can do some of these things.
	shell(t, dir, "sed -i 's/^RUN <</RUN --security=insecure <</' Dockerfile")
	if b, _ := o.builds(dir); b.Status == 0 || !strings.Contains(b.Stderr, "build with --allow security.insecure") {
		t.Errorf("status %d: %s", b.Status, b.Stderr)
	}
	shell(t, dir, "sed -i '/core_pattern/,/^done/d; /drop_caches/d; /date -s/d; /insmod/d; /umount/d; /remount/d; /hostname/d' Dockerfile") // not on this machine
	b, _ = o.builds(dir, "--allow", "security.insecure")
	for _, could := range []string{"could mount", "could unshare", "Seccomp:\t0"} {
		if !strings.Contains(b.said, could) {
			t.Errorf("with everything allowed it does not say %q: %s%s", could, b.said, b.Stderr)
		}
	}
	if now := mountsOf(); !slices.Equal(now, mounts) {
		t.Errorf("mounts: %q, before %q", now, mounts)
	}
}

// TestEntitlementsAreChecked: everything that needs --allow, wherever it is requested.
func TestEntitlementsAreChecked(t *testing.T) {
	s := newStore(t)
	for _, c := range []struct {
		name, dockerfile string
		allow            string
	}{
		{"RUN --security", "FROM base\nRUN --security=insecure true\n", "security.insecure"},
		{"RUN --network", "FROM base\nRUN --network=host true\n", "network.host"},
		{"by a variable", "FROM base\nARG N=host\nRUN --network=$N true\n", ""},
		{"of a stage", "FROM base AS s\nRUN --security=insecure true\nFROM base\nCOPY --from=s /etc/passwd /x\n", "security.insecure"},
		{"ONBUILD", "FROM asks\n", "security.insecure"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name == "ONBUILD" {
				s.Do("build", "-q", "-t", "asks", contextDir(t, map[string]string{"Dockerfile": "FROM base\nONBUILD RUN --security=insecure true\n"}, ""))
			}
			dir := contextDir(t, map[string]string{"Dockerfile": c.dockerfile}, "")
			b := s.try(dir)
			if b.Status == 0 || c.allow != "" && !strings.Contains(b.Stderr, "build with --allow "+c.allow) {
				t.Errorf("status %d: %s", b.Status, b.Stderr)
			}
			if len(b.ran) > 0 {
				t.Errorf("%q ran", b.ran)
			}
			for _, other := range []string{"security.insecure", "network.host"} {
				b := s.try(dir, "--allow", other, "--no-cache")
				if ok := b.Status == 0; ok != (other == c.allow) {
					t.Errorf("--allow %s: status %d: %s", other, b.Status, b.Stderr)
				}
			}
		})
	}
	// The frontend named by a directive is neither fetched nor run: it would be a program with
	// control over all of this.
	dir := contextDir(t, map[string]string{"Dockerfile": "# syntax=127.0.0.1:1/evil\nFROM base\n"}, "")
	s.builds(dir)
}

// The advisories: vulnerabilities in builders through which a Dockerfile reached the host.
// docs/security.md has the table.

// TestControlCharactersAreHarmless: bytes that control a terminal, that JSON cannot represent, or that
// end a string in C.
func TestControlCharactersAreHarmless(t *testing.T) {
	s := newStore(t)
	for name, c := range map[string]struct {
		dockerfile string
		flags      []string
		fails      string
	}{
		"escapes":            {"FROM base\nARG X\nRUN echo \"$X\"; printf '\\033]0;title\\007\\n'\nCOPY Dockerfile /$X\n", []string{"--build-arg", "X=a\x1b[31mb\nc\rd\x1b]0;x\x07"}, ""},
		"escapes that fail":  {"FROM base\n# \x1b[31mred\nRUN \x1b]0;x\x07\x1b[2J\nCOPY \x1b[2Jnot-there /\n", nil, "exit code: 127"},
		"of an instruction":  {"FROM base\nR\x1b[2JUN x\n", nil, "unknown instruction"},
		"zero":               {"FROM base\nRUN echo a\x00b\n", nil, "zero byte"},
		"zero of ENV":        {"FROM base\nENV A=\x00\nRUN true\n", nil, "zero byte"},
		"no UTF-8":           {"FROM base\nRUN echo \xff\n", nil, "UTF-8"},
		"no UTF-8, LABEL":    {"FROM base\nLABEL a=\xff\n", nil, ""},
		"no UTF-8, ARG":      {"FROM base\nARG X\nRUN true\n", []string{"--build-arg", "X=\xff"}, "UTF-8"},
		"no UTF-8, COPY":     {"FROM base\nCOPY \xff /\n", nil, "UTF-8"},
		"no UTF-8, comment":  {"FROM base\n# caf\xe9\nRUN true\n", nil, ""},
		"no UTF-8, document": {"FROM base\nCOPY <<E /x\n\xff\xfe\nE\nRUN od -An -tx1 /x\n", nil, ""},
		"ONBUILD":            {"FROM base\nONBUILD RUN echo \xff\n", nil, "UTF-8"},
		"ONBUILD ONBUILD":    {"FROM base\nONBUILD ONBUILD RUN true\n", nil, "isn't allowed"},
		"ONBUILD FROM":       {"FROM base\nONBUILD FROM base\n", nil, "isn't allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := contextDir(t, map[string]string{"Dockerfile": c.dockerfile}, "")
			for _, mode := range []string{"plain", "rawjson"} {
				r := s.Minirun(append(append([]string{"build", "--progress", mode, "--explain", "text"}, c.flags...), dir)...)
				if (r.Status == 0) != (c.fails == "") || !strings.Contains(r.Stderr, c.fails) {
					t.Errorf("status %d: %q", r.Status, r.Stderr)
				}
				if strings.ContainsAny(r.Stderr+r.Stdout, "\x1b\x07\r\x00") {
					t.Errorf("%s: a terminal would obey %q", mode, r.Stderr+r.Stdout)
				}
			}
		})
	}
	// Two documents that differ only in such a byte are distinct.
	for _, text := range []string{"\xff", "\xfe"} {
		dir := contextDir(t, map[string]string{"Dockerfile": "FROM base\nCOPY <<'E' /x\n" + text + "\nE\n"}, "")
		out := filepath.Join(t.TempDir(), "out")
		s.builds(dir, "-o", out)
		if got, err := os.ReadFile(filepath.Join(out, "x")); err != nil || string(got) != text+"\n" {
			t.Errorf("%q, %v", got, err)
		}
	}
}

// TestLargeDockerfilesNeedBoundedMemory: each case gives an error or succeeds, in bounded memory.
func TestLargeDockerfilesNeedBoundedMemory(t *testing.T) {
	s := newStore(t)
	for name, c := range map[string]struct{ text, fails string }{
		"10 MB":                  {"FROM base\n" + strings.Repeat("# 345678\n", 1_200_000), "exceeds maximum allowed size of 8 MiB"},
		"a million lines":        {"FROM base\n" + strings.Repeat("#\n", 1_000_000), ""},
		"a million instructions": {"FROM base\n" + strings.Repeat("USER a\n", 1_000_000), "instructions are more than the maximum"},
		"a million stages":       {strings.Repeat("FROM a\n", 1_000_000), "instructions are more than the maximum"},
		"one that doubles":       {"FROM base\nENV A=0123456789\n" + strings.Repeat("ENV A=$A$A\n", 60), "MiB of variables"},
		"an ARG that doubles":    {"ARG A=0123456789\n" + strings.Repeat("ARG A=$A$A\n", 60) + "FROM base\n", "MiB of variables"},
		"labels":                 {"FROM base\n" + numbered("LABEL a%d=b\n", 40_000), "MiB of variables"},
		"variables":              {"FROM base\n" + numbered("ENV a%d=b\n", 40_000), "MiB of variables"},
		"ports":                  {"FROM base\n" + strings.Repeat("EXPOSE 1-65535\n", 10_000), "MiB of variables"},
		"ports of one":           {"FROM base\nEXPOSE" + strings.Repeat(" 1-65535", 7000) + "\n", "more than 200000 ports"},
		"layers":                 {"FROM base\n" + strings.Repeat("WORKDIR /a\n", 999), "would create layer 1000"},
		"a long line":            {"FROM base\nRUN " + strings.Repeat("x", 7_000_000) + "\n", "greater than max"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := contextDir(t, map[string]string{"Dockerfile": c.text}, "")
			cmd := s.Command("build", "--progress", "plain", "-o", "type=cacheonly", dir)
			out, err := cmd.CombinedOutput()
			if (err == nil) != (c.fails == "") || !strings.Contains(string(out), c.fails) {
				t.Errorf("%v: %.2000s", err, out)
			}
			if len(out) > 20_000 {
				t.Errorf("it says %d bytes", len(out))
			}
			const most = 1 << 20 // KiB
			if used := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss; used > most {
				t.Errorf("it takes %d MiB", used>>10)
			}
		})
	}
}

func numbered(format string, n int) string {
	var out strings.Builder
	for i := range n {
		fmt.Fprintf(&out, format, i)
	}
	return out.String()
}

// TestRunMountOptions: the file systems of a step are mounted with the same options as in BuildKit:
// set-user-ID programs on them do not gain privileges, and device nodes work only in /dev.
func TestRunMountOptions(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM base\nRUN cp /proc/self/mounts /mounts\nFROM scratch\nCOPY --from=0 /mounts /\n"}, "")
	out := filepath.Join(t.TempDir(), "out")
	s.builds(dir, "-o", "type=local,dest="+out)
	text, err := os.ReadFile(filepath.Join(out, "mounts"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"/proc": "nosuid nodev noexec", "/dev": "nosuid", "/dev/pts": "nosuid noexec", "/dev/shm": "nosuid nodev noexec",
		"/dev/mqueue": "nosuid nodev noexec", "/sys": "nosuid nodev noexec ro", "/sys/fs/cgroup": "nosuid nodev noexec ro",
		"/etc/hosts": "ro", "/etc/resolv.conf": "ro",
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		for _, option := range strings.Fields(want[f[1]]) {
			if !slices.Contains(strings.Split(f[3], ","), option) {
				t.Errorf("%s lacks %s: %s", f[1], option, f[3])
			}
		}
		delete(want, f[1])
	}
	if len(want) > 0 {
		t.Errorf("not mounted: %v", want)
	}
}
