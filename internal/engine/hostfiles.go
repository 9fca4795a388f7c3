package engine

import (
	"errors"
	"io/fs"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/engine/config"
)

// hostsText returns the content of /etc/hosts. In the host's network the container's
// name is the host's business.
func hostsText(hostname, network string) string {
	text := "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
	if network != "host" {
		text += "127.0.1.1\t" + hostname + "\n"
	}
	return text
}

// createHostFiles creates the files that every container gets from its host.
func (e *Engine) createHostFiles(c *specs.Spec, id, network string) error {
	files := map[string]string{"hostname": c.Hostname + "\n", "hosts": hostsText(c.Hostname, network)}
	if network != "none" {
		text, err := os.ReadFile("/etc/resolv.conf")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		files["resolv.conf"] = string(text)
	}
	for _, name := range []string{"hostname", "hosts", "resolv.conf"} {
		text, ok := files[name]
		if !ok {
			continue
		}
		path := e.file(id, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
		if config.MountAt(c, "/etc/"+name) != nil { // the user's file
			continue
		}
		c.Mounts = append(c.Mounts, specs.Mount{Destination: "/etc/" + name, Type: "bind", Source: path,
			Options: []string{"rbind", "rprivate"}})
	}
	return nil
}
