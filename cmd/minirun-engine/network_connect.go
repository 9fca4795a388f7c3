package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/engine/attach"
	"github.com/minirun/minirun/internal/engine/connection"
	"github.com/minirun/minirun/internal/engine/network"
)

func networkConnectFlags() []cli.Flag {
	return []cli.Flag{
		cmdline.ListFlag(cli.StringSliceFlag{Name: "alias", Usage: "other `NAME` for its peers on the network"}),
		cmdline.TextFlag(cli.StringFlag{Name: "ip", Usage: "its IPv4 `ADDRESS` on the network"}),
		cmdline.TextFlag(cli.StringFlag{Name: "ip6", Usage: "its IPv6 `ADDRESS` on the network"}),
	}
}

func connectContainer(ctx *cli.Context) error {
	n, c, err := networkAndContainer(ctx)
	if err != nil {
		return err
	}
	_, endpoints, err := network.Request{Networks: []string{n.Name}, Aliases: cmdline.ListValues(ctx, "alias"),
		IP: ctx.String("ip"), IP6: ctx.String("ip6")}.Parse()
	if err != nil {
		return err
	}
	if len(endpoints) == 0 {
		return fmt.Errorf("network connect: containers cannot be connected to %s while they run\n"+
			"hint: start a container with: minirun run --network %s IMAGE", n.Name, n.Name)
	}
	members, err := networks(ctx).Members(n.Name)
	if err != nil {
		return err
	}
	if err := endpoints[0].Check(n, members); err != nil {
		return err
	}
	return c.Connect(context.Background(), endpoints[0])
}

func disconnectContainer(ctx *cli.Context) error {
	n, c, err := networkAndContainer(ctx)
	if err != nil {
		return err
	}
	return c.Disconnect(context.Background(), n.Name)
}

// networkAndContainer returns what the arguments name. The container must be on a bridge.
func networkAndContainer(ctx *cli.Context) (*network.Network, *attach.Container, error) {
	n, err := networks(ctx).Open(ctx.Args().Get(0))
	if err != nil {
		return nil, nil, err
	}
	e, err := newEngine(ctx)
	if err != nil {
		return nil, nil, err
	}
	name, err := e.Resolve(ctx.Args().Get(1))
	if err != nil {
		return nil, nil, err
	}
	l, err := e.Status(name)
	if err != nil {
		return nil, nil, explainMissing(ctx, err)
	}
	if connection.IsFixed(l.Network) {
		return nil, nil, fmt.Errorf("container %s has --network %s, which cannot be changed\n"+
			"hint: create the container again with: minirun run --network %s", l.Container, l.Network, n.Name)
	}
	return n, &attach.Container{Store: networks(ctx), ID: l.Container, PID: l.Pid, Ports: l.Ports}, nil
}
