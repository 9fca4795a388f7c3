package predicate

import (
	"context"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/lab/scene"
	"github.com/minirun/minirun/internal/lab/words"
	"github.com/minirun/minirun/internal/ownthread"
)

// hostname asks for the host name in a container's UTS namespace (uts_namespaces(7)).
type hostname struct {
	scene.Of `yaml:",inline"`
	Is       string `yaml:"is"`
}

func (h *hostname) Holds(_ context.Context, s *scene.Scene) (*scene.Failure, error) {
	p, failure := h.Find(s)
	if failure != nil {
		return failure, nil
	}
	f, err := os.Open(p.Proc("ns/uts"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var name string
	err = ownthread.Run(func() error {
		if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWUTS); err != nil {
			return err
		}
		var u unix.Utsname
		err := unix.Uname(&u)
		name = unix.ByteSliceToString(u.Nodename[:])
		return err
	})
	if err != nil {
		return nil, err
	}
	if name != strings.TrimSpace(h.Is) {
		return scene.Fail(words.New("the host name %s", h.Is), words.New("%s", name), "nsenter -u -t %d hostname", p.PID)
	}
	return nil, nil
}
