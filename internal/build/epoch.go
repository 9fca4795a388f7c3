package build

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/platforms"

	"github.com/minirun/minirun/internal/build/dockerfile"
	"github.com/minirun/minirun/internal/build/source"
)

// This file owns SOURCE_DATE_EPOCH: the time of everything that is made. It is a number
// of seconds; "context", for when the build's own context was made; or the name of a
// context or stage that is fetched, for when that was made. The build argument counts
// more than a global ARG's default.

const epochArgument = "SOURCE_DATE_EPOCH"

// resolveEpoch sets the time, and the argument to its seconds: an ARG of this name in a
// stage has those.
func (b *Builder) resolveEpoch(ctx context.Context, in *inputs, o *Options, file *dockerfile.File) error {
	options := dockerfile.Options{
		Name: in.name, BuildArgs: o.BuildArgs, Target: o.Target, Build: platforms.DefaultSpec(), Platform: o.wanted()[0],
	}
	text, given := o.BuildArgs[epochArgument]
	if !given {
		var err error
		if text, given, err = file.Global(options, epochArgument); err != nil || !given {
			return err
		}
	}
	args := map[string]string{}
	maps.Copy(args, o.BuildArgs)
	o.BuildArgs = args
	if strings.TrimSpace(text) == "" { // as if it was not given
		delete(o.BuildArgs, epochArgument)
		return nil
	}
	when, err := b.epoch(ctx, in, text, file, options)
	if err != nil {
		return fmt.Errorf("%s=%s: %w", epochArgument, text, err)
	}
	if when.IsZero() {
		delete(o.BuildArgs, epochArgument)
		o.unset = append(o.unset, epochArgument)
		return nil
	}
	o.Epoch = &when
	o.BuildArgs[epochArgument] = strconv.FormatInt(when.Unix(), 10)
	return nil
}

// epoch is the time that a value stands for; zero for none. A directory has none: the
// times of its files are those of a checkout.
func (b *Builder) epoch(ctx context.Context, in *inputs, text string, file *dockerfile.File, o dockerfile.Options) (time.Time, error) {
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err == nil {
		return checkYear(time.Unix(seconds, 0).UTC())
	}
	if errors.Is(err, strconv.ErrRange) {
		seconds = math.MaxInt64
		return checkYear(time.Unix(seconds, 0).UTC())
	}
	if made, ok := in.made[text]; ok { // a context
		if made == nil {
			return time.Time{}, nil
		}
		when, err := made()
		if err != nil {
			return time.Time{}, err
		}
		return checkYear(when)
	}
	if _, isImage := in.images[strings.ToLower(text)]; isImage {
		return time.Time{}, nil
	}
	remote, isStage, err := file.RemoteStage(o, text)
	if err != nil {
		return time.Time{}, err
	}
	if !isStage {
		return time.Time{}, fmt.Errorf("invalid SOURCE_DATE_EPOCH: %s: must be seconds since 1970, or context, or the name of a stage or context", text)
	}
	when, err := b.madeRemote(ctx, in, remote)
	if err != nil {
		return time.Time{}, err
	}
	return checkYear(when)
}

// checkYear rejects what no image can say.
func checkYear(when time.Time) (time.Time, error) {
	if year := when.Year(); year < 0 || year > 9999 {
		return time.Time{}, errors.New("must be seconds since 1970, in a year up to 9999")
	}
	return when, nil
}

// madeRemote fetches what an ADD names and says when it was made: what the server says,
// or else the newest file of an archive.
func (b *Builder) madeRemote(ctx context.Context, in *inputs, remote dockerfile.Remote) (time.Time, error) {
	if source.IsGit(remote.URL) {
		t, commit, err := source.Git(ctx, remote.URL, b.fetches(), source.GitOptions{Checksum: remote.Checksum, Agent: in.agent})
		if err != nil {
			return time.Time{}, err
		}
		_ = t.Root.Close()
		return source.CommitTime(ctx, remote.URL, commit, b.fetches())
	}
	f, err := source.Fetch(ctx, remote.URL, b.fetches(), remote.Checksum)
	if err != nil {
		return time.Time{}, err
	}
	defer func() { _ = f.File.Close() }()
	if !f.Modified.IsZero() {
		return f.Modified.UTC(), nil
	}
	r, archive, err := source.Sniff(f.File)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s: %w", source.Public(remote.URL), err)
	}
	if !archive {
		return time.Time{}, fmt.Errorf("the server does not say when %s was modified", source.Public(remote.URL))
	}
	t, err := b.unpack(ctx, in, r)
	if err != nil {
		return time.Time{}, err
	}
	defer func() { _ = t.Root.Close() }()
	return source.Newest(t.Root.Name())
}
