package images

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/lab/scene"
	"github.com/minirun/minirun/internal/lab/words"
)

// answers asks for a page from a port of the host, and that a container of the learner sends it: while its
// processes are stopped for a moment, no answer arrives. It does not matter how the port gets there.
type answers struct {
	scene.Of `yaml:",inline"`
	Port     string `yaml:"port"`
	Contains string `yaml:"contains"`
}

const (
	answerPatience = 2 * time.Second
	silence        = 400 * time.Millisecond // without an answer
)

// get returns what a port of this host answers to a request for its first page.
func get(ctx context.Context, port string, limit time.Duration) (page string, err error) {
	dialer := net.Dialer{Timeout: limit}
	c, err := dialer.DialContext(ctx, "tcp4", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(limit)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(c, "GET / HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n"); err != nil {
		return "", err
	}
	data, err := io.ReadAll(io.LimitReader(c, scene.LongestFile))
	if len(data) > 0 { // servers may close a connection in a way that is an error
		return string(data), nil
	}
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return "", err
}

// awaitPage returns a page from a server that may have been started a moment ago.
func awaitPage(ctx context.Context, port string) (page string, err error) {
	for deadline := time.Now().Add(answerPatience); ; time.Sleep(scene.PollInterval) {
		page, err = get(ctx, port, answerPatience)
		if !errors.Is(err, unix.ECONNREFUSED) || time.Now().After(deadline) {
			return page, err
		}
	}
}

func (q *answers) Holds(ctx context.Context, s *scene.Scene) (*scene.Failure, error) {
	p, failure := q.Find(s)
	if failure != nil {
		return failure, nil
	}
	look := "busybox wget -q -O - http://127.0.0.1:" + q.Port + "/"
	expected := words.New("an answer on port %s that contains %q", q.Port, q.Contains)
	page, err := awaitPage(ctx, q.Port)
	if err != nil && strings.HasPrefix(p.Status["State"], "T") {
		return scene.Fail(expected, words.New("process %d is stopped", p.PID), "kill -CONT %d", p.PID)
	}
	if err != nil {
		return scene.Fail(expected, words.New("%v", err), "%s", look)
	}
	if !strings.Contains(page, q.Contains) {
		return scene.Fail(expected, words.New("%q", scene.Shorten(page)), "%s", look)
	}
	if !p.IsInit() {
		return q.fromHost()
	}
	stop(s, p.Part)
	_, err = get(ctx, q.Port, silence)
	resume(s, p.Part)
	if err == nil {
		return q.fromHost()
	}
	return nil, nil
}

func (q *answers) fromHost() (*scene.Failure, error) {
	return scene.Fail(words.New("the container answers on port %s", q.Port), words.New("a process of the host answers"),
		"ss -ltnp")
}

// stop stops the processes of a part of the lab, and resume lets them run again.
func stop(s *scene.Scene, part string) { signalPart(s, part, unix.SIGSTOP) }

func resume(s *scene.Scene, part string) { signalPart(s, part, unix.SIGCONT) }

func signalPart(s *scene.Scene, part string, signal unix.Signal) {
	for _, p := range scene.Marked(s.Values["token"]) {
		if p.Part == part {
			_ = unix.Kill(p.PID, signal) // it may be gone
		}
	}
}

// health runs an image with its own health check, more often than it says, and stops the server's
// processes: the container must be healthy, then unhealthy, and healthy again when they run on.
type health struct {
	Image string `yaml:"image"`
}

// healthTest is the format that shows an image's health check.
const healthTest = `{{if .Config.Healthcheck}}{{join .Config.Healthcheck.Test " "}}{{end}}`

// healthPatience is how long a change of the state may take.
const healthPatience = 5 * time.Second

func (q *health) Holds(ctx context.Context, s *scene.Scene) (*scene.Failure, error) {
	test, err := minirun(ctx, s, "inspect", "--type", "image", "--format", healthTest, q.Image)
	var no *refused
	if errors.As(err, &no) {
		return scene.Fail(words.New("an image %s", q.Image), words.New("%s", no.output), "./minirun images")
	}
	if err != nil {
		return nil, err
	}
	if test = strings.TrimSpace(test); test == "" || test == "NONE" {
		return scene.Fail(words.New("the image %s has a health check", q.Image), words.New("none"),
			"./minirun history %s", q.Image)
	}
	id := "lab-check-" + random()
	defer removeTrial(context.WithoutCancel(ctx), s, id)
	_, err = minirun(ctx, s, "run", "-d", "--name", id, "--network", "none", "-e", trialMark(s),
		"--health-interval", "200ms", "--health-timeout", "1s", "--health-retries", "1", "--health-start-period", "1ms",
		q.Image)
	if errors.As(err, &no) {
		return scene.Fail(words.New("%s starts and runs on", q.Image), words.New("%s", no.output), "./minirun run %s",
			q.Image)
	}
	if err != nil {
		return nil, err
	}
	look := "./minirun inspect --type image --format '{{json .Config.Healthcheck}}' " + q.Image
	state, err := awaitHealth(ctx, s, id, healthy, time.Time{})
	if state != healthy || err != nil {
		return healthFailure(words.New("the health check succeeds while the server answers"), state, look, err)
	}
	stop(s, "trial")
	state, err = awaitHealth(ctx, s, id, unhealthy, time.Now())
	resume(s, "trial")
	if state != unhealthy || err != nil {
		return healthFailure(words.New("the health check fails while the server does not answer"), state, look, err)
	}
	state, err = awaitHealth(ctx, s, id, healthy, time.Time{})
	if state != healthy || err != nil {
		return healthFailure(words.New("the health check succeeds when the server answers again"), state, look, err)
	}
	return nil, nil
}

// States of a container with a health check.
const (
	healthy   = "healthy"
	unhealthy = "unhealthy"
)

func healthFailure(expected words.Text, state, look string, err error) (*scene.Failure, error) {
	if err != nil {
		return nil, err
	}
	return scene.Fail(expected, words.New("the state %q", state), "%s", look)
}

// A healthState is what minirun keeps about the health of a container, in docker's form.
type healthState struct {
	Running bool
	Health  struct {
		Status string
		Log    []struct {
			Start    time.Time
			ExitCode int
		}
	}
}

// succeededAfter reports whether a probe that began after a time succeeded.
func (h *healthState) succeededAfter(t time.Time) bool {
	for _, probe := range h.Health.Log {
		if probe.Start.After(t) && probe.ExitCode == 0 {
			return true
		}
	}
	return false
}

// awaitHealth waits for a state of health, and returns the last one. If the servers were stopped at a time,
// it does not wait any longer when a probe that began later succeeds. A container that ended has no state.
func awaitHealth(ctx context.Context, s *scene.Scene, id, want string, stopped time.Time) (string, error) {
	for deadline := time.Now().Add(healthPatience); ; {
		out, err := minirun(ctx, s, "inspect", "--type", "container", "--format", "{{json .State}}", id)
		if err != nil {
			return "", err
		}
		var state healthState
		if err := json.Unmarshal([]byte(out), &state); err != nil {
			return "", err
		}
		status := state.Health.Status
		switch {
		case !state.Running:
			return "exited", nil
		case status == want, time.Now().After(deadline), !stopped.IsZero() && state.succeededAfter(stopped):
			return status, nil
		}
		select {
		case <-ctx.Done():
			return status, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}
