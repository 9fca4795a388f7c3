package main

import (
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/image"
)

// namesImage reports whether `run` names an image, and not a bundle.
func namesImage(ctx *cli.Context) bool {
	args := ctx.Args().Slice()
	if len(args) == 0 || ctx.String("bundle") != "" || isBundle(args[0]) {
		return false
	}
	if len(args) > 1 && isBundle(args[1]) {
		return false
	}
	if len(args) == 2 && strings.Contains(args[1], "/") && isDir(args[1]) {
		return false // a bundle without config.json
	}
	if len(args) == 1 && record.CheckID(args[0]) == nil && isBundle(".") {
		return false
	}
	if strings.HasPrefix(args[0], ".") || strings.HasPrefix(args[0], "/") || strings.HasSuffix(args[0], "/") ||
		len(args) == 1 && isDir(args[0]) {
		return false
	}
	_, err := image.ParseName(args[0])
	return err == nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
