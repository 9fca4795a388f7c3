package main

import (
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/engine/connection"
	"github.com/minirun/minirun/internal/engine/network"
)

// networkFlags returns the flags of `run IMAGE` for networks and ports, as in Docker.
func networkFlags() []cli.Flag {
	text := func(usage string, names ...string) cli.Flag {
		return cmdline.TextFlag(cli.StringFlag{Name: names[0], Aliases: names[1:], Usage: usage})
	}
	list := func(usage string, names ...string) cli.Flag {
		return cmdline.ListFlag(cli.StringSliceFlag{Name: names[0], Aliases: names[1:], Usage: usage})
	}
	return []cli.Flag{
		list("image: `NETWORK` to join, bridge, none, host, or container:NAME", "network", "net"),
		list("image: other `NAME` for its peers on the network", "network-alias", "net-alias"),
		text("image: its IPv4 `ADDRESS` on the network", "ip"),
		text("image: its IPv6 `ADDRESS` on the network", "ip6"),
		text("image: hardware `ADDRESS` of its network device", "mac-address"),
		list("image: forward `[[IP:]HOST:]CONTAINER[/PROTOCOL]`", "publish", "p"),
		cmdline.ToggleFlag(cli.BoolFlag{Name: "publish-all", Aliases: []string{"P"},
			Usage: "image: forward a free port to each port that the image exposes"}),
		list("image: its program listens on `PORT[/PROTOCOL]`", "expose"),
		list("image: add `NAME:IP` to /etc/hosts; host-gateway is the host's IP", "add-host"),
		list("image: `ADDRESS` of a name server", "dns"),
		list("image: search names in `DOMAIN`", "dns-search"),
		list("image: `OPTION` of resolv.conf(5)", "dns-option", "dns-opt"),
	}
}

func connectionFlags(ctx *cli.Context) connection.Flags {
	values := func(name string) []string { return cmdline.ListValues(ctx, name) }
	return connection.Flags{
		Request: network.Request{Networks: values("network"), Aliases: values("network-alias"), IP: ctx.String("ip"),
			IP6: ctx.String("ip6"), MAC: ctx.String("mac-address")},
		DNS:     network.DNS{Servers: values("dns"), Search: values("dns-search"), Options: values("dns-option")},
		Publish: values("publish"), PublishAll: ctx.Bool("publish-all"), Expose: values("expose"),
		AddHosts: values("add-host"),
	}
}
