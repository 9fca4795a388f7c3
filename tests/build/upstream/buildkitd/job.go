package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	controlapi "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/solver/pb"
)

// A job runs one build as a minirun build command.
type job struct {
	daemon *daemon
	build  *build
	req    *controlapi.SolveRequest
	caller session.Caller

	dir     string // a separate directory, removed at the end
	closers []func()

	attrs      map[string]string
	inputs     map[string]*pb.Definition
	locals     map[string]string // directories sent by the client, by name
	dockerfile []byte            // if the client sends it
	filename   string            // the client's name of the Dockerfile
	flags      []string          // flags of every command
	stdin      string            // the path of a context that the client uploaded
	context    string            // the command's argument
	outputs    []*output
}

func (d *daemon) newJob(b *build, req *controlapi.SolveRequest, caller session.Caller) *job {
	return &job{daemon: d, build: b, req: req, caller: caller, locals: map[string]string{}}
}

func (j *job) close() {
	for _, f := range j.closers {
		f()
	}
	if j.dir != "" {
		removeDir(j.dir)
	}
}

// run runs the build, and sends its outputs to the client.
func (j *job) run(ctx context.Context, frontend string, attrs map[string]string,
	inputs map[string]*pb.Definition) (map[string]string, error) {
	if err := j.prepare(ctx, attrs, inputs); err != nil {
		return nil, err
	}
	if err := j.prepareOutputs(); err != nil {
		return nil, err
	}
	args := append([]string{"--metadata-file", j.path("metadata")}, j.cacheFlags()...)
	for _, o := range j.outputs {
		args = append(args, "--output", o.flag)
	}
	if len(j.outputs) == 0 {
		args = append(args, "--output", "type=cacheonly")
	}
	if err := j.minirun(ctx, nil, args...); err != nil {
		return nil, err
	}
	for _, o := range j.outputs {
		if err := o.deliver(ctx, j.caller); err != nil {
			return nil, err
		}
	}
	return j.response()
}

// prepare gets the inputs from the client's session, and translates the attributes.
func (j *job) prepare(ctx context.Context, attrs map[string]string, inputs map[string]*pb.Definition) (err error) {
	if j.dir, err = os.MkdirTemp(j.daemon.root, "job"); err != nil {
		return err
	}
	j.attrs, j.inputs = attrs, inputs
	if err := j.findContext(ctx); err != nil {
		return err
	}
	if err := j.translate(ctx); err != nil {
		return err
	}
	return j.secrets(ctx)
}

func (j *job) path(name string) string { return filepath.Join(j.dir, name) }

// command returns a minirun command with the daemon's store and configuration, and without the
// environment of the tests.
func (d *daemon) command(ctx context.Context, args ...string) *exec.Cmd {
	args = append([]string{os.Getenv("MINIRUN"), "--store", d.path("store"), "--root", d.path("run")}, args...)
	// minirun has no flag for a different directory.
	if dirs := d.config.CDI.SpecDirs; len(dirs) == 1 && isFilled(dirs[0]) {
		const bind = `mkdir -p /run/cdi && mount --bind "$0" /run/cdi && exec "$@"`
		args = append([]string{"unshare", "-m", "sh", "-c", bind, dirs[0]}, args...)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = []string{"HOME=" + d.path("home"), "PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir()}
	for _, name := range []string{"GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "SSL_CERT_FILE"} {
		if value, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	return cmd
}

func isFilled(dir string) bool {
	list, err := os.ReadDir(dir)
	return err == nil && len(list) > 0
}

// minirun runs minirun build. Its progress becomes the status of the build, and its message the
// error.
func (j *job) minirun(ctx context.Context, out *bytes.Buffer, args ...string) error {
	show := &display{build: j.build}
	all := append([]string{"build", "--progress", "rawjson"}, j.flags...)
	all = append(append(all, args...), j.context)
	cmd := j.daemon.command(ctx, all...)
	cmd.Stderr = show
	if out != nil {
		cmd.Stdout = out
	}
	if j.stdin != "" {
		file, err := os.Open(j.stdin)
		if err != nil {
			return err
		}
		defer file.Close()
		cmd.Stdin = file
	}
	fmt.Fprintf(os.Stderr, "> minirun %q\n", all)
	err := cmd.Run()
	if len(show.line) > 0 {
		show.read(show.line)
	}
	os.Stderr.Write(show.message.Bytes())
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return j.failure(show.message.String(), failed.ExitCode())
	}
	return err
}

// response returns the metadata in the format of BuildKit's exporters: text as it is, and everything
// else as JSON in base64.
func (j *job) response() (map[string]string, error) {
	out := map[string]string{}
	text, err := os.ReadFile(j.path("metadata"))
	if errors.Is(err, os.ErrNotExist) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	var metadata map[string]json.RawMessage
	if err := json.Unmarshal(text, &metadata); err != nil {
		return nil, err
	}
	for key, value := range metadata {
		var s string
		if json.Unmarshal(value, &s) == nil {
			out[key] = s
			continue
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, value); err != nil {
			return nil, err
		}
		out[key] = base64.StdEncoding.EncodeToString(compact.Bytes())
	}
	return out, nil
}
