package runflags

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/container/control"
	"github.com/minirun/minirun/internal/engine"
	"github.com/minirun/minirun/internal/engine/config"
	"github.com/minirun/minirun/internal/engine/connection"
	"github.com/minirun/minirun/internal/engine/network"
	"github.com/minirun/minirun/internal/engine/volumes"
	"github.com/minirun/minirun/internal/image"
)

// A reader reads flags, and remembers the first error.
type reader struct {
	ctx *cli.Context
	err error
}

// Read returns the settings for a container created from an image. args are the arguments after the
// image.
func Read(ctx *cli.Context, args []string) (*engine.Settings, error) {
	if err := checkSupported(ctx); err != nil {
		return nil, err
	}
	r := &reader{ctx: ctx}
	s := &engine.Settings{
		Wishes: image.Wishes{Args: args, Env: r.environment(), Cwd: r.text("workdir"), User: r.text("user"),
			Labels: r.labels(), StopSignal: r.stopSignal(), Terminal: ctx.Bool("tty")},
		Settings: config.Settings{
			Name: r.text("name"), Hostname: r.text("hostname"), Domainname: r.text("domainname"),
			Resources: r.resources(), Rlimits: r.rlimits(), OOMScoreAdj: r.number("oom-score-adj", -1000, 1000),
			CgroupParent: cmp.Or(r.text("cgroup-parent"), os.Getenv(config.CgroupParentVariable)),
			ShmSize:      r.size("shm-size"), ReadOnly: ctx.Bool("read-only"),
			Privileged: ctx.Bool("privileged"), CapAdd: r.list("cap-add"), CapDrop: r.list("cap-drop"),
			Security: r.security(), Sysctl: r.sysctl(), Namespaces: r.namespaces(),
		},
		Interactive: ctx.Bool("interactive"), Detach: ctx.Bool("detach") || ctx.Command.Name == "create",
		Remove: ctx.Bool("rm"),
		Pull:   r.choice("pull", "missing", "always", "never"), Platform: r.platform(), Quiet: ctx.Bool("quiet"),
		Groups: r.list("group-add"), StopTimeout: r.number("stop-timeout", -1, 1<<31-1), CIDFile: r.text("cidfile"),
		NoLog:      r.choice("log-driver", "json-file", "none") == "none",
		Connection: r.connection(),
		Mounts:     r.mounts(), VolumesFrom: r.volumesFrom(),
		NoHealth: ctx.Bool("no-healthcheck"), HealthCommand: r.text("health-cmd"),
		HealthInterval: r.duration("health-interval"), HealthTimeout: r.duration("health-timeout"),
		HealthStart: r.duration("health-start-period"), HealthStartInterval: r.duration("health-start-interval"),
		Init: ctx.Bool("init"),
	}
	if n := r.number("health-retries", 1, 1<<31-1); n != nil {
		s.HealthRetries = *n
	}
	r.devices(s)
	if policy := r.text("restart"); r.err == nil {
		r.err = s.SetRestart(policy)
	}
	if ctx.IsSet("entrypoint") { // "" disables it
		given := ctx.String("entrypoint")
		s.Entrypoint = &given
	}
	if r.err != nil {
		return nil, r.err
	}
	return s, r.checkCombinations(s)
}

// checkSupported refuses the flags of docker that minirun does not support.
func checkSupported(ctx *cli.Context) error {
	given := ctx.LocalFlagNames()
	for i := range table {
		if f := &table[i]; f.reason != "" && slices.Contains(given, f.name) {
			return f.rejected()
		}
	}
	return nil
}

// checkCombinations refuses flags that exclude each other.
func (r *reader) checkCombinations(s *engine.Settings) error {
	n := s.Namespaces
	switch {
	case n.UTS == "host" && s.Hostname != "":
		return errors.New("--hostname cannot be combined with --uts host: it would change the host's name")
	case n.UTS == "host" && s.Domainname != "":
		return errors.New("--domainname cannot be combined with --uts host: it would change the host's name")
	case s.NoHealth && r.given("health-cmd", "health-interval", "health-timeout", "health-retries",
		"health-start-period", "health-start-interval"):
		return errors.New("--no-healthcheck cannot be combined with other flags of the health check")
	case s.NoLog && !s.Detach:
		return errors.New("--log-driver none has an effect only with --detach: otherwise no log is kept")
	case s.Init && n.PID != "" && n.PID != "private":
		return fmt.Errorf("--init cannot be combined with --pid %s: the init is PID 1 of a new PID namespace", n.PID)
	case r.ctx.IsSet("sig-proxy") && !r.ctx.Bool("sig-proxy"):
		return errors.New("--sig-proxy=false is not supported: signals are always passed on\n" +
			"hint: run it with --detach")
	}
	if err := volumes.CheckTargets(s.Mounts); err != nil {
		return err
	}
	return s.Check()
}

func (r *reader) given(names ...string) bool { return slices.ContainsFunc(names, r.ctx.IsSet) }

