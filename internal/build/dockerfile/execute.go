package dockerfile

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/image/imageconfig"
)

// heredocDir is the directory where a RUN finds its here-documents that are programs.
const heredocDir = "/dev/pipes/"

// hostnameArgument is the build argument that sets the host name of every RUN.
const hostnameArgument = "BUILDKIT_SANDBOX_HOSTNAME"

// convertRun creates the node of a RUN.
func (b *graphBuilder) convertRun(s *stageBuilder, n *graph.Node, c *instructions.RunCommand) error {
	config := s.last().Config.Config
	op := &graph.Run{
		Cwd:      path.Join("/", config.WorkingDir),
		User:     config.User,
		Network:  string(instructions.GetNetwork(c)),
		Hosts:    b.options.Hosts,
		Limits:   b.options.Limits,
		Hostname: b.options.BuildArgs[hostnameArgument],
	}
	if op.Network == "" || op.Network == instructions.NetworkDefault {
		op.Network = cmp.Or(b.options.Network, "default")
	}
	if op.Network == instructions.NetworkHost && !b.options.Allowed("network.host") {
		return errors.New("RUN --network=host is not allowed\nhint: build with --allow network.host")
	}
	if instructions.GetSecurity(c) == instructions.SecurityInsecure {
		if op.Insecure = true; !b.options.Allowed("security.insecure") {
			return errors.New("RUN --security=insecure is not allowed\nhint: build with --allow security.insecure")
		}
	}
	flags, err := b.resolveDevices(s, op, c)
	if err != nil {
		return err
	}
	op.Argv, op.Files = commandLine(c, defaultShell(config.Shell, s.stage.Platform))
	shown := b.setEnvironment(s, op)
	for i, m := range instructions.GetMounts(c) {
		mount, err := b.convertMount(s, n, m, i)
		if err != nil {
			return fmt.Errorf("RUN --mount=type=%s: %w", m.Type, err)
		}
		b.recordMount(s, n, mount)
		if mount.Target != "" { // the last mount on a target wins
			op.Mounts = slices.DeleteFunc(op.Mounts, func(o graph.Mount) bool { return o.Target == mount.Target })
		}
		op.Mounts = append(op.Mounts, *mount)
		flags = append(flags, formatMount(mount, m))
	}
	n.Op = op
	command := strings.Join(op.Argv, " ")
	words := append(flags, b.displayCommand(s, op, strings.Join(c.CmdLine, " ")))
	n.Text = "RUN " + strings.Join(words, " ") + previewHeredoc(c.Files)
	created := command
	if len(shown) > 0 {
		created = fmt.Sprintf("|%d %s %s", len(shown), strings.Join(shown, " "), command)
	}
	n.History = oci.History{CreatedBy: "RUN " + created + " # buildkit"}
	return b.addNode(s, n)
}

// displayCommand formats a command for the progress: with the values of variables, as in
// BuildKit, and asterisks for those of secrets.
func (b *graphBuilder) displayCommand(s *stageBuilder, op *graph.Run, command string) string {
	lex := shell.NewLex(b.file.escape)
	lex.RawQuotes, lex.RawEscapes, lex.SkipUnsetEnv = true, true, true
	env := slices.Clone(op.Env)
	for _, m := range op.Mounts {
		if m.Env != "" {
			env = append([]string{m.Env + "=****"}, env...)
		}
	}
	out, _, err := lex.ProcessWord(command, &scope{env: env})
	if err != nil || b.size.add(len(out)) != nil {
		return command
	}
	return out
}

// resolveDevices looks up the devices of a RUN, and returns its flags.
func (b *graphBuilder) resolveDevices(
	s *stageBuilder, op *graph.Run, c *instructions.RunCommand,
) (flags []string, err error) {
	for _, device := range instructions.GetDevices(c) {
		out := graph.Device{Name: device.Name}
		if b.options.Device != nil {
			if out.Found, err = b.options.Device(device.Name, device.Required); err != nil {
				return nil, fmt.Errorf("RUN --device=%s: %w", device.Name, err)
			}
		}
		op.Devices = append(op.Devices, out)
		flags = append(flags, "--device="+device.Name)
	}
	return flags, nil
}

// previewHeredoc shows the beginning of a RUN's first here-document.
func previewHeredoc(files []instructions.ShellInlineFile) string {
	if len(files) == 0 {
		return ""
	}
	first, more, _ := strings.Cut(strings.TrimSpace(files[0].Data), "\n")
	if more != "" {
		first += "..."
	}
	return " (" + strings.TrimRight(first, "\r") + ")"
}

// setEnvironment sets the image's environment with the stage's arguments and proxies. It returns
// the arguments as shown in the history.
func (b *graphBuilder) setEnvironment(s *stageBuilder, op *graph.Run) (shown []string) {
	op.Env = slices.Clone(s.last().Config.Config.Env)
	set := func(name, value string) {
		op.Env = slices.DeleteFunc(op.Env, func(e string) bool { return strings.HasPrefix(e, name+"=") })
		op.Env = append(op.Env, name+"="+value)
	}
	for _, v := range s.vars.args {
		value, _ := s.vars.Get(v.name)
		if own, ok := s.vars.visibleArg(v.name); ok {
			set(v.name, own)
		}
		shown = append(shown, v.name+"="+value)
	}
	for _, p := range proxies { // programs read one or the other
		lower := strings.ToLower(p)
		for _, name := range []string{p, lower} {
			value, ok := b.options.BuildArgs[name]
			if other := map[string]string{p: lower, lower: p}[name]; !ok {
				value, ok = b.options.BuildArgs[other]
			}
			if ok && value != "" {
				set(name, value)
			}
		}
	}
	return shown
}

