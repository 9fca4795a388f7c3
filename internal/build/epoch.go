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

// This file handles SOURCE_DATE_EPOCH: the time of everything that is created. Its value is a
// number of seconds; "context", for the time at which the build's own context was created; or
// the name of a fetched context or stage, for the time at which that was created. The build
// argument overrides the default of a global ARG.

const epochArgument = "SOURCE_DATE_EPOCH"

// resolveEpoch sets the time, and sets the argument to that time in seconds, so that an ARG of
// this name in a stage has the same value.
func (b *Builder) resolveEpoch(ctx context.Context, in *inputs, o *Options, file *dockerfile.File) error {
	options := dockerfile.Options{
		Name: in.name, BuildArgs: o.BuildArgs, Target: o.Target, Build: platforms.DefaultSpec(),
		Platform: o.targetPlatforms()[0],
	}
	text, given := o.BuildArgs[epochArgument]
	if !given {
		var err error
		if text, given, err = file.GlobalArg(options, epochArgument); err != nil || !given {
			return err
		}
	}
	args := map[string]string{}
	maps.Copy(args, o.BuildArgs)
	o.BuildArgs = args
	if strings.TrimSpace(text) == "" { // treated as not set
		delete(o.BuildArgs, epochArgument)
		return nil
	}
	when, err := b.parseEpoch(ctx, in, text, file, options)
	if err != nil {
		return fmt.Errorf("cannot use %s=%s: %w", epochArgument, text, err)
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

// parseEpoch returns the time that a value refers to, or zero if there is none. A directory has
// none: the times of its files depend on the checkout.
func (b *Builder) parseEpoch(
	ctx context.Context, in *inputs, text string, file *dockerfile.File, o dockerfile.Options,
) (time.Time, error) {
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err == nil {
		return checkYear(time.Unix(seconds, 0).UTC())
	}
	if errors.Is(err, strconv.ErrRange) {
		seconds = math.MaxInt64
		return checkYear(time.Unix(seconds, 0).UTC())
	}
	if made, ok := in.createdAt[text]; ok { // the name of a context
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
		return time.Time{}, fmt.Errorf(
			"invalid SOURCE_DATE_EPOCH: %s is not a number of seconds since 1970, context, or the name of a stage or context",
			text,
		)
	}
	when, err := b.remoteTime(ctx, in, remote)
	if err != nil {
		return time.Time{}, err
	}
	return checkYear(when)
}

// checkYear rejects times that an image cannot represent.
func checkYear(when time.Time) (time.Time, error) {
	if year := when.Year(); year < 0 || year > 9999 {
		return time.Time{}, errors.New("it is not a number of seconds since 1970 in a year up to 9999")
	}
	return when, nil
}

// remoteTime fetches the source of an ADD and returns when it was created: the time that the
// server reports, or else that of the newest file in an archive.
func (b *Builder) remoteTime(ctx context.Context, in *inputs, remote dockerfile.Remote) (time.Time, error) {
	if source.IsGit(remote.URL) {
		t, commit, err := source.CheckoutGit(
			ctx, remote.URL, b.fetchDir(), source.GitOptions{Checksum: remote.Checksum, Agent: in.agent},
		)
		if err != nil {
			return time.Time{}, err
		}
		_ = t.Root.Close()
		return source.CommitTime(ctx, remote.URL, commit, b.fetchDir())
	}
	f, err := source.Fetch(ctx, remote.URL, b.fetchDir(), remote.Checksum)
	if err != nil {
		return time.Time{}, err
	}
	defer func() { _ = f.File.Close() }()
	if !f.Modified.IsZero() {
		return f.Modified.UTC(), nil
	}
	r, archive, err := source.Sniff(f.File)
	if err != nil {
		return time.Time{}, fmt.Errorf("cannot read %s: %w", source.RedactURL(remote.URL), err)
	}
	if !archive {
		return time.Time{}, fmt.Errorf("the server does not report when %s was modified", source.RedactURL(remote.URL))
	}
	t, err := b.unpackContext(ctx, in, r)
	if err != nil {
		return time.Time{}, err
	}
	defer func() { _ = t.Root.Close() }()
	return source.NewestTime(t.Root.Name())
}
