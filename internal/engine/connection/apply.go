package connection

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/engine/network"
	"github.com/minirun/minirun/internal/helper"
)

// A Directory has the files of a container.
type Directory struct {
	Networks network.Store
	Name     string
	File     func(container, name string) string // the path of a file
	Warn     func(any)
}

// Apply changes config.json for the network, and creates the files in /etc that depend on it.
func (p *Plan) Apply(c *specs.Spec, d *Directory) error {
	if p.target != "" {
		for i := range c.Linux.Namespaces {
			if n := &c.Linux.Namespaces[i]; n.Type == specs.NetworkNamespace {
				n.Path = d.File(d.Name, LinkName)
			}
		}
		for name := range c.Linux.Sysctl { // they belong to the other container
			if strings.HasPrefix(name, "net.") {
				delete(c.Linux.Sysctl, name)
			}
		}
		return d.shareHostFiles(c, p.target)
	}
	if err := p.createHostFiles(c, d); err != nil {
		return err
	}
	if p.Mode != network.Bridge {
		return nil
	}
	if err := d.Networks.WriteEndpoints(d.Name, p.endpoints); err != nil {
		return err
	}
	return addHooks(c, d.Networks.Dir)
}

// addHooks registers minirun-engine as a hook that connects the network namespace when it
// exists, and disconnects it when the container is deleted.
func addHooks(c *specs.Spec, store string) error {
	program, err := helper.Find("a bridge needs", helper.Engine)
	if err != nil {
		return err
	}
	timeout := 60
	hook := func(verb string) specs.Hook {
		return specs.Hook{Path: program, Args: []string{"minirun", "--store", store, "network-hook", verb},
			Env: []string{"PATH=" + network.HookPath}, Timeout: &timeout}
	}
	if c.Hooks == nil {
		c.Hooks = &specs.Hooks{}
	}
	c.Hooks.CreateRuntime = append(c.Hooks.CreateRuntime, hook("add"))
	c.Hooks.Poststop = append(c.Hooks.Poststop, hook("del"))
	return nil
}

// createHostFiles creates the files that every container gets from its host.
func (p *Plan) createHostFiles(c *specs.Spec, d *Directory) error {
	dns := p.flags.DNS
	names := []string{"hostname", "hosts"}
	files := map[string]string{"hostname": c.Hostname + "\n",
		"hosts": network.HostsText(c.Hostname, p.Mode, p.hosts, p.gateway)}
	if p.Mode != network.None || dns.IsSet() {
		text, isPublic := dns.ReadResolvConf(p.Mode)
		if isPublic {
			d.Warn("a container on a bridge cannot reach the name servers of this host, so it uses 8.8.8.8 and 8.8.4.4\n" +
				"hint: choose others with --dns")
		}
		names, files["resolv.conf"] = append(names, "resolv.conf"), text
	}
	for _, name := range names {
		if err := os.WriteFile(d.File(d.Name, name), []byte(files[name]), 0o644); err != nil {
			return err
		}
		mountHostFile(c, name, d.File(d.Name, name))
	}
	return nil
}

// mountHostFile mounts a file in /etc, unless the user mounts another one there.
func mountHostFile(c *specs.Spec, name, source string) {
	m := specs.Mount{Destination: "/etc/" + name, Type: "bind", Source: source, Options: []string{"rbind", "rprivate"}}
	if !slices.ContainsFunc(c.Mounts, func(o specs.Mount) bool { return o.Destination == m.Destination }) {
		c.Mounts = append(c.Mounts, m)
	}
}

// shareHostFiles gives a container the files of the one whose network it shares.
func (d *Directory) shareHostFiles(c *specs.Spec, target string) error {
	for _, name := range []string{"hostname", "hosts", "resolv.conf"} {
		source := d.File(target, name)
		text, err := os.ReadFile(source)
		if errors.Is(err, fs.ErrNotExist) { // resolv.conf without a network
			continue
		}
		if err != nil {
			return err
		}
		if name == "hostname" {
			c.Hostname = strings.TrimSpace(string(text))
		}
		mountHostFile(c, name, source)
	}
	return nil
}