// commandLine returns the command to execute (Dockerfile reference, "Here-Documents"). A single
// here-document is the script, with its own interpreter if it begins with #!; in other
// commands the shell reads the here-documents itself.
func commandLine(c *instructions.RunCommand, shell []string) (argv []string, files []graph.File) {
	if len(c.Files) == 0 || !c.PrependShell {
		return imageconfig.CommandLine(c.ShellDependantCmdLine, shell), nil
	}
	first := c.Files[0]
	line := strings.Join(c.CmdLine, " ")
	if here, err := parser.ParseHeredoc(line); err == nil && here != nil && len(c.Files) == 1 {
		script := first.Data
		if first.Chomp {
			script = parser.ChompHeredocContent(script)
		}
		if strings.HasPrefix(script, "#!") {
			return append(imageconfig.Shell(shell), heredocDir+first.Name), []graph.File{{Name: first.Name, Content: script}}
		}
		return append(imageconfig.Shell(shell), script), nil
	}
	for _, f := range c.Files {
		line += "\n" + f.Data + f.Name
	}
	return append(imageconfig.Shell(shell), line), nil
}

var errTargetMissing = errors.New("target= is missing")

// convertMount converts a RUN --mount.
func (b *graphBuilder) convertMount(
	s *stageBuilder, n *graph.Node, m *instructions.Mount, index int,
) (*graph.Mount, error) {
	out := &graph.Mount{
		Type: string(m.Type), Source: strings.TrimPrefix(path.Clean("/"+m.Source), "/"), ReadOnly: m.ReadOnly,
		Size: m.SizeLimit, ID: m.CacheID, Sharing: string(m.CacheSharing), Required: m.Required,
	}
	out.Source = cmp.Or(out.Source, ".")
	if m.Target != "" {
		if out.Target = s.absolutePath(m.Target); out.Target == "/" {
			return nil, fmt.Errorf("target=%s is the container's root, where a mount would hide the image", m.Target)
		}
	}
	switch m.Type {
	case instructions.MountTypeBind, instructions.MountTypeCache:
		if out.Target == "" {
			return nil, errTargetMissing
		}
		out.ID = cmp.Or(m.CacheID, out.Target)
		if err := b.setMountSource(s, n, out, m); err != nil {
			return nil, err
		}
	case instructions.MountTypeTmpfs:
		if out.Target == "" {
			return nil, errTargetMissing
		}
	case instructions.MountTypeSecret:
		setSecretTarget(out, m)
	case instructions.MountTypeSSH:
		out.ID = cmp.Or(m.CacheID, "default")
		out.Target = cmp.Or(out.Target, "/run/buildkit/ssh_agent."+strconv.Itoa(index))
		out.Mode = 0o600
	}
	if m.Type == instructions.MountTypeCache {
		out.Mode, out.Sharing = 0o755, cmp.Or(out.Sharing, "shared")
		out.Described = m.UID != nil || m.GID != nil || m.Mode != nil
	}
	for _, set := range []struct {
		to   *int
		from *uint64
	}{{&out.UID, m.UID}, {&out.GID, m.GID}} {
		if set.from == nil {
			continue
		}
		if *set.from >= math.MaxUint32 { // "no change" to chown(2)
			return nil, fmt.Errorf("user or group ID %d must be from 0 to %d", *set.from, uint32(math.MaxUint32-1))
		}
		*set.to = int(*set.from)
	}
	if m.Mode != nil {
		if *m.Mode > 0o7777 {
			return nil, fmt.Errorf("mode=%o must be at most 7777", *m.Mode)
		}
		out.Mode = uint32(*m.Mode)
	}
	return out, nil
}

// setMountSource determines the file system of a mount. The context is copied as a COPY would copy
// it: files that .dockerignore excludes are not there, and the container cannot write to the
// user's files.
func (b *graphBuilder) setMountSource(s *stageBuilder, n *graph.Node, out *graph.Mount, m *instructions.Mount) error {
	context := graph.MainContext
	if m.From != "" {
		var err error
		if m.From == scratch {
			return nil
		}
		if out.From, context, err = b.resolveFrom(s, m.From); err != nil || out.From != nil {
			return err
		}
	} else if m.Type == instructions.MountTypeCache {
		return nil // starts empty
	}
	out.From = &graph.Node{
		ID: b.nextID(), Instruction: "COPY", Text: "load " + context + " " + out.Source, First: n.First, Last: n.Last,
		Op: &graph.Copy{
			Sources: []graph.Source{{Context: context, Path: graph.Literal(out.Source)}},
			Dest:    "/",
			Parents: true,
			Resolve: true,
			Link:    true,
		},
		Config: emptyConfig(b.options.Build),
	}
	return nil
}

// setSecretTarget determines where a secret is visible: in a file, a variable, or both.
func setSecretTarget(out *graph.Mount, m *instructions.Mount) {
	out.ID = cmp.Or(m.CacheID, path.Base(m.Target))
	out.Mode = 0o400
	if m.Env != nil {
		out.Env = cmp.Or(*m.Env, out.ID)
		return
	}
	out.Target = cmp.Or(out.Target, "/run/secrets/"+path.Base(out.ID))
}

func formatMount(m *graph.Mount, source *instructions.Mount) string {
	text := "--mount=type=" + m.Type
	if source.From != "" {
		text += ",from=" + source.From
	}
	if m.Source != "." {
		text += ",source=" + m.Source
	}
	if m.Target != "" {
		text += ",target=" + m.Target
	}
	if (m.Type == "secret" || m.Type == "ssh" || m.Type == "cache") && m.ID != m.Target {
		text += ",id=" + m.ID
	}
	return text
}
