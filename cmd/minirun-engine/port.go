package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/engine/ports"
	"github.com/minirun/minirun/internal/termtext"
)

// portCommand implements `port`, as in docker.
func portCommand() *cli.Command {
	return &cli.Command{
		Name: "port", Usage: "show where a container's ports are published", ArgsUsage: "ID [PORT[/PROTOCOL]]",
		Action: showPorts,
	}
}

func showPorts(ctx *cli.Context) error {
	e, err := newEngine(ctx)
	if err != nil {
		return err
	}
	l, err := e.Status(ctx.Args().First())
	if err != nil {
		return err
	}
	if l.Pid == 0 {
		return fmt.Errorf("container %s is not running, so its ports are not published\n"+
			"hint: start it with: minirun start %[1]s", l.Container)
	}
	if ctx.NArg() < 2 {
		for _, m := range l.Ports {
			termtext.Fprintf(ctx.App.Writer, "%s -> %s\n", m.ContainerText(), m.HostText())
		}
		return nil
	}
	wanted, err := ports.ParsePort(ctx.Args().Get(1))
	if err != nil {
		return fmt.Errorf("port %w", err)
	}
	found := false
	for _, m := range l.Ports {
		if m.ContainerText() == wanted[0].ContainerText() {
			termtext.Fprintln(ctx.App.Writer, m.HostText())
			found = true
		}
	}
	if !found {
		return fmt.Errorf("container %s does not publish port %s\nhint: minirun port %[1]s lists those it does",
			l.Container, wanted[0].ContainerText())
	}
	return nil
}
