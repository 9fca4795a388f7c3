package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/engine/attach"
	"github.com/minirun/minirun/internal/engine/network"
	"github.com/minirun/minirun/internal/engine/network/listing"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/termtext"
)

// networkCommand implements `network`, as in docker.
func networkCommand() *cli.Command {
	return &cli.Command{
		Name: "network", Usage: "manage networks that containers join", ArgsUsage: "COMMAND",
		Action: cmdline.Subcommand,
		Subcommands: []*cli.Command{
			{Name: "create", Usage: "create a network", ArgsUsage: "NETWORK", Flags: networkCreateFlags(),
				Action: counted(1, 1, createNetwork)},
			{Name: "ls", Aliases: []string{"list"}, Usage: "list networks", Flags: networkListFlags(),
				Action: counted(0, 0, listNetworks)},
			{Name: "inspect", Usage: "show networks and the containers on them", ArgsUsage: "NETWORK…",
				Flags: []cli.Flag{cmdline.TextFlag(cli.StringFlag{Name: "format", Aliases: []string{"f"},
					Usage: "json, or a Go `TEMPLATE`"})},
				Action: counted(1, cmdline.Unlimited, inspectNetworks)},
			{Name: "rm", Aliases: []string{"remove"}, Usage: "remove networks that no container is connected to",
				ArgsUsage: "NETWORK…", Flags: []cli.Flag{cmdline.ToggleFlag(cli.BoolFlag{Name: "force", Aliases: []string{"f"},
					Usage: "a network that does not exist is not an error"})},
				Action: counted(1, cmdline.Unlimited, removeNetworks)},
			{Name: "prune", Usage: "remove all networks that no container is connected to", Flags: networkPruneFlags(),
				Action: counted(0, 0, pruneNetworks)},
			{Name: "connect", Usage: "connect a container to a network", ArgsUsage: "NETWORK CONTAINER",
				Flags: networkConnectFlags(), Action: counted(2, 2, connectContainer)},
			{Name: "disconnect", Usage: "disconnect a container from a network", ArgsUsage: "NETWORK CONTAINER",
				Flags: []cli.Flag{cmdline.ToggleFlag(cli.BoolFlag{Name: "force", Aliases: []string{"f"},
					Usage: "accepted for docker's sake"})},
				Action: counted(2, 2, disconnectContainer)},
		},
	}
}

// counted checks the number of arguments of a subcommand.
func counted(least, most int, action cli.ActionFunc) cli.ActionFunc {
	return func(ctx *cli.Context) error {
		if err := cmdline.CheckCount(ctx, least, most); err != nil {
			return err
		}
		return action(ctx)
	}
}

func networks(ctx *cli.Context) network.Store { return network.Store{Dir: ctx.String("store")} }

func networkCreateFlags() []cli.Flag {
	return []cli.Flag{
		cmdline.TextFlag(cli.StringFlag{Name: "driver", Aliases: []string{"d"}, Value: network.Bridge,
			Usage: "only `bridge`"}),
		cmdline.ListFlag(cli.StringSliceFlag{Name: "subnet", Usage: "`SUBNET` of its addresses, such as 10.5.0.0/24"}),
		cmdline.ListFlag(cli.StringSliceFlag{Name: "gateway", Usage: "`ADDRESS` of the host in the subnet"}),
		cmdline.ListFlag(cli.StringSliceFlag{Name: "ip-range", Usage: "`SUBNET` of the containers in the subnet"}),
		cmdline.ToggleFlag(cli.BoolFlag{Name: "internal", Usage: "its containers reach only each other"}),
		cmdline.ToggleFlag(cli.BoolFlag{Name: "ipv6", Usage: "also give containers IPv6 addresses"}),
		cmdline.ListFlag(cli.StringSliceFlag{Name: "label", Usage: "add the label `NAME=VALUE`"}),
		cmdline.ListFlag(cli.StringSliceFlag{Name: "opt", Aliases: []string{"o"},
			Usage: "set `OPTION=VALUE` of docker's bridge driver: name, MTU, masquerading, address of ports"}),
	}
}

func createNetwork(ctx *cli.Context) error {
	n := &network.Network{Name: ctx.Args().First(), Driver: ctx.String("driver"), Internal: ctx.Bool("internal"),
		Labels: map[string]string{}}
	if err := network.CheckName(n.Name); err != nil {
		return err
	}
	if n.Driver != network.Bridge {
		return fmt.Errorf("--driver %q: must be bridge", n.Driver)
	}
	var err error
	n.Subnets, err = network.ParseSubnets(cmdline.ListValues(ctx, "subnet"), cmdline.ListValues(ctx, "gateway"),
		cmdline.ListValues(ctx, "ip-range"))
	if err != nil {
		return err
	}
	for _, l := range cmdline.ListValues(ctx, "label") {
		name, value, _ := strings.Cut(l, "=")
		n.Labels[name] = value
	}
	for _, o := range cmdline.ListValues(ctx, "opt") {
		name, value, _ := strings.Cut(o, "=")
		if err := n.SetOption(name, value); err != nil {
			return err
		}
	}
	if err := network.CheckBridge(namespaces.Unprivileged()); err != nil {
		return fmt.Errorf("cannot create network %s: %w", n.Name, err)
	}
	if err := networks(ctx).Create(n, ctx.Bool("ipv6")); err != nil {
		return err
	}
	termtext.Fprintln(ctx.App.Writer, n.ID)
	return nil
}

