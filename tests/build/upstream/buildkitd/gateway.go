package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	controlapi "github.com/moby/buildkit/api/services/control"
	apitypes "github.com/moby/buildkit/api/types"
	"github.com/moby/buildkit/client/buildid"
	gatewayapi "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/frontend/subrequests"
	"github.com/moby/buildkit/frontend/subrequests/lint"
	"github.com/moby/buildkit/frontend/subrequests/outline"
	"github.com/moby/buildkit/frontend/subrequests/targets"
	"github.com/moby/buildkit/identity"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A gateway serves a test function that acts as a frontend. The function can forward to
// dockerfile.v0, which is minirun build, read files of the result, and return it.
type gateway struct {
	gatewayapi.UnimplementedLLBBridgeServer
	daemon *daemon
}

// A frontendState holds what the function returns at its end, and its solved requests.
type frontendState struct {
	returned chan struct{} // closed when it has returned
	once     sync.Once
	result   *gatewayapi.ReturnRequest

	mu     sync.Mutex
	solved map[string]*solved
}

// solved is a request whose result has a reference.
type solved struct {
	request *gatewayapi.SolveRequest
	files   string // a directory with the result
}

func newFrontendState() *frontendState {
	return &frontendState{returned: make(chan struct{}), solved: map[string]*solved{}}
}

