package images

import (
	"archive/tar"
	"slices"
	"strings"
	"testing"
)

// groupsOf is a shell command that prints the supplementary groups that the kernel
// knows of, on one line.
const groupsOf = `sed -n 's/^Groups:[[:space:]]*//p' /proc/self/status | xargs echo`

// The primary group is among the supplementary groups: without it a program could
// leave the group by set-group-ID, and pass where a file's mode keeps the group out
// (CVE-2022-36109, CVE-2023-25173).
func TestPrimaryGroupIsSupplementary(t *testing.T) {
	config := runs("sleep", "1000")
	config.User = "1000:2000"
	s := loaded(t, config)
	id := name("groups")
	s.do("run", "-d", "--name", id, "busybox")
	defer s.do("rm", "-f", id)
	if got := s.do("exec", id, "sh", "-c", groupsOf); got != "2000" {
		t.Errorf("the image's user, in exec: groups %q, want 2000", got)
	}
	for who, want := range map[string]string{"1000:2000": "2000", "0:7": "7", "7": "0", "user": "50 1000", "user:friends": "50", "": "2000"} {
		var flags []string
		if who != "" {
			flags = []string{"-u", who}
			if got := s.do("exec", "-u", who, id, "sh", "-c", groupsOf); got != want {
				t.Errorf("exec -u %s: groups %q, want %q", who, got, want)
			}
		}
		if got := s.do(slices.Concat([]string{"run", "--rm", "--name", name("g")}, flags, []string{"busybox", "sh", "-c", groupsOf})...); got != want {
			t.Errorf("run %q: groups %q, want %q", flags, got, want)
		}
	}
}

// An ID in the image that does not fit is an error and never root (CVE-2024-40635).
func TestIDsOfTheImageOutOfRange(t *testing.T) {
	const passwd = "root:x:0:0::/:\nuser:x:1000:1000::/:\nbits32:x:4294967296:4294967296::/:\nnochange:x:4294967295:1000::/:\n" +
		"bits64:x:18446744073709551616:1000::/:\nnegative:x:-1:1000::/:\ntext:x:root:1000::/:\nshort:x\ngroup32:x:1000:4294967296::/:\nmember:x:1001:1001::/:\n" +
		"largest:x:4294967294:4294967294::/:\n"
	const group = "root:x:0:root\nbits32:x:4294967296:\noutside:x:4294967295:member\n"
	s := loaded(t, runs("sleep", "1000"), layer{entries: []tar.Header{file("etc/passwd", passwd), file("etc/group", group)}})
	id := name("ids")
	s.do("run", "-d", "--name", id, "busybox")
	defer s.do("rm", "-f", id)
	for _, who := range []string{
		"bits32", "nochange", "bits64", "negative", "text", "short", "group32", "member", "user:bits32", "user:outside",
		"4294967295", "4294967296", "-1", "1000:4294967295", "1000:4294967296",
	} {
		for _, verb := range [][]string{{"run", "--rm", "--name", name("i"), "-u=" + who, "busybox"}, {"exec", "-u=" + who, id}} {
			r := s.Minirun(append(verb, "id")...)
			if r.Status == 0 || !strings.Contains(r.Stderr, "ID") && !strings.Contains(r.Stderr, "fields") {
				t.Errorf("%s as %s: status %d: %s%s", verb[0], who, r.Status, r.Stdout, r.Stderr)
			}
		}
	}
	if got := s.do("exec", "-u", "largest", id, "id", "-u"); got != "4294967294" {
		t.Errorf("the largest ID: %s", got)
	}
}
