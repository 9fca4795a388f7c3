package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/container/control"
	"github.com/minirun/minirun/internal/container/exec"
	"github.com/minirun/minirun/internal/engine/runflags"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/messages"
	"github.com/minirun/minirun/internal/namespaces"
)

func execCommand() *cli.Command {
	return &cli.Command{
		Name:      "exec",
		Usage:     "run another process in a container",
		ArgsUsage: "ID COMMAND [ARGUMENT…]  |  --process FILE ID",

		Flags: append([]cli.Flag{
			cmdline.ToggleFlag(cli.BoolFlag{Name: "tty", Aliases: []string{"t"}, Usage: "give the process a terminal"}),
			cmdline.TextFlag(cli.StringFlag{Name: "console-socket",
				Usage: "Unix `SOCKET` that receives the master of the terminal"}),
			cmdline.TextFlag(cli.StringFlag{Name: "pidfd-socket", Usage: "Unix `SOCKET` that receives a pidfd of the process"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "interactive", Aliases: []string{"i"},
				Usage: "ignored: standard input is always passed on", Hidden: true}),
			cmdline.TextFlag(cli.StringFlag{Name: "cwd", Aliases: []string{"workdir", "w"},
				Usage: "working directory `DIR` in the container"}),
			cmdline.ListFlag(cli.StringSliceFlag{Name: "env", Aliases: []string{"e"},
				Usage: "set `NAME[=VALUE]` in its environment"}),
			cmdline.TextFlag(cli.StringFlag{Name: "user", Aliases: []string{"u"},
				Usage: "run as `UID[:GID]`; in a container created from an image also names"}),
			cmdline.ListFlag(cli.StringSliceFlag{Name: "additional-gids", Aliases: []string{"g"},
				Usage: "add the group `GID`"}),
			cmdline.TextFlag(cli.StringFlag{Name: "process", Aliases: []string{"p"},
				Usage: "`FILE` with the process, as in config.json"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "detach", Aliases: []string{"d"}, Usage: "do not wait for it"}),
			cmdline.TextFlag(cli.StringFlag{Name: "pid-file", Usage: "write its process ID to `FILE`"}),
			cmdline.TextFlag(cli.StringFlag{Name: "process-label", Usage: "SELinux `LABEL`"}),
			cmdline.TextFlag(cli.StringFlag{Name: "apparmor", Usage: "AppArmor `PROFILE`"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "no-new-privs", Usage: "execve grants the process no privileges"}),
			cmdline.ListFlag(cli.StringSliceFlag{Name: "cap", Aliases: []string{"c"}, Usage: "add the capability `CAP_NAME`"}),
			cmdline.NumberFlag(cli.IntFlag{Name: "preserve-fds", Usage: "pass `N` descriptors in addition to 0 to 2"}),
			cmdline.ListFlag(cli.StringSliceFlag{Name: "cgroup",
				Usage: "join a cgroup below the container's, `[CONTROLLER:]PATH`"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "ignore-paused",
				Usage: "also run in a paused container: the process starts when it is resumed"}),
		}, runflags.ExecFlags()...),
		Action: execute,
	}
}

// execFailed is the exit status if the process could not be run, as in runc.
const execFailed = 255

func execute(ctx *cli.Context) error {
	args := ctx.Args()
	env, err := runflags.ExecEnvironment(ctx)
	if err != nil {
		return messages.NewFailure(err, execFailed)
	}
	o := exec.Options{
		Root: ctx.String("root"), ID: args.First(), Args: args.Tail(), ProcessFile: ctx.String("process"),
		Terminal: ctx.Bool("tty"), Cwd: ctx.String("cwd"), Env: env, User: ctx.String("user"),
		Gids: cmdline.ListValues(ctx, "additional-gids"),
		Caps: runflags.ExecCapabilities(ctx), Label: ctx.String("process-label"), AppArmor: ctx.String("apparmor"),
		Cgroups: cmdline.ListValues(ctx, "cgroup"), Detach: ctx.Bool("detach"), IgnorePaused: ctx.Bool("ignore-paused"),
		PidFile: ctx.String("pid-file"), ConsoleSocket: ctx.String("console-socket"),
		PidFDSocket: ctx.String("pidfd-socket"),
		PreserveFDs: ctx.Int("preserve-fds"), Inherited: inherited, Warn: messages.Warn,
	}
	if ctx.IsSet("no-new-privs") {
		given := ctx.Bool("no-new-privs")
		o.NoNewPrivileges = &given
	}
	if err := userByName(ctx, &o); err != nil {
		return messages.NewFailure(err, execFailed)
	}
	status, err := exec.Run(o)
	if err != nil {
		return messages.NewFailure(err, execFailed)
	}
	if status != 0 {
		return messages.ExitStatus(status)
	}
	return nil
}

// userByName looks up a user and its groups as a container created from an image sees
// them. In other containers users have numbers, as in config.json.
func userByName(ctx *cli.Context, o *exec.Options) error {
	if o.User == "" {
		return nil
	}
	if _, err := newEngine(ctx).Record(o.ID); err != nil {
		return nil
	}
	state, err := control.State(o.Root, o.ID)
	if err != nil || state.Pid == 0 {
		return err // exec reports it
	}
	root, err := os.Open("/proc/" + strconv.Itoa(state.Pid) + "/root")
	if err != nil {
		return err
	}
	defer root.Close()
	who, err := image.LookUpIn(root, o.User)
	if err != nil {
		return err
	}
	if namespaces.Unprivileged() {
		uids, gids, err := namespaces.MapsOf(state.Pid)
		if err == nil {
			err = namespaces.Adapt(&who, uids, gids)
		}
		if err != nil {
			return err
		}
	}
	o.User, o.OwnGids = fmt.Sprintf("%d:%d", who.UID, who.GID), true
	for _, g := range who.AdditionalGids {
		o.Gids = append(o.Gids, strconv.FormatUint(uint64(g), 10))
	}
	return nil
}
