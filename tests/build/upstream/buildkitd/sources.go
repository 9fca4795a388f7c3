package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/moby/buildkit/client/ociindex"
	sessioncontent "github.com/moby/buildkit/session/content"
	"github.com/moby/buildkit/session/filesync"
	"github.com/moby/buildkit/session/secrets"
	"github.com/moby/buildkit/session/sshforward"
	"github.com/moby/buildkit/session/upload"
	"github.com/moby/buildkit/util/contentutil"
	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// local gets a directory from the client.
func (j *job) local(ctx context.Context, name string) (string, error) {
	if dir, ok := j.locals[name]; ok {
		return dir, nil
	}
	caller := j.caller
	if id := j.attrs["local-sessionid:"+name]; id != "" {
		other, err := j.daemon.sessions.Get(ctx, id, false)
		if err != nil {
			return "", err
		}
		caller = other
	}
	dir := j.path(fmt.Sprintf("local%d", len(j.locals)))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	if err := filesync.FSSync(ctx, caller, filesync.FSSendRequestOpt{Name: name, DestDir: dir}); err != nil {
		removeDir(dir)
		return "", err
	}
	j.locals[name] = dir
	return dir, nil
}

// findContext determines the context and the Dockerfile.
func (j *job) findContext(ctx context.Context) error {
	contextKey, dockerfileKey := "context", "dockerfile"
	if key := j.attrs["contextkey"]; key != "" {
		contextKey = key
	}
	if key := j.attrs["dockerfilekey"]; key != "" {
		dockerfileKey = key
	}
	for _, key := range []string{contextKey, dockerfileKey} {
		if _, ok := j.inputs[key]; ok {
			return j.unsupported("an input of LLB as " + key)
		}
	}
	j.filename = j.attrs["filename"]
	if j.filename == "" {
		j.filename = "Dockerfile"
	}
	where, remote := j.attrs["context"]
	if remote {
		return j.remoteContext(ctx, where, dockerfileKey)
	}
	dir, err := j.local(ctx, contextKey)
	if err != nil { // the Dockerfile may not need a context
		if dir = j.path("empty"); os.Mkdir(dir, 0o755) != nil {
			return err
		}
	}
	j.context = dir
	return j.useDockerfile(ctx, dockerfileKey, dir)
}

func (j *job) unsupported(what string) error {
	return status.Errorf(codes.Unimplemented, "minirun does not build from LLB: %s", what)
}

// remoteContext handles a URL, or an archive that the client uploads.
func (j *job) remoteContext(ctx context.Context, where, dockerfileKey string) error {
	j.context = where
	u, err := url.Parse(where)
	if err == nil && u.Host == "buildkit-session" {
		if err := j.uploaded(ctx, u); err != nil {
			return err
		}
	}
	if sub := j.attrs["contextsubdir"]; sub != "" {
		if j.stdin == "" {
			return status.Error(codes.Unimplemented, "minirun build has no flag for a subdirectory of this context")
		}
		if err := j.unpack(ctx, sub); err != nil {
			return err
		}
	}
	if _, ok := j.attrs["dockerfilekey"]; ok {
		return j.useDockerfile(ctx, dockerfileKey, "")
	}
	if name := j.attrs["filename"]; name != "" {
		j.flags = append(j.flags, "--file", name)
	}
	return nil
}

func (j *job) uploaded(ctx context.Context, u *url.URL) error {
	up, err := upload.New(ctx, j.caller, u)
	if err != nil {
		return err
	}
	file, err := os.Create(j.path("upload"))
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := up.WriteTo(file); err != nil {
		return err
	}
	j.stdin, j.context = file.Name(), "-"
	return nil
}

// useDockerfile names the Dockerfile if it is in a different directory from the context. If both
// directories have the same Dockerfile, minirun finds it itself.
func (j *job) useDockerfile(ctx context.Context, key, dir string) error {
	other, err := j.local(ctx, key)
	if err != nil {
		return err
	}
	name := filepath.Join(other, j.filename)
	text, err := os.ReadFile(name)
	lower := filepath.Join(filepath.Dir(name), "dockerfile")
	if errors.Is(err, os.ErrNotExist) && filepath.Base(j.filename) == "Dockerfile" {
		if text, err = os.ReadFile(lower); err == nil {
			name = lower
		}
	}
	if err != nil {
		if _, named := j.attrs["filename"]; !named && dir != "" {
			return nil // minirun reports that the Dockerfile is missing
		}
		j.flags = append(j.flags, "--file", name)
		return nil
	}
	j.dockerfile = text
	if j.attrs["filename"] == "" && dir != "" {
		same, err := os.ReadFile(filepath.Join(dir, filepath.Base(name)))
		if err == nil && bytes.Equal(same, text) {
			return nil
		}
	}
	j.flags = append(j.flags, "--file", name)
	return nil
}

