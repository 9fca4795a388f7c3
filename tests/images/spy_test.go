package images

import (
	"strconv"
	"strings"
	"testing"
	"time"

	docker "github.com/moby/docker-image-spec/specs-go/v1"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestSpyOnHealthCheck: health checks enter the container like `exec`, and as often as their interval
// requires: see TestSpyOnExec of tests/hostile.
func TestSpyOnHealthCheck(t *testing.T) {
	checks := testbundle.SpiedOn(t)
	caps := []string{
		"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID",
		"CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE", // Docker's
		"CAP_SYS_PTRACE",
	}
	config := docker.DockerOCIImageConfig{}
	config.Healthcheck = &docker.HealthcheckConfig{Test: []string{"CMD-SHELL", "echo >>/checks"}, Interval: 10 * time.Millisecond}
	s := loaded(t, config)
	for range 5 { // on a busy machine the spy may get no CPU time
		id := name("spy")
		s.Do("run", "-d", "--name", id, "--cap-add", "SYS_PTRACE", "-v", testbundle.Probe+":/probe:ro", "busybox", "/probe", "seize", "/stop")
		for done, end := 0, time.Now().Add(time.Duration(checks)*time.Second); done < checks; time.Sleep(50 * time.Millisecond) {
			done, _ = strconv.Atoi(s.Do("exec", id, "sh", "-c", "cat /checks | wc -l"))
			if time.Now().After(end) {
				t.Fatalf("only %d health checks", done)
			}
		}
		s.Do("exec", id, "touch", "/stop")
		testbundle.Await(t, "the spy's report", func() bool { return strings.Contains(s.Do("logs", id), "stopped in the set-up: ") })
		report := s.Do("logs", id)
		s.Do("rm", "-f", id)
		t.Log(report)
		for line := range strings.Lines(report) {
			if !strings.HasPrefix(line, "in the set-up: ") {
				continue
			}
			if more := testbundle.Excess(line, caps, "0"); more != nil {
				t.Errorf("a health check on its way into the container has more than the container: %q, of %q", more, line)
			}
		}
		if !strings.Contains(report, "stopped in the set-up: 0") {
			return
		}
	}
	t.Error("no spy stopped a health check in its set-up, so nothing is shown")
}
