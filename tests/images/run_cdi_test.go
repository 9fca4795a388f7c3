package images

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestRunDeviceByCDIName: --device with the name of a CDI device adds what its specification says.
func TestRunDeviceByCDIName(t *testing.T) {
	testbundle.Need(t)
	file := "/var/run/cdi/minirun-test.json"
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Skip("the directory of CDI specifications cannot be created: ", err)
	}
	write(t, file, `{"cdiVersion":"0.6.0","kind":"minirun.example/test","devices":[{"name":"one","containerEdits":`+
		`{"env":["CDI=injected"],"deviceNodes":[{"path":"/dev/one","hostPath":"/dev/null"}]}}]}`)
	t.Cleanup(func() { _ = os.Remove(file) })
	s := loaded(t, runs("sh", "-c", "echo $CDI; stat -c '%t %T' /dev/one"))
	if got := s.Do("run", "--rm", "--name", name("cdi"), "--device", "minirun.example/test=one", "busybox"); got != "injected\n1 3" {
		t.Errorf("%q", got)
	}
}
