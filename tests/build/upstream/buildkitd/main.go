// Command buildkitd replaces BuildKit's daemon when BuildKit's own Dockerfile tests run against
// minirun: it speaks BuildKit's protocol and runs each build as a minirun build command.
//
//	main.go      flags, configuration, the server
//	control.go   the service Control: solve, status, session, workers, disk usage
//	gateway.go   the service LLBBridge: a test function that forwards to dockerfile.v0
//	job.go       one build: its directory, its commands, its result
//	translate.go a frontend's attributes → arguments of minirun build
//	sources.go   inputs from the client's session: directories, archives, stores, secrets, agents
//	outputs.go   exporters → --output, and the result sent back to the client
//	status.go    the progress of minirun → the status stream of a build
//	failure.go   the messages of minirun → BuildKit's typed errors
//
// It does not add features to minirun: a request for which minirun has no flag is an error.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/containerd/containerd/api/services/content/v1"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/containerd/containerd/v2/plugins/services/content/contentserver"
	controlapi "github.com/moby/buildkit/api/services/control"
	gatewayapi "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/util/grpcerrors"
	"github.com/pelletier/go-toml/v2"
	"google.golang.org/grpc"
)

// config is the part of buildkitd.toml that the tests write.
type config struct {
	Entitlements []string `toml:"insecure-entitlements"`
	Registry     map[string]struct {
		Mirrors []string `toml:"mirrors"`
	} `toml:"registry"`
	CDI struct {
		SpecDirs []string `toml:"specDirs"`
	} `toml:"cdi"`
}

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "buildkitd (adapter):", err)
		os.Exit(1)
	}
}

func serve() error {
	flags := flag.NewFlagSet("buildkitd", flag.ContinueOnError)
	root := flags.String("root", "", "directory of the daemon")
	addr := flags.String("addr", "", "unix:// socket")
	file := flags.String("config", "", "buildkitd.toml")
	containerd := flags.String("containerd-worker-addr", "",
		"socket of containerd, which gets images without another place")
	flags.Bool("debug", false, "ignored")
	for _, name := range []string{"oci-worker", "containerd-worker", "oci-worker-gc", "oci-worker-labels",
		"oci-worker-snapshotter",
		"containerd-worker-gc", "containerd-worker-labels", "containerd-worker-snapshotter"} {
		flags.String(name, "", "ignored")
	}
	if err := flags.Parse(os.Args[1:]); err != nil {
		return err
	}
	d, err := newDaemon(*root, *file)
	if err != nil {
		return err
	}
	d.containerd = *containerd
	listener, err := net.Listen("unix", strings.TrimPrefix(*addr, "unix://"))
	if err != nil {
		return err
	}
	server := grpc.NewServer(
		grpc.UnaryInterceptor(grpcerrors.UnaryServerInterceptor),
		grpc.StreamInterceptor(grpcerrors.StreamServerInterceptor),
		grpc.MaxRecvMsgSize(64<<20), grpc.MaxSendMsgSize(64<<20),
	)
	controlapi.RegisterControlServer(server, d)
	gatewayapi.RegisterLLBBridgeServer(server, &gateway{daemon: d})
	content.RegisterContentServer(server, contentserver.New(d.content))
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-stop
		d.cancel()
		server.Stop()
	}()
	return server.Serve(listener)
}

// newDaemon prepares the directory of a daemon: the store, and the configuration of minirun.
func newDaemon(root, file string) (*daemon, error) {
	d := &daemon{root: root, builds: map[string]*build{}, changed: make(chan struct{})}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if err := toml.Unmarshal(text, &d.config); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	mirrors := map[string][]string{}
	for registry, c := range d.config.Registry {
		for _, mirror := range c.Mirrors {
			mirrors[registry] = append(mirrors[registry], "http://"+mirror)
		}
	}
	// The harness gives the address of its mirror as localhost, and BuildKit calls Docker's registry
	// docker.io.
	registries, err := json.Marshal(map[string]any{"mirrors": mirrors})
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(d.path("home/.config/minirun"), 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(d.path("home/.config/minirun/registries.json"), registries, 0o600); err != nil {
		return nil, err
	}
	if d.content, err = local.NewStore(d.path("content")); err != nil {
		return nil, err
	}
	d.sessions, err = session.NewManager()
	return d, err
}

func (d *daemon) path(name string) string { return filepath.Join(d.root, name) }
