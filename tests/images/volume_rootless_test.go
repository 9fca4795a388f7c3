package images

import (
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestUnprivilegedVolumes: an unprivileged user creates, fills, uses and removes volumes whose files
// belong to subordinate IDs.
func TestUnprivilegedVolumes(t *testing.T) {
	testbundle.Need(t)
	u := testbundle.NewUnprivileged(t)
	y := busybox(t)
	write(t, u.Home+"/rootfs.tar", string(archive(t, y.entries)))
	as := func(script string) string { t.Helper(); return u.Do(t, script) }
	as("minirun import -c 'VOLUME /etc' rootfs.tar box")
	as("minirun volume create db")
	as("minirun run --rm -v db:/d box sh -c 'mkdir /d/x; echo f >/d/x/f; chown -R 1000:50 /d/x'")
	if got := as("minirun run --name c -v db:/d:ro -v /more box sh -c 'stat -c %u:%g /d/x/f; touch /more/y; chown -R 7:7 /more; head -c 5 /etc/passwd'"); got != "1000:50\nroot:" {
		t.Errorf("%q", got)
	}
	if got := as("minirun volume ls -q | wc -l"); got != "3" {
		t.Errorf("%s volumes, want db and two anonymous ones", got)
	}
	as("minirun rm -v c")
	if got := as("minirun volume ls -q"); got != "db" {
		t.Errorf("rm -v leaves %q", got)
	}
	as("minirun volume rm db")
	if got := as("ls -A data/minirun/volumes data/minirun/volumes/.config | grep -v -e : -e '^$' -e '^.config$' || true"); got != "" {
		t.Errorf("left: %s", got)
	}
}
