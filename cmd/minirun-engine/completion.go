package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/completion"
	"github.com/minirun/minirun/internal/container"
	"github.com/minirun/minirun/internal/container/control"
	"github.com/minirun/minirun/internal/engine"
	"github.com/minirun/minirun/internal/helper"
	"github.com/minirun/minirun/internal/image"
)

func completionCommand() *cli.Command {
	return &cli.Command{
		Name: "completion", Usage: "print the script for the completion of words in bash, zsh or fish",
		ArgsUsage: "bash|zsh|fish",
		Action: func(ctx *cli.Context) error {
			shell := ctx.Args().First()
			script, ok := completion.Script(shell)
			if !ok {
				return fmt.Errorf("completion: %q is not a supported shell\nhint: minirun completion bash, or zsh, or fish", shell)
			}
			_, err := ctx.App.Writer.Write(script)
			return err
		},
	}
}

// complete writes the words that can be the last one of an incomplete command line. It never writes
// an error: the shell would show it in the middle of that line.
func complete(words []string) {
	program, err := helper.Runtime()
	if err != nil {
		return
	}
	c := completer{state: container.DefaultRoot(), store: image.DefaultDir()}
	c.readGlobalFlags(words)
	f := completion.Finder{
		Describe: func(words []string) (string, error) {
			out, err := exec.Command(program, append([]string{cmdline.DescribeCommand}, words...)...).Output()
			return string(out), err
		},
		List: c.list, Bake: bakeWords,
	}
	var out bytes.Buffer
	if err := f.Write(&out, words); err == nil {
		_, _ = os.Stdout.Write(out.Bytes())
	}
}

// bakeWords returns the flags and targets of build bake.
func bakeWords(words []string) (out []completion.Word) {
	path, err := helper.Find("completion needs", helper.Bake)
	if err != nil {
		return nil
	}
	args := words[:len(words)-1]
	if last := words[len(words)-1]; strings.HasPrefix(last, "-") {
		args = words
	}
	cmd := exec.Command(path, slices.Concat([]string{"--"}, args, []string{"--generate-bash-completion"})...)
	cmd.Env = append(os.Environ(), "MINIRUN_COMPLETE=1")
	text, err := cmd.Output()
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		out = append(out, completion.Word{Text: strings.TrimSpace(line)})
	}
	return out
}

// A completer lists what exists.
type completer struct{ state, store string }

// readGlobalFlags reads --root and --store before the command.
func (c *completer) readGlobalFlags(words []string) {
	for i, word := range words {
		name, value, given := strings.Cut(strings.TrimLeft(word, "-"), "=")
		if !strings.HasPrefix(word, "-") {
			continue
		}
		if !given && i+1 < len(words)-1 {
			value = words[i+1]
		}
		switch {
		case value == "":
		case name == "root":
			c.state = value
		case name == "store":
			c.store = value
		}
	}
}

func (c *completer) list(k completion.Kind) []completion.Word {
	switch k {
	case completion.Containers, completion.Running, completion.Stopped:
		return c.containers(k)
	case completion.Images:
		return c.images()
	case completion.Volumes:
		return namesIn(filepath.Join(c.store, "volumes"))
	case completion.Networks:
		return append(namesIn(filepath.Join(c.store, "networks")),
			completion.Word{Text: "none", Usage: "no connection"}, completion.Word{Text: "host", Usage: "the host's"},
			completion.Word{Text: "bridge", Usage: "the default"})
	case completion.Signals:
		return signals()
	case completion.Capabilities:
		return capabilities()
	}
	return nil
}

// containers lists those that were created from images and those of the runtime alone.
func (c *completer) containers(k completion.Kind) (out []completion.Word) {
	e := engine.Engine{Store: &image.Store{Dir: c.store}, Root: c.state, Warn: func(any) {}}
	matches := func(running bool) bool {
		return k == completion.Containers || running == (k == completion.Running)
	}
	list, err := e.List(true)
	if err != nil {
		list = nil
	}
	for _, l := range list {
		if matches(l.Pid != 0) {
			out = append(out, completion.Word{Text: l.Container, Usage: image.Familiar(l.Name) + ", " + l.Status()})
		}
	}
	others, err := control.List(c.state, func(any) {})
	if err != nil {
		return out
	}
	for _, o := range others {
		known := slices.ContainsFunc(list, func(l engine.Listed) bool { return l.Container == o.ID })
		if !known && matches(o.Status == "running" || o.Status == "paused") {
			out = append(out, completion.Word{Text: o.ID, Usage: o.Status})
		}
	}
	return out
}

func (c *completer) images() (out []completion.Word) {
	list, err := (&image.Store{Dir: c.store}).NamedImages()
	if err != nil {
		return nil
	}
	for _, n := range list {
		if n.Name == "" {
			continue
		}
		id := strings.TrimPrefix(n.ID, "sha256:")
		out = append(out, completion.Word{Text: strings.TrimSuffix(image.Familiar(n.Name), ":latest"),
			Usage: "image " + id[:min(12, len(id))]})
	}
	return out
}

// namesIn lists the names in a directory, without the extension .json or .conflist.
func namesIn(dir string) (out []completion.Word) {
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, d := range list {
		if name := strings.TrimSuffix(strings.TrimSuffix(d.Name(), ".json"), ".conflist"); !strings.HasPrefix(name, ".") {
			out = append(out, completion.Word{Text: name})
		}
	}
	return out
}

func signals() (out []completion.Word) {
	for n := 1; n < 32; n++ {
		if name := unix.SignalName(unix.Signal(n)); name != "" {
			out = append(out, completion.Word{Text: strings.TrimPrefix(name, "SIG"), Usage: unix.Signal(n).String()})
		}
	}
	return out
}

// capabilities lists the names of capabilities(7), without CAP_.
func capabilities() (out []completion.Word) {
	for name := range strings.FieldsSeq("ALL AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE " +
		"CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN " +
		"MAC_OVERRIDE MKNOD NET_ADMIN NET_BIND_SERVICE NET_BROADCAST NET_RAW PERFMON SETFCAP SETGID SETPCAP SETUID " +
		"SYSLOG SYS_ADMIN SYS_BOOT SYS_CHROOT SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE " +
		"SYS_TIME SYS_TTY_CONFIG WAKE_ALARM") {
		out = append(out, completion.Word{Text: name})
	}
	return out
}