// solveGateway waits for the function's result, and exports it.
func (d *daemon) solveGateway(ctx context.Context, b *build, req *controlapi.SolveRequest,
	caller session.Caller) (map[string]string, error) {
	select {
	case <-b.frontend.returned:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if e := b.frontend.result.Error; e != nil {
		return nil, status.FromProto(e).Err()
	}
	s := b.frontend.find(b.frontend.result.Result)
	if s == nil {
		return map[string]string{}, nil
	}
	j := d.newJob(b, req, caller)
	defer j.close()
	return j.run(ctx, s.request.Frontend, s.request.FrontendOpt, s.request.FrontendInputs)
}

// find returns the request that produced a result: the one that all references share, because one
// request produces them for several platforms.
func (a *frontendState) find(r *gatewayapi.Result) *solved {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s := a.solved[r.GetRef().GetId()]; s != nil {
		return s
	}
	for _, ref := range r.GetRefs().GetRefs() {
		if s := a.solved[ref.Id]; s != nil {
			return s
		}
	}
	return nil
}

func (g *gateway) build(ctx context.Context) (*build, session.Caller, error) {
	b := g.daemon.build(buildid.FromIncomingContext(ctx))
	select {
	case <-b.begun:
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	caller, err := g.daemon.sessions.Get(ctx, b.request.Session, false)
	return b, caller, err
}

func (g *gateway) Ping(context.Context, *gatewayapi.PingRequest) (*gatewayapi.PongResponse, error) {
	return &gatewayapi.PongResponse{
		FrontendAPICaps: gatewayapi.Caps.All(), LLBCaps: pb.Caps.All(), Workers: []*apitypes.WorkerRecord{workerRecord()},
	}, nil
}

func (g *gateway) Return(ctx context.Context, req *gatewayapi.ReturnRequest) (*gatewayapi.ReturnResponse, error) {
	b, _, err := g.build(ctx)
	if err != nil {
		return nil, err
	}
	b.frontend.once.Do(func() {
		b.frontend.result = req
		close(b.frontend.returned)
	})
	return &gatewayapi.ReturnResponse{}, nil
}

func (g *gateway) Inputs(ctx context.Context, _ *gatewayapi.InputsRequest) (*gatewayapi.InputsResponse, error) {
	b, _, err := g.build(ctx)
	if err != nil {
		return nil, err
	}
	return &gatewayapi.InputsResponse{Definitions: b.request.FrontendInputs}, nil
}

func (g *gateway) Solve(ctx context.Context, req *gatewayapi.SolveRequest) (*gatewayapi.SolveResponse, error) {
	b, caller, err := g.build(ctx)
	if err != nil {
		return nil, err
	}
	for name, input := range req.FrontendInputs {
		if input == nil || len(input.Def) == 0 {
			return nil, status.Errorf(codes.InvalidArgument, "invalid nil input definition to definition op: %s",
				name)
		}
	}
	if req.Definition != nil {
		return nil, status.Error(codes.Unimplemented, "minirun does not build from LLB")
	}
	if err := checkFrontend(req.Frontend, req.FrontendOpt); err != nil {
		return nil, err
	}
	if err := supportedCaps(req.FrontendOpt["frontend.caps"]); err != nil {
		return nil, err
	}
	j := g.daemon.newJob(b, &controlapi.SolveRequest{Entitlements: b.request.Entitlements}, caller)
	defer j.close()
	if id := req.FrontendOpt["requestid"]; id != "" {
		return j.subrequest(ctx, id, req)
	}
	if err := j.prepare(ctx, req.FrontendOpt, req.FrontendInputs); err != nil {
		return nil, err
	}
	id := identity.NewID()
	s := &solved{request: req, files: g.daemon.path("result-" + id)}
	if err := j.minirun(ctx, nil, "--output", "type=local,dest="+s.files); err != nil {
		return nil, err
	}
	b.frontend.mu.Lock()
	b.frontend.solved[id] = s
	b.frontend.mu.Unlock()
	return &gatewayapi.SolveResponse{Result: newResult(id, req.FrontendOpt["platform"])}, nil
}

func newResult(id, platform string) *gatewayapi.Result {
	if !strings.Contains(platform, ",") {
		return &gatewayapi.Result{Result: &gatewayapi.Result_Ref{Ref: &gatewayapi.Ref{Id: id}}}
	}
	refs := map[string]*gatewayapi.Ref{}
	for _, p := range strings.Split(platform, ",") {
		refs[p] = &gatewayapi.Ref{Id: id}
	}
	return &gatewayapi.Result{Result: &gatewayapi.Result_Refs{Refs: &gatewayapi.RefMap{Refs: refs}}}
}

// caps lists the capabilities of BuildKit's Dockerfile frontend in addition to building.
var caps = []string{"moby.buildkit.frontend.inputs", "moby.buildkit.frontend.subrequests",
	"moby.buildkit.frontend.contexts",
	"moby.buildkit.frontend.contexts+forward", "moby.buildkit.frontend.gitquerystring"}

func supportedCaps(list string) error {
	for _, c := range strings.Split(list, ",") {
		if c != "" && !slices.Contains(caps, c) {
			return errdefs.NewUnsupportedFrontendCapError(c)
		}
	}
	return nil
}

// subrequest answers a query about the Dockerfile with minirun build --call.
func (j *job) subrequest(ctx context.Context, id string, req *gatewayapi.SolveRequest) (*gatewayapi.SolveResponse,
	error) {
	args := []string{"--check", "--format", "json"}
	switch id {
	case subrequests.RequestSubrequestsDescribe:
		text, err := json.Marshal([]subrequests.Request{subrequests.SubrequestsDescribeDefinition,
			lint.SubrequestLintDefinition, outline.SubrequestsOutlineDefinition,
			targets.SubrequestsTargetsDefinition})
		return metadata(text), err
	case lint.RequestLint:
	case outline.RequestSubrequestsOutline:
		args = []string{"--call", "outline,format=json"}
	case targets.RequestTargets:
		args = []string{"--call", "targets,format=json"}
	default:
		return nil, errdefs.NewUnsupportedSubrequestError(id)
	}
	if err := j.prepare(ctx, req.FrontendOpt, req.FrontendInputs); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := j.minirun(ctx, &out, args...); err != nil && out.Len() == 0 {
		return nil, err
	}
	text := out.Bytes()
	if id == lint.RequestLint {
		var found lint.LintResults
		if err := json.Unmarshal(text, &found); err != nil {
			return nil, err
		}
		found.Warnings = slices.DeleteFunc(found.Warnings, func(w lint.Warning) bool { return isMinirunRule(w.RuleName) })
		var err error
		if text, err = json.Marshal(found); err != nil {
			return nil, err
		}
	}
	return metadata(text), nil
}

func metadata(text []byte) *gatewayapi.SolveResponse {
	return &gatewayapi.SolveResponse{Result: &gatewayapi.Result{
		Result: &gatewayapi.Result_Ref{Ref: &gatewayapi.Ref{}}, Metadata: map[string][]byte{"result.json": text},
	}}
}

// file returns the path of a file in a result.
func (g *gateway) file(ctx context.Context, ref, name string) (string, error) {
	b, _, err := g.build(ctx)
	if err != nil {
		return "", err
	}
	b.frontend.mu.Lock()
	defer b.frontend.mu.Unlock()
	s := b.frontend.solved[ref]
	if s == nil {
		return "", fmt.Errorf("no result %s", ref)
	}
	return filepath.Join(s.files, filepath.Clean("/"+name)), nil
}

func (g *gateway) ReadFile(ctx context.Context, req *gatewayapi.ReadFileRequest) (*gatewayapi.ReadFileResponse,
	error) {
	name, err := g.file(ctx, req.Ref, req.FilePath)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(name)
	return &gatewayapi.ReadFileResponse{Data: text}, err
}

func (g *gateway) Evaluate(ctx context.Context, req *gatewayapi.EvaluateRequest) (*gatewayapi.EvaluateResponse,
	error) {
	_, err := g.file(ctx, req.Ref, ".")
	return &gatewayapi.EvaluateResponse{}, err
}