// namedContext returns the value for --build-context.
func (j *job) namedContext(ctx context.Context, name, value string) (string, error) {
	kind, rest, _ := strings.Cut(value, ":")
	switch kind {
	case "local":
		return j.local(ctx, rest)
	case "input":
		return "", j.unsupported(describeName("the input", rest))
	case "oci-layout":
		return j.layout(ctx, strings.TrimPrefix(rest, "//"))
	}
	if kind == "docker-image" && !strings.HasPrefix(rest, "//") {
		return kind + "://" + rest, nil
	}
	return value, nil
}

// layout copies an image from the client's content store into an OCI image layout.
func (j *job) layout(ctx context.Context, ref string) (string, error) {
	id, hash, ok := strings.Cut(ref, "@")
	if !ok {
		return "", fmt.Errorf("oci-layout %s has no digest", ref)
	}
	id, _, _ = strings.Cut(id, ":")
	dgst, err := digest.Parse(hash)
	if err != nil {
		return "", err
	}
	from := sessioncontent.NewCallerStore(j.caller, "oci:"+id)
	info, err := from.Info(ctx, dgst)
	if err != nil {
		return "", fmt.Errorf("oci-layout %s: %w", ref, err)
	}
	desc := oci.Descriptor{Digest: dgst, Size: info.Size, MediaType: oci.MediaTypeImageManifest}
	text, err := content.ReadBlob(ctx, from, desc)
	if err != nil {
		return "", err
	}
	var kind struct {
		MediaType string            `json:"mediaType"`
		Manifests []json.RawMessage `json:"manifests"`
	}
	if err := json.Unmarshal(text, &kind); err != nil {
		return "", err
	}
	if desc.MediaType = kind.MediaType; desc.MediaType == "" {
		desc.MediaType = oci.MediaTypeImageManifest
		if kind.Manifests != nil {
			desc.MediaType = oci.MediaTypeImageIndex
		}
	}
	dir := j.path("layout-" + dgst.Encoded())
	to, err := local.NewStore(dir)
	if err != nil {
		return "", err
	}
	if err := contentutil.CopyChain(ctx, to, from, desc); err != nil && !images.IsIndexType(desc.MediaType) {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, oci.ImageLayoutFile), []byte(`{"imageLayoutVersion":"1.0.0"}`),
		0o644); err != nil {
		return "", err
	}
	return "oci-layout://" + dir + "@" + hash, ociindex.NewStoreIndex(dir).Put(desc)
}

var (
	mounts = regexp.MustCompile(`type=(secret|ssh)[^\s]*|[^\s=]*,type=(secret|ssh)[^\s]*`)
	option = regexp.MustCompile(`(?:^|,)(id|source|target|dst|destination)=([^,\s"]+)`)
	common = []string{"GIT_AUTH_TOKEN", "GIT_AUTH_HEADER"}
)

// secrets asks the client for each secret and agent that the Dockerfile names: BuildKit asks when a
// step needs one, but minirun needs them on its command line.
func (j *job) secrets(ctx context.Context) error {
	ids := slices.Clone(common)
	agents := []string{"default"}
	for _, m := range mounts.FindAllString(string(j.dockerfile), -1) {
		found := map[string]string{}
		for _, o := range option.FindAllStringSubmatch(m, -1) {
			found[o[1]] = o[2]
		}
		id := found["id"]
		if strings.Contains(m, "type=ssh") {
			if id != "" && !slices.Contains(agents, id) {
				agents = append(agents, id)
			}
			continue
		}
		for _, key := range []string{"source", "target", "dst", "destination"} {
			if id == "" && found[key] != "" {
				id = filepath.Base(found[key])
			}
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	for n, id := range ids {
		value, err := secrets.GetSecret(ctx, j.caller, id)
		if err != nil {
			continue // if the step needs it, the step reports that it is missing
		}
		file := j.path(fmt.Sprintf("secret%d", n))
		if err := os.WriteFile(file, value, 0o600); err != nil {
			return err
		}
		j.flags = append(j.flags, "--secret", "id="+id+",src="+file)
	}
	return j.agents(ctx, agents)
}

func (j *job) agents(ctx context.Context, ids []string) error {
	for _, id := range ids {
		if sshforward.CheckSSHID(ctx, j.caller, id) != nil {
			continue
		}
		ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		socket, closer, err := sshforward.MountSSHSocket(ctx, j.caller, sshforward.SocketOpt{ID: id, Mode: 0o600})
		if err != nil {
			cancel()
			return err
		}
		j.closers = append(j.closers, func() { cancel(); _ = closer(); removeDir(filepath.Dir(socket)) })
		j.flags = append(j.flags, "--ssh", id+"="+socket)
	}
	return nil
}
