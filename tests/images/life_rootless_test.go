package images

import (
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestUnprivilegedLife: an unprivileged user stops, starts, restarts, renames and removes a container
// whose files belong to subordinate IDs.
func TestUnprivilegedLife(t *testing.T) {
	testbundle.Need(t)
	u := testbundle.NewUnprivileged(t)
	y := busybox(t)
	write(t, u.Home+"/rootfs.tar", string(archive(t, y.entries)))
	as := func(script string) string { t.Helper(); return u.Do(t, script) }
	as("minirun import rootfs.tar box")
	as("minirun run -d --name web box sh -c 'echo run >>/f; mkdir -p /d; echo x >/d/f; chown -R 1000:50 /d; cat /f; exec sleep 1000'")
	runs := func(name string, n int) {
		t.Helper()
		testbundle.Await(t, "a run", func() bool { return strings.Count(as("minirun exec "+name+" cat /f"), "run") == n })
	}
	runs("web", 1)
	as("minirun stop -t 0 web")
	as("minirun start web")
	runs("web", 2)
	as("minirun restart -t 0 web")
	runs("web", 3)
	as("pkill -KILL -f 'monitor web$'")
	testbundle.Await(t, "the monitor's death", func() bool { return strings.Contains(as("minirun ps"), "(no monitor)") })
	as("minirun restart -t 0 web")
	runs("web", 4)
	as("minirun stop -t 0 web")
	as("minirun rename web app")
	as("minirun start app")
	runs("app", 5)
	if got := as("minirun exec app stat -c %u:%g /d/f"); got != "1000:50" {
		t.Errorf("its owner is %s", got)
	}
	as("minirun rm -f app")
	if got := as("ls -A data/minirun/containers"); got != "" {
		t.Errorf("left: %s", got)
	}
	as("minirun store check")
}
