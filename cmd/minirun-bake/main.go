// Command minirun-bake implements minirun build bake: it reads bake files (HCL, JSON, compose)
// with buildx's own package, and starts one minirun build for each target. `minirun build
// bake` executes it, so users never run it directly. It is a separate module, because that
// package depends on 570 modules that nothing else here needs.
//
//	main.go        the command line; completion
//	definition.go  files and flags → targets, with the entitlements to allow
//	show.go        --print, --list
//	target.go      target → arguments of minirun build (pure)
//	plan.go        targets → jobs, dependencies first (pure)
//	run.go         jobs → processes, several at a time
//	display.go     the steps of several processes, as one list
//	metadata.go    --metadata-file
//	language.go    messages in the user's language
//	terminal.go    removing terminal control sequences
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/docker/buildx/bake"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/spf13/pflag"
)

func main() {
	ctx, stop := withSignals()
	err := runCommand(ctx, os.Args[1:])
	cause := context.Cause(ctx)
	stop()
	var by *signalError
	if errors.As(cause, &by) {
		printf(os.Stderr, "minirun: canceled: %s\n", by.signal.String())
		os.Exit(128 + int(by.signal))
	}
	if err != nil && !errors.Is(err, pflag.ErrHelp) {
		var lines strings.Builder
		for _, s := range errdefs.Sources(err) { // the lines of the file to which the error refers
			_ = s.Print(&lines)
		}
		printf(os.Stderr, "%sminirun: %s\n", visible(lines.String(), "\n\t"),
			visible(translated(err.Error())[0], "\n\t"))
		os.Exit(1)
	}
}

// signalError is the cause of a context that was cancelled by a signal.
type signalError struct{ signal syscall.Signal }

func (s *signalError) Error() string { return s.signal.String() }

// withSignals returns a context that is cancelled by the first SIGINT or SIGTERM. The second
// one terminates the program.
func withSignals() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		s, ok := <-signals
		if n, is := s.(syscall.Signal); ok && is {
			signal.Stop(signals)
			cancel(&signalError{n})
			// Longer than the builds may take; a stopped terminal must not prevent the exit.
			time.AfterFunc(2*stopTimeout, func() { os.Exit(128 + int(n)) })
		}
	}()
	return ctx, func() { signal.Stop(signals) }
}

// options are the command-line options.
type options struct {
	global []string // minirun's own flags, passed to each build

	files, set, variables, allow, policy        []string
	call, jobs, list, metadata, progress        string
	provenance, sbom, builder                   string
	check, load, noCache, onlyPrint, pull, push bool
	targets                                     []string
}

const usage = `NAME:
  minirun build bake - build the targets of a bake file

USAGE:
  minirun build bake [OPTIONS] [TARGET…]

DESCRIPTION:
  Each target is one minirun build. The bake files are docker-bake.hcl,
  docker-bake.json (and docker-bake.override.*) and compose files, in the
  language of docker buildx bake. Without TARGET, the group or target "default"
  is built.

OPTIONS:
`

const examples = `  -h, --help    show help

EXAMPLES:
  minirun build bake
  minirun build bake --print app
`

// helpWidth is that of minirun's other commands without a terminal.
const helpWidth = 80

func (o *options) flagSet() *pflag.FlagSet {
	f := pflag.NewFlagSet("bake", pflag.ContinueOnError)
	f.SortFlags = false
	f.StringArrayVarP(&o.files, "file", "f", nil,
		"read `FILE` instead of the files in this directory; - is standard input")
	f.StringArrayVar(&o.set, "set", nil, "set a field of the targets whose names match: `PATTERN.KEY=VALUE`")
	f.StringArrayVar(&o.variables, "var", nil, "set a variable to `NAME=VALUE`, overriding the environment")
	f.StringArrayVar(&o.allow, "allow", nil,
		"allow targets to use `RIGHT`: fs=DIR, fs.read=DIR, fs.write=DIR, network.host, security.insecure")
	f.BoolVar(&o.onlyPrint, "print", false, "print the targets as JSON, without building")
	f.StringVar(&o.list, "list", "", "list targets or variables, without building: `WHAT`, or type=WHAT,format=json")
	f.StringVar(&o.call, "call", "", "run `METHOD` on each Dockerfile, without building: check, outline or targets")
	f.BoolVar(&o.check, "check", false, "the same as --call check")
	f.BoolVar(&o.noCache, "no-cache", false, "do not use the cache")
	f.BoolVar(&o.pull, "pull", false, "ask the registry for newer base images")
	f.BoolVar(&o.load, "load", false, "also keep the images in the store")
	f.BoolVar(&o.push, "push", false, "push the images to their registries")
	f.StringVar(&o.provenance, "provenance", "",
		"attach provenance to each image: `MODE` true, false, mode=min or mode=max")
	f.StringVar(&o.sbom, "sbom", "", "attach a list of packages to each image: `BOOL` true or false")
	f.StringVarP(&o.jobs, "jobs", "j", "",
		"build `N` targets at a time; defer-error[,parallel=N] continues after a failure")
	f.StringVar(&o.metadata, "metadata-file", "", "write the names and digests of the results to `FILE`, as JSON")
	f.StringVar(&o.progress, "progress", "auto", "show the steps in `MODE` auto, tty, plain, quiet or rawjson")
	f.StringArrayVar(&o.policy, "policy", nil, "`disabled=true` ignores policies, which minirun does not evaluate")
	f.StringVar(&o.builder, "builder", "", "accepted for compatibility; must be `default`")
	return f
}

