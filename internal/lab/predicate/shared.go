package predicate

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/minirun/minirun/internal/lab/scene"
	"github.com/minirun/minirun/internal/lab/words"
)

// shared asks for a container that shares exactly these namespaces with the host, out of sharedKinds.
type shared struct {
	scene.Of `yaml:",inline"`
	Only     []string `yaml:"only"`
}

// sharedKinds are the namespaces that each container has in the first labs.
var sharedKinds = []string{"pid", "mnt", "uts", "ipc", "net"}

func (q *shared) Holds(_ context.Context, s *scene.Scene) (*scene.Failure, error) {
	for _, kind := range q.Only {
		if !slices.Contains(sharedKinds, kind) {
			return nil, fmt.Errorf("shared: unknown kind %q (there are: %s)", kind, strings.Join(sharedKinds, ", "))
		}
	}
	if _, failure := q.Find(s); failure != nil {
		return failure, nil
	}
	var found []string
	for _, p := range scene.Firsts(scene.Marked(s.Values["token"]), q.Of.Of) {
		kinds, err := sharedWithHost(p)
		if err != nil {
			continue // it ended
		}
		if isOnly(kinds, q.Only) {
			return nil, nil
		}
		found = append(found, fmt.Sprintf("%d (%s)", p.PID, cmp.Or(strings.Join(kinds, " "), "-")))
	}
	expected := words.New("a container that shares no namespace with the host")
	if len(q.Only) > 0 {
		expected = words.New("a container that shares only this with the host: %s", strings.Join(q.Only, " "))
	}
	return scene.Fail(expected, words.New("processes and what they share: %s", strings.Join(found, ", ")),
		"ps -eo pid,pidns,mntns,utsns,ipcns,netns,args | grep '[0-9] sleep'")
}

// sharedWithHost returns the kinds of namespaces that a process shares with the host.
func sharedWithHost(p scene.Process) (kinds []string, err error) {
	for _, kind := range sharedKinds {
		theirs, err := os.Readlink(p.Proc("ns/" + kind))
		if err != nil {
			return nil, err
		}
		ours, err := os.Readlink(scene.HostNamespaces + kind)
		if err != nil {
			return nil, err
		}
		if theirs == ours {
			kinds = append(kinds, kind)
		}
	}
	return kinds, nil
}

// isOnly reports whether two lists have the same kinds, in any order.
func isOnly(found, wanted []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(found)), slices.Sorted(slices.Values(wanted)))
}
