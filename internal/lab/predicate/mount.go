package predicate

import (
	"context"
	"os"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"

	"github.com/minirun/minirun/internal/lab/scene"
	"github.com/minirun/minirun/internal/lab/words"
)

// mount asks for a mount in the container's mount namespace (proc_pid_mountinfo(5)).
type mount struct {
	scene.Of `yaml:",inline"`
	At       string   `yaml:"at"`     // the mount point, as the container sees it
	Type     string   `yaml:"type"`   // overlay, tmpfs, proc, …
	With     []string `yaml:"with"`   // options of the mount or its file system: ro, nosuid, …
	Absent   bool     `yaml:"absent"` // there is no such mount
}

func (m *mount) Holds(_ context.Context, s *scene.Scene) (*scene.Failure, error) {
	p, failure := m.Find(s)
	if failure != nil {
		return failure, nil
	}
	f, err := os.Open(p.Proc("mountinfo"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	table, err := mountinfo.GetMountsFromReader(f, nil)
	if err != nil {
		return nil, err
	}
	look := "grep ' " + m.At + " ' " + p.Proc("mountinfo")
	var found *mountinfo.Info
	for _, i := range table {
		if i.Mountpoint == m.At {
			found = i // the last one is on top
		}
	}
	switch {
	case found == nil && m.Absent:
		return nil, nil
	case found == nil:
		return scene.Fail(words.New("a mount on %s", m.At), words.New("none"), "%s", look)
	case m.Absent:
		return scene.Fail(words.New("no mount on %s", m.At), words.New("%s on %s", found.FSType, m.At), "%s", look)
	case m.Type != "" && found.FSType != m.Type:
		return scene.Fail(words.New("%s on %s", m.Type, m.At), words.New("%s on %s", found.FSType, m.At), "%s", look)
	}
	options := append(strings.Split(found.Options, ","), strings.Split(found.VFSOptions, ",")...)
	for _, o := range m.With {
		if !slices.Contains(options, o) {
			return scene.Fail(words.New("the mount on %s with %s", m.At, o), words.New("%s",
				found.Options+","+found.VFSOptions), "%s", look)
		}
	}
	return nil, nil
}
