package images

import (
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// Without root minirun says that a bridge and published ports need it, and what works instead.
func TestNetworksWithoutRoot(t *testing.T) {
	u := testbundle.NewSingleID(t)
	t.Setenv("MINIRUN_NETWORK", "")
	testbundle.MakeRootfs(t, u.Home+"/rootfs")
	u.Do(t, `tar --owner=0 --group=0 -cf box.tar -C rootfs . && minirun import -c 'EXPOSE 80' -c 'CMD ["true"]' box.tar box`)
	for command, want := range map[string]string{
		"run --rm -p 8080:80 box":             "--publish: a bridge needs root\nhint: use sudo; without root, a program started with --network host",
		"run --rm --network bridge box":       "--network bridge: a bridge needs root\nhint: ",
		"run --rm --network container:x box":  "needs root, because each container has its own user namespace",
		"run --rm --ip 10.89.0.9 box":         "--network bridge: a bridge needs root",
		"network create app":                  "cannot create network app: a bridge needs root\nhint: ",
		"run --rm box ls /sys/class/net":      "listens on port 80/tcp\nhint: use --network host, or sudo",
		"run --rm --network host box true":    "",
		"network ls --format '{{.Name}}'":     "bridge\nhost\nnone",
		"run --rm --network none box ls /etc": "hosts",
	} {
		got := u.Do(t, "minirun "+command+" 2>&1 || true")
		if !strings.Contains(got, want) || want == "" && strings.Contains(got, "network") {
			t.Errorf("%s: %s, want %q", command, got, want)
		}
	}
	if got := u.Do(t, "minirun ps -a -q"); got != "" {
		t.Errorf("left: %s", got)
	}
}