func (r *reader) environment() []string {
	env := r.files("env-file", readEnvironment)
	for _, e := range r.list("env") {
		entry, ok, err := environmentEntry(e)
		if err != nil {
			r.fail("env", e, "%v", err)
		}
		if ok {
			env = append(env, entry)
		}
	}
	return env
}

func (r *reader) labels() map[string]string {
	out := map[string]string{}
	add := func(flag string, list []string) {
		for _, l := range list {
			name, value, _ := strings.Cut(l, "=")
			if name == "" {
				r.fail(flag, l, "must be NAME=VALUE")
			}
			out[name] = value
		}
	}
	add("label-file", r.files("label-file", readLines))
	add("label", r.list("label"))
	add("annotation", r.list("annotation"))
	return out
}

func (r *reader) stopSignal() string {
	given := r.text("stop-signal")
	if given != "" {
		if _, err := control.ParseSignal(given); err != nil {
			r.fail("stop-signal", given, "%v", err)
		}
	}
	return given
}

func (r *reader) platform() string {
	given := r.text("platform")
	parts := strings.Split(given, "/")
	switch {
	case given == "":
	case len(parts) < 2 || len(parts) > 3 || slices.Contains(parts, ""):
		r.fail("platform", given, "must be OS/ARCHITECTURE[/VARIANT], such as linux/arm64")
	case parts[0] != "linux":
		r.fail("platform", given, "this machine runs only images for linux")
	}
	return given
}

func (r *reader) connection() connection.Flags {
	return connection.Flags{
		Request: network.Request{Networks: r.list("network"), Aliases: r.list("network-alias"), IP: r.text("ip"),
			IP6: r.text("ip6"), MAC: r.text("mac-address")},
		DNS:     network.DNS{Servers: r.list("dns"), Search: r.list("dns-search"), Options: r.list("dns-option")},
		Publish: r.list("publish"), PublishAll: r.ctx.Bool("publish-all"), Expose: r.list("expose"),
		AddHosts: r.list("add-host"),
	}
}

func (r *reader) mounts() (out []volumes.Mount) {
	if driver := r.text("volume-driver"); driver != "" && driver != "local" {
		r.fail("volume-driver", driver, "only local is supported")
	}
	for _, v := range r.list("volume") {
		out = append(out, r.mount(func() (volumes.Mount, error) { return volumes.ParseVolume(v, hasSELinux()) }))
	}
	for _, v := range r.list("mount") {
		out = append(out, r.mount(func() (volumes.Mount, error) { return volumes.ParseMount(v) }))
	}
	for _, v := range r.list("tmpfs") {
		out = append(out, r.mount(func() (volumes.Mount, error) { return volumes.ParseTmpfs(v) }))
	}
	return out
}

func (r *reader) mount(parse func() (volumes.Mount, error)) volumes.Mount {
	m, err := parse()
	if err != nil && r.err == nil {
		r.err = err
	}
	if err == nil && m.Type == volumes.Bind {
		if err := m.FindSource(); err != nil && r.err == nil {
			r.err = err
		}
	}
	return m
}

func (r *reader) volumesFrom() (out []engine.VolumesFrom) {
	for _, text := range r.list("volumes-from") {
		name, mode, has := strings.Cut(text, ":")
		if name == "" || has && mode != "ro" && mode != "rw" {
			r.fail("volumes-from", text, "must be CONTAINER[:ro|rw]")
		}
		out = append(out, engine.VolumesFrom{Container: name, ReadOnly: mode == "ro"})
	}
	return out
}

func (r *reader) sysctl() map[string]string {
	out := map[string]string{}
	for _, text := range r.list("sysctl") {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			r.fail("sysctl", text, "must be NAME=VALUE")
		}
		out[strings.ReplaceAll(name, "/", ".")] = value
	}
	return out
}

// CheckImage checks the flags that are not docker's, for a container created from an image.
func CheckImage(ctx *cli.Context, name string) error {
	for _, flag := range [...]string{"layer", "ephemeral", "keep"} {
		if ctx.IsSet(flag) {
			return cmdline.UsageError(ctx.Command, fmt.Sprintf("--%s is for a bundle, and %s is an image", flag, name))
		}
	}
	for _, flag := range [...]string{"bundle", "console-socket", "pidfd-socket", "pid-file", "preserve-fds", "no-pivot",
		"no-new-keyring"} {
		if ctx.Command.Name == "create" && ctx.IsSet(flag) {
			return cmdline.UsageError(ctx.Command, fmt.Sprintf("--%s is for a bundle, and %s is an image, whose container "+
				"is started by minirun start", flag, name))
		}
	}
	for _, flag := range [...]string{"preserve-fds", "explain", "explain-level", "explain-to", "trace", "hold"} {
		if ctx.Bool("detach") && ctx.IsSet(flag) {
			return cmdline.UsageError(ctx.Command,
				fmt.Sprintf("--%s cannot be combined with --detach for an image: its monitor starts the container", flag))
		}
	}
	return nil
}
