package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/platforms"
	controlapi "github.com/moby/buildkit/api/services/control"
	apitypes "github.com/moby/buildkit/api/types"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/grpchijack"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/archutil"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A daemon is one daemon of the test harness: each test has a separate daemon with a separate store.
type daemon struct {
	controlapi.UnimplementedControlServer

	root       string
	containerd string // its socket; "": the tests use no containerd
	config     config
	content    content.Store
	sessions   *session.Manager
	ctx        context.Context
	cancel     context.CancelFunc

	mu      sync.Mutex
	builds  map[string]*build
	changed chan struct{} // closed and replaced when builds changes
}

// build returns the build with a reference: the requests Solve and Status, and those of the gateway,
// arrive in any order.
func (d *daemon) build(ref string) *build {
	d.mu.Lock()
	defer d.mu.Unlock()
	b := d.builds[ref]
	if b == nil {
		b = newBuild(ref)
		d.builds[ref] = b
	}
	return b
}

func (d *daemon) Solve(ctx context.Context, req *controlapi.SolveRequest) (*controlapi.SolveResponse, error) {
	b := d.build(req.Ref)
	defer b.finish()
	caller, err := d.sessions.Get(ctx, req.Session, false)
	if err != nil {
		return nil, err
	}
	b.begin(req)
	response, err := d.solve(ctx, b, req, caller)
	if err != nil {
		return nil, err
	}
	return &controlapi.SolveResponse{ExporterResponse: response}, nil
}

func (d *daemon) solve(ctx context.Context, b *build, req *controlapi.SolveRequest,
	caller session.Caller) (map[string]string, error) {
	for _, e := range req.Entitlements {
		if err := d.checkEntitlement(e); err != nil {
			return nil, err
		}
	}
	switch {
	case req.Definition != nil && len(req.Definition.Def) > 0:
		return nil, status.Error(codes.Unimplemented, "minirun does not build from LLB")
	case req.Frontend == "":
		return d.solveGateway(ctx, b, req, caller)
	}
	if err := checkFrontend(req.Frontend, req.FrontendAttrs); err != nil {
		return nil, err
	}
	j := d.newJob(b, req, caller)
	defer j.close()
	return j.run(ctx, req.Frontend, req.FrontendAttrs, req.FrontendInputs)
}

func checkFrontend(frontend string, attrs map[string]string) error {
	if frontend == "dockerfile.v0" || frontend == "gateway.v0" && attrs["source"] == "dockerfile.v0" {
		return nil
	}
	return status.Errorf(codes.Unimplemented, "minirun has no frontend %s %s", frontend, attrs["source"])
}

// checkEntitlement checks whether the daemon's configuration grants an entitlement; minirun itself has only
// the flag.
func (d *daemon) checkEntitlement(entitlement string) error {
	for _, granted := range d.config.Entitlements {
		if granted == entitlement {
			return nil
		}
	}
	if entitlement == "security.insecure" || entitlement == "network.host" {
		return fmt.Errorf("granting entitlement %s is not allowed by build daemon configuration", entitlement)
	}
	return nil
}

func (d *daemon) Status(req *controlapi.StatusRequest, stream controlapi.Control_StatusServer) error {
	return d.build(req.Ref).follow(stream.Context(), stream.Send)
}

func (d *daemon) Session(stream controlapi.Control_SessionServer) error {
	conn, closed, options := grpchijack.Hijack(stream)
	defer conn.Close()
	ctx, cancel := context.WithCancel(stream.Context())
	go func() {
		<-closed
		cancel()
	}()
	return d.sessions.HandleConn(ctx, net.Conn(conn), options)
}

func (d *daemon) ListWorkers(context.Context, *controlapi.ListWorkersRequest) (*controlapi.ListWorkersResponse,
	error) {
	return &controlapi.ListWorkersResponse{Record: []*apitypes.WorkerRecord{workerRecord()}}, nil
}

func workerRecord() *apitypes.WorkerRecord {
	w := &apitypes.WorkerRecord{
		ID: "minirun", Labels: map[string]string{"org.mobyproject.buildkit.worker.executor": "oci"},
	}
	for _, p := range archutil.SupportedPlatforms(false) {
		w.Platforms = append(w.Platforms, platformOf(platforms.Normalize(p)))
	}
	return w
}

func platformOf(p platforms.Platform) *pb.Platform {
	return &pb.Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant, OSVersion: p.OSVersion}
}

func (d *daemon) Info(context.Context, *controlapi.InfoRequest) (*controlapi.InfoResponse, error) {
	return &controlapi.InfoResponse{BuildkitVersion: &apitypes.BuildkitVersion{Package: "github.com/minirun/minirun",
		Version: "v0.34.2"}}, nil
}

// DiskUsage counts the layer and cache directories in the store.
func (d *daemon) DiskUsage(context.Context, *controlapi.DiskUsageRequest) (*controlapi.DiskUsageResponse, error) {
	response := &controlapi.DiskUsageResponse{}
	for _, pattern := range []string{"store/layers/*", "store/build/cache/*"} {
		found, err := filepath.Glob(d.path(pattern))
		if err != nil {
			return nil, err
		}
		for _, dir := range found {
			response.Record = append(response.Record, &controlapi.UsageRecord{ID: filepath.Base(dir), Size: 1,
				RecordType: "regular"})
		}
	}
	return response, nil
}

// Prune removes the cache, the images and the build records.
func (d *daemon) Prune(req *controlapi.PruneRequest, stream controlapi.Control_PruneServer) error {
	out, err := d.command(stream.Context(), "prune", "--all", "--build", "--force").CombinedOutput()
	if err != nil {
		return fmt.Errorf("minirun prune: %w: %s", err, out)
	}
	return nil
}

// removeDir removes the directory of a job; a test checks at its end that the directory is gone.
func removeDir(dir string) { _ = os.RemoveAll(dir) }

// ListenBuildHistory sends the builds that are running: minirun's own history is in its store.
func (d *daemon) ListenBuildHistory(req *controlapi.BuildHistoryRequest,
	stream controlapi.Control_ListenBuildHistoryServer) error {
	if req.Ref != "" || !req.EarlyExit {
		return status.Error(codes.Unimplemented, "the adapter keeps no records of builds")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, b := range d.builds {
		if b.running() {
			event := &controlapi.BuildHistoryEvent{
				Record: &controlapi.BuildHistoryRecord{Ref: b.ref, Frontend: b.request.Frontend},
			}
			if err := stream.Send(event); err != nil {
				return err
			}
		}
	}
	return nil
}
