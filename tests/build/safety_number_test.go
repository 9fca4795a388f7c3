package build

import (
	"archive/tar"
	"strings"
	"testing"

	"github.com/minirun/minirun/internal/tartest"
)

// The primary group must also be one of the supplementary groups of RUN (CVE-2022-36109,
// CVE-2023-25173).
func TestRunHasPrimaryGroupAsSupplementary(t *testing.T) {
	o := newOutside(t, newStore(t))
	dir := contextDir(t, map[string]string{"Dockerfile": `FROM base
RUN sed -n 's/^Groups:[[:space:]]*//p' /proc/self/status
USER 1000:2000
RUN sed -n 's/^Groups:[[:space:]]*//p' /proc/self/status
`}, "")
	b, _ := o.builds(dir)
	if got := strings.Join(strings.Fields(b.said), " "); b.Status != 0 || got != "0 2000" {
		t.Errorf("status %d, groups %q, want 0 and 2000: %s", b.Status, got, b.Stderr)
	}
}

// An ID that is out of range is an error: truncated to 32 bits it would be root, and 4294967295
// leaves a file to root (CVE-2024-40635).
func TestNumbersOutOfRange(t *testing.T) {
	o := newOutside(t, newStore(t))
	archive := func(h tar.Header) string {
		h.Name, h.Mode, h.Format = "f", 0o4755, tar.FormatGNU
		return string(tartest.Archive(t, old, h))
	}
	files := map[string]string{
		"passwd": "root:x:0:0::/:\nbits32:x:4294967296:4294967296::/:\ntext:x:root:0::/:\nshort:x\n", "f": "f",
		"nochange.tar": archive(tar.Header{Uid: 4294967295}), "bits32.tar": archive(tar.Header{Uid: 4294967296}), "negative.tar": archive(tar.Header{Uid: -1}),
		"group.tar": archive(tar.Header{Gid: 4294967295}), "device.tar": archive(tar.Header{Typeflag: tar.TypeChar, Devmajor: 1 << 32, Devminor: 1}),
		"minor.tar": archive(tar.Header{Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 1<<32 + 3}),
	}
	for _, line := range []string{
		"USER bits32\nRUN id", "USER text\nRUN id", "USER short\nRUN id", "USER 4294967295\nRUN id", "USER 4294967296\nRUN id", "USER 1:4294967296\nRUN id",
		"USER bits32\nWORKDIR /new", "COPY --chown=bits32 f /f", "COPY --chown=text f /f", "COPY --chown=4294967295 f /f", "COPY --chown=4294967296 f /f",
		"ADD nochange.tar /", "ADD bits32.tar /", "ADD negative.tar /", "ADD group.tar /", "ADD device.tar /", "ADD minor.tar /",
		"RUN --mount=type=cache,target=/c,uid=4294967295 id", "RUN --mount=type=cache,target=/c,gid=4294967295 id", "RUN --mount=type=cache,target=/c,mode=40000000755 id",
	} {
		files["Dockerfile"] = "FROM base\nCOPY passwd /etc/passwd\n" + line + "\n"
		if b, _ := o.builds(contextDir(t, files, "")); b.Status == 0 {
			t.Errorf("%s: built: %s", line, b.said)
		}
	}
	files["Dockerfile"] = "FROM base\nUSER 2147483647\nRUN id -u\n"
	if b, _ := o.builds(contextDir(t, files, "")); b.Status != 0 || strings.TrimSpace(b.said) != "2147483647" {
		t.Errorf("the largest: %s%s", b.said, b.Stderr)
	}
}