// printHelp prints the flags like minirun's other commands.
func printHelp(f *pflag.FlagSet) {
	texts := []string{usage, examples}
	f.VisitAll(func(f *pflag.Flag) { texts = append(texts, f.Usage) })
	texts = translated(texts...)
	rest := texts[2:]
	f.VisitAll(func(f *pflag.Flag) { f.Usage, rest = rest[0], rest[1:] })
	fmt.Print(texts[0], f.FlagUsagesWrapped(helpWidth), texts[1])
}

func runCommand(ctx context.Context, args []string) error {
	o := &options{}
	if at := slices.Index(args, "--"); at >= 0 {
		o.global, args = args[:at], args[at+1:]
	}
	if n := len(args) - 1; n >= 0 && args[n] == "--generate-bash-completion" && os.Getenv("MINIRUN_COMPLETE") != "" {
		printCompletions(o, args[:n])
		return nil
	}
	f := o.flagSet()
	f.Usage = func() { printHelp(f) }
	if err := f.Parse(args); errors.Is(err, pflag.ErrHelp) {
		return err
	} else if err != nil {
		return fmt.Errorf("build bake: %w\nhint: minirun build bake --help", err)
	}
	o.targets = f.Args()
	if err := o.verify(); err != nil {
		return err
	}
	return o.bake(ctx)
}

// verify rejects invalid combinations before any file is read.
func (o *options) verify() error {
	if o.builder != "" && o.builder != "default" {
		return fmt.Errorf("build bake: --builder %s: must be default, the only builder", o.builder)
	}
	if o.check {
		if o.call != "" && o.call != "check" {
			return fmt.Errorf("build bake: --check and --call %s cannot be combined", o.call)
		}
		o.call = "check"
	}
	for _, p := range o.policy {
		if p != "disabled=true" {
			return fmt.Errorf("build bake: --policy %s: minirun does not evaluate policies\n"+
				"hint: use --policy disabled=true to ignore them", p)
		}
	}
	for _, t := range o.targets {
		if isRemote(t) {
			return fmt.Errorf("build bake: %s: remote bake files are not supported\n"+
				"hint: clone the repository and run minirun build bake in it", t)
		}
	}
	switch o.progress {
	case "none":
		o.progress = "quiet"
		return nil
	case "auto", "tty", "plain", "quiet", "rawjson":
		return nil
	}
	return fmt.Errorf("build bake: --progress %s: must be auto, tty, plain, quiet or rawjson", o.progress)
}

// isRemote reports whether an argument is a URL, for which buildx reads the bake files in a
// repository. A target's name contains neither a colon nor a slash.
func isRemote(arg string) bool { return strings.ContainsAny(arg, ":/") }

func (o *options) bake(ctx context.Context) error {
	if o.list != "" {
		return o.printList()
	}
	d, err := o.readDefinition(ctx)
	if err != nil {
		return fmt.Errorf("build bake: %w", err)
	}
	if o.onlyPrint {
		return d.print()
	}
	if err := d.resolve(ctx, o); err != nil {
		return fmt.Errorf("build bake: %w", err)
	}
	jobs, err := d.plan()
	if err != nil {
		return fmt.Errorf("build bake: %w", err)
	}
	limits, err := parseJobs(o.jobs)
	if err != nil {
		return fmt.Errorf("build bake: --jobs %s: %w", o.jobs, err)
	}
	return o.runJobs(ctx, d, jobs, limits)
}

// printCompletions prints the possible completions: flags, or targets.
func printCompletions(o *options, words []string) {
	f := o.flagSet()
	if n := len(words) - 1; n >= 0 && strings.HasPrefix(words[n], "-") {
		begin := strings.TrimLeft(words[n], "-")
		f.VisitAll(func(flag *pflag.Flag) {
			if strings.HasPrefix(flag.Name, begin) {
				fmt.Println("--" + flag.Name)
			}
		})
		return
	}
	_ = f.Parse(words) // for --file
	files, err := o.readFiles()
	if err != nil {
		return
	}
	names, err := bake.ListTargets(files)
	if err != nil {
		return
	}
	for _, name := range names {
		fmt.Println(name)
	}
}
