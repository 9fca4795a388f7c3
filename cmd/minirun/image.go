package main

import (
	"os"
	"path/filepath"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/helper"
	"github.com/minirun/minirun/internal/image"
)

// imageVerbs are implemented by minirun-image, which links libraries that a runtime
// must not: a registry client, decompressors, a builder.
var imageVerbs = []struct{ name, usage string }{
	{"build", "build an image from a Dockerfile"},
	{"pull", "pull an image from a registry"},
	{"push", "push an image to a registry"},
	{"load", "load images from an archive or a directory"},
	{"save", "write images to an archive or a directory"},
	{"import", "create an image from a root file system in a tar archive"},
	{"imagetools", "combine images for several platforms in a registry, or inspect them"},
	{"images", "list images"},
	{"tag", "give an image another name"},
	{"rmi", "remove images, or one of their names"},
	{"history", "show the instructions that created an image"},
	{"unpack", "unpack an image's layers in the store, or its root file system into a directory"},
	{"bundle", "write an OCI bundle from an image, for minirun, runc or crun"},
	{"prune", "remove images without a name, and unused data"},
	{"store", "manage the image store"},
	{"login", "log in to a registry"},
	{"export", "write the file system of a container to a tar archive"},
	{"logout", "remove the credentials for a registry"},
}

func imageCommand(name, usage string) func() *cli.Command {
	return helperCommand(name, usage, func(ctx *cli.Context) error {
		if name == "build" && ctx.Args().First() == "bake" { // a directory of this name is ./bake
			at, _ := cmdline.Find(os.Args, ctx.App)
			return becomeBake(os.Args[1:at-1], os.Args[at+1:])
		}
		return becomeImage(os.Args[1:])
	})
}

// engineVerbs are implemented by minirun-engine.
var engineVerbs = []struct{ name, usage string }{
	{"logs", "show the output of a detached container created from an image"},
	{"stop", "ask containers created from images to exit, and kill them if they do not"},
	{"rm", "remove containers created from images, with their files"},
	{"restart", "stop containers created from images, and start them again"},
	{"rename", "give a stopped container created from an image another name"},
	{"wait", "wait until containers created from images end, and print their exit statuses"},
	{"version", "show the version of minirun, of the specification and of Go"},
	{"info", "show versions, directories, this machine, and how many containers and images there are"},
	{"system", "show disk usage, or remove what is not used"},
	{"volume", "manage volumes"},
	{"completion", "print the script for the completion of words in bash, zsh or fish"},
	{"network", "manage networks that containers join"},
	{"port", "show where a container's ports are published"},
	{"cp", "copy files between a container created from an image and the host"},
	{"diff", "list the files that a container created from an image has changed"},
	{"top", "show the processes of a container created from an image"},
	{"stats", "show how much containers created from images use, live"},
	{"commit", "create an image from what a container has written"},
	{"attach", "connect this terminal with a container that runs in the background"},
}

// labVerb is implemented by minirun-lab.
const labVerb, labUsage = "lab", "learn containers in labs that the kernel checks"

// helperCommand returns a command that a helper implements. The helper parses its flags.
func helperCommand(name, usage string, become cli.ActionFunc) func() *cli.Command {
	return func() *cli.Command {
		return &cli.Command{Name: name, Usage: usage, SkipFlagParsing: true, Action: become}
	}
}

// imageStore returns the store of --store. The default is determined only here: most
// calls of minirun do not involve images.
func imageStore(ctx *cli.Context) *image.Store {
	dir := ctx.String("store")
	if dir == "" {
		dir = image.DefaultDir()
	}
	if abs, err := filepath.Abs(dir); err == nil { // paths in config.json are otherwise relative to the bundle
		dir = abs
	}
	return &image.Store{Dir: dir}
}

// imageProgram returns the path of minirun-image.
func imageProgram() (string, error) { return helper.Find("images need", helper.Image) }

// become executes a helper with these arguments.
func become(need, name string, args []string) error {
	path, err := helper.Find(need, name)
	if err != nil {
		return err
	}
	return helper.Execute(path, args)
}

// becomeImage executes minirun-image with these arguments.
func becomeImage(args []string) error { return become("images need", helper.Image, args) }

// becomeEngine executes minirun-engine with the arguments of this program.
func becomeEngine(*cli.Context) error {
	return become("containers created from images need", helper.Engine, os.Args[1:])
}

// becomeLab executes minirun-lab with the arguments of this program.
func becomeLab(*cli.Context) error { return become("labs need", helper.Lab, os.Args[1:]) }

// becomeBake executes minirun-bake, which starts minirun build with the same flags of
// minirun for each target of its files.
func becomeBake(global, args []string) error {
	return become("build bake needs", helper.Bake, slices.Concat(global, []string{"--"}, args))
}