func networkListFlags() []cli.Flag {
	return []cli.Flag{
		cmdline.TextFlag(cli.StringFlag{Name: "format", Value: "table", Usage: "table, json, or a Go `TEMPLATE`"}),
		cmdline.ListFlag(cli.StringSliceFlag{Name: "filter", Aliases: []string{"f"},
			Usage: "only networks with `KEY=VALUE`: name, id, driver, label, type, dangling, until"}),
		cmdline.ToggleFlag(cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "show only IDs"}),
		cmdline.ToggleFlag(cli.BoolFlag{Name: "no-trunc", Usage: "do not shorten values: they never are"}),
	}
}

// selectNetworks returns the networks that match --filter.
func selectNetworks(ctx *cli.Context) (out []*network.Network, err error) {
	all, err := networks(ctx).All()
	if err != nil {
		return nil, err
	}
	filter, err := listing.ParseFilter(cmdline.ListValues(ctx, "filter"), func(n *network.Network) bool {
		users, err := networks(ctx).Users(n.Name)
		return err != nil || len(users) > 0
	})
	if err != nil {
		return nil, err
	}
	for _, n := range all {
		if filter(n) {
			out = append(out, n)
		}
	}
	return out, nil
}

func listNetworks(ctx *cli.Context) error {
	selected, err := selectNetworks(ctx)
	if err != nil {
		return err
	}
	if ctx.Bool("quiet") {
		return listing.Write(ctx.App.Writer, selected, "{{.ID}}")
	}
	return listing.Write(ctx.App.Writer, selected, ctx.String("format"))
}

func inspectNetworks(ctx *cli.Context) error {
	all := []listing.Inspected{}
	var missing error
	for _, name := range ctx.Args().Slice() {
		n, err := networks(ctx).Open(name)
		if err != nil {
			missing = errors.Join(missing, err)
			continue
		}
		members, err := networks(ctx).Members(n.Name)
		if err != nil {
			return err
		}
		all = append(all, listing.Describe(n, members))
	}
	if len(all) == 0 {
		return missing
	}
	return errors.Join(listing.WriteInspected(ctx.App.Writer, all, ctx.String("format")), missing)
}

func removeNetworks(ctx *cli.Context) error {
	var all error
	for _, name := range ctx.Args().Slice() {
		err := networks(ctx).Remove(name, attach.Cleanup)
		if errors.Is(err, network.ErrNotFound) && ctx.Bool("force") {
			continue
		}
		if err == nil {
			termtext.Fprintln(ctx.App.Writer, name)
		}
		all = errors.Join(all, err)
	}
	return all
}

func networkPruneFlags() []cli.Flag {
	return []cli.Flag{
		cmdline.ToggleFlag(cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Usage: "do not ask for confirmation"}),
		cmdline.ListFlag(cli.StringSliceFlag{Name: "filter", Usage: "only networks with `KEY=VALUE`, as for ls"}),
	}
}

func pruneNetworks(ctx *cli.Context) error {
	selected, err := selectNetworks(ctx)
	if err != nil {
		return err
	}
	yes, err := confirm(ctx, "network prune", "This removes all networks that no container is connected to.")
	if err != nil || !yes {
		return err
	}
	var all error
	for _, n := range selected {
		users, err := networks(ctx).Users(n.Name)
		if err == nil && (network.IsPredefined(n.Name) || len(users) > 0) {
			continue
		}
		if err == nil {
			err = networks(ctx).Remove(n.Name, attach.Cleanup)
		}
		if err == nil {
			termtext.Fprintln(ctx.App.Writer, n.Name)
		}
		all = errors.Join(all, err)
	}
	return all
}

// networkHookCommand is executed by hooks of the runtime, which write the container's state to
// standard input (runtime.md, "Hooks").
func networkHookCommand() *cli.Command {
	return &cli.Command{Name: "network-hook", Hidden: true, ArgsUsage: "add|del", Action: runNetworkHook}
}

func runNetworkHook(ctx *cli.Context) error {
	var state specs.State
	if err := json.NewDecoder(io.LimitReader(os.Stdin, 1<<20)).Decode(&state); err != nil {
		return fmt.Errorf("network-hook: cannot decode the container's state: %w", err)
	}
	e, err := newEngine(ctx)
	if err != nil {
		return err
	}
	c := attach.Container{Store: networks(ctx), ID: filepath.Base(state.Bundle), PID: state.Pid}
	r, err := e.Record(c.ID)
	if err == nil {
		c.Ports = r.Ports
	}
	switch verb := ctx.Args().First(); verb {
	case "add":
		if err != nil {
			return err
		}
		err := c.ConnectAll(context.Background())
		if err != nil {
			err = errors.Join(err, os.WriteFile(c.Store.FailureFile(c.ID), []byte(err.Error()), 0o600))
		}
		return err
	case "del":
		return c.DisconnectAll(context.Background())
	default:
		return fmt.Errorf("network-hook %q: must be add or del", verb)
	}
}
