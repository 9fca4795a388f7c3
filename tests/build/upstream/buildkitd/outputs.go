package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"strings"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	archiveimport "github.com/containerd/containerd/v2/core/images/archive"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/containerd/errdefs"
	"github.com/moby/buildkit/session"
	sessioncontent "github.com/moby/buildkit/session/content"
	"github.com/moby/buildkit/session/filesync"
	"github.com/moby/buildkit/util/contentutil"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/tonistiigi/fsutil"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// An output is one exporter: a flag, and a function that sends its result to the client.
type output struct {
	flag    string
	deliver func(context.Context, session.Caller) error
}

func (j *job) prepareOutputs() error {
	for id, e := range j.req.Exporters {
		attrs := maps.Clone(e.Attrs)
		if attrs == nil {
			attrs = map[string]string{}
		}
		place := j.path(fmt.Sprintf("output%d", id))
		o := &output{}
		switch e.Type {
		case "image":
			o.deliver = j.daemon.keep(strings.Split(attrs["name"], ","))
		case "local":
			attrs["dest"] = place
			delete(attrs, "mode") // the client decides what happens to its directory
			if err := os.Mkdir(place, 0o755); err != nil {
				return err
			}
			o.deliver = sendDirectory(place, id)
		case "tar", "oci", "docker":
			if attrs["tar"] == "false" {
				delete(attrs, "tar")
				o.deliver = sendLayout(place)
			} else {
				o.deliver = sendFile(place, id)
			}
			attrs["dest"] = place
		default:
			return status.Errorf(codes.Unimplemented, "exporter %q could not be found", e.Type)
		}
		o.flag = formatCSV(e.Type, attrs)
		j.outputs = append(j.outputs, o)
	}
	return nil
}

func sendDirectory(dir string, id int) func(context.Context, session.Caller) error {
	return func(ctx context.Context, caller session.Caller) error {
		files, err := fsutil.NewFS(dir)
		if err != nil {
			return err
		}
		return filesync.CopyToCaller(ctx, files, id, caller, nil)
	}
}

func sendFile(name string, id int) func(context.Context, session.Caller) error {
	return func(ctx context.Context, caller session.Caller) error {
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		defer file.Close()
		to, err := filesync.CopyFileWriter(ctx, nil, id, caller)
		if err != nil {
			return err
		}
		if _, err := io.Copy(to, file); err != nil {
			_ = to.Close()
			return err
		}
		return to.Close()
	}
}

// unpack unpacks an uploaded archive, of which only a subdirectory is the context.
func (j *job) unpack(ctx context.Context, sub string) error {
	dir := j.path("unpacked")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, "tar", "-xf", j.stdin, "-C", dir).CombinedOutput(); err != nil {
		return fmt.Errorf("tar: %w: %s", err, out)
	}
	j.stdin, j.context = "", dir+"/"+sub
	return nil
}

// sendLayout copies the blobs of an image into the client's content store; the client itself adds it
// to an index.
func sendLayout(archive string) func(context.Context, session.Caller) error {
	return func(ctx context.Context, caller session.Caller) error {
		store, err := local.NewStore(archive + ".store")
		if err != nil {
			return err
		}
		list, err := blobs(ctx, store, archive)
		if err != nil {
			return err
		}
		to := sessioncontent.NewCallerStore(caller, "export")
		for _, m := range list {
			if err := contentutil.CopyChain(ctx, to, store, m); err != nil {
				return err
			}
		}
		return nil
	}
}

// blobs copies the blobs of an archive into a content store, and returns its images.
func blobs(ctx context.Context, store content.Store, archive string) ([]oci.Descriptor, error) {
	file, err := os.Open(archive)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	desc, err := archiveimport.ImportIndex(ctx, store, file)
	if err != nil {
		return nil, err
	}
	text, err := content.ReadBlob(ctx, store, desc)
	if err != nil {
		return nil, err
	}
	var index oci.Index
	err = json.Unmarshal(text, &index)
	return index.Manifests, err
}

// keep copies images from minirun's store to containerd, where the tests look for them.
func (d *daemon) keep(names []string) func(context.Context, session.Caller) error {
	return func(ctx context.Context, _ session.Caller) error {
		if d.containerd == "" || len(names) == 0 || names[0] == "" {
			return nil
		}
		client, err := containerd.New(d.containerd)
		if err != nil {
			return err
		}
		defer client.Close()
		ctx = namespaces.WithNamespace(ctx, "buildkit")
		// The lease is not released: nothing else protects the blobs, and each test has a separate
		// containerd.
		ctx, _, err = client.WithLease(ctx)
		if err != nil {
			return err
		}
		archive := d.path("saved.tar")
		defer removeDir(archive)
		for _, name := range names {
			if out, err := d.command(ctx, "save", "-o", archive, name).CombinedOutput(); err != nil {
				return fmt.Errorf("minirun save: %w: %s", err, out)
			}
			list, err := blobs(ctx, client.ContentStore(), archive)
			if err != nil {
				return err
			}
			image := images.Image{Name: name, Target: list[0]}
			image.Target.Annotations = nil // these are the archive's names
			if _, err := client.ImageService().Create(ctx, image); errdefs.IsAlreadyExists(err) {
				_, err = client.ImageService().Update(ctx, image)
				if err != nil {
					return err
				}
			} else if err != nil {
				return err
			}
		}
		return nil
	}
}
