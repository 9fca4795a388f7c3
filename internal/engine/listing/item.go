// Package listing implements `ps` without an ID: the table of the containers created from images.
//
//	item.go    what is known about a container, beyond its status
//	filter.go  --filter
//	ports.go   published ports
//	table.go   the placeholders of --format, and the default table, as wide as the terminal
package listing

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"github.com/minirun/minirun/internal/dirsize"
	"github.com/minirun/minirun/internal/engine"
	"github.com/minirun/minirun/internal/formatter"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/inspect"
)

// An item is a container. What few callers need is read when it is needed.
type item struct {
	engine.Listed
	store *image.Store

	config *bundleConfig
}

// A bundleConfig is the part of config.json that ps needs.
type bundleConfig struct {
	Annotations map[string]string
	Mounts      []struct{ Destination, Type, Source string }
}

// bundle returns the container's config.json. If it cannot be read, because the container is being
// removed, it is empty.
func (i *item) bundle() *bundleConfig {
	if i.config == nil {
		i.config = &bundleConfig{}
		text, err := os.ReadFile(filepath.Join(i.store.Container(i.Container), "config.json"))
		if err == nil {
			_ = json.Unmarshal(text, i.config)
		}
	}
	return i.config
}

// labels returns the labels of the image and those of --label.
func (i *item) labels() formatter.Labels {
	var config image.Config
	if text, err := os.ReadFile(i.store.Blob(i.ID)); err == nil {
		_ = json.Unmarshal(text, &config)
	}
	out := formatter.Labels{}
	for name, value := range i.bundle().Annotations {
		if !strings.HasPrefix(name, "org.opencontainers.image.") && !strings.HasPrefix(name, "dev.minirun.") {
			out[name] = value
		}
	}
	for name, value := range config.Config.Labels {
		if given, ok := i.bundle().Annotations[name]; ok {
			value = given
		}
		out[name] = value
	}
	return out
}

// A mount is a volume, or a directory or file of the host.
type mount struct{ name, destination string }

// mounts returns the volumes and the paths of the host that are mounted in the container.
func (i *item) mounts() (out []mount) {
	own, volumes := i.store.Container(i.Container)+"/", filepath.Join(i.store.Dir, "volumes")+"/"
	for _, m := range i.bundle().Mounts {
		name, isVolume := strings.CutPrefix(m.Source, volumes)
		switch {
		case m.Type != "bind":
		case isVolume:
			name, _, _ = strings.Cut(name, "/")
			out = append(out, mount{name, m.Destination})
		case strings.HasPrefix(m.Source, own+"volumes/"):
			out = append(out, mount{strings.TrimPrefix(m.Source, own+"volumes/"), m.Destination})
		case !strings.HasPrefix(m.Source, own):
			out = append(out, mount{m.Source, m.Destination})
		}
	}
	return out
}

// sizes returns the size of the files that the container has written, and of all its files.
func (i *item) sizes() (written, all int64) {
	dir := i.store.Container(i.Container)
	written = dirsize.Sum(filepath.Join(dir, "upper"))
	stack, err := inspect.FindStack("", dir)
	if err != nil {
		return written, written
	}
	all = written
	for _, layer := range stack.Lower {
		all += dirsize.Sum(layer)
	}
	return written, all
}
