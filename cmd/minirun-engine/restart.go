package main

import (
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/engine"
)

func restartCommand() *cli.Command {
	return &cli.Command{
		Name: "restart", Usage: "stop containers created from images, and start them again", ArgsUsage: "NAME…",
		Description: "Containers that are not running are started. What a container has written stays.",
		Flags:       stopFlags(),
		Action:      stopAction((*engine.Engine).Restart),
	}
}
