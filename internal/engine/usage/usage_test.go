package usage

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/minirun/minirun/internal/cgroups/stats"
	"github.com/minirun/minirun/internal/engine"
)

// sampled returns a container's use of resources.
func sampled() Usage {
	u := Usage{CPU: 12.345, Received: 1500, Transmitted: 20}
	u.Container.Container = "web"
	u.fill(&stats.Stats{
		Memory: stats.MemoryStats{Usage: stats.MemoryEntry{Usage: 100 << 20, Limit: math.MaxUint64},
			Raw: map[string]uint64{"inactive_file": 1, "total_inactive_file": 36 << 20}},
		Blkio: stats.BlkioStats{ServiceBytes: []stats.BlkioEntry{{Op: "Read", Value: 1000}, {Op: "Write", Value: 5},
			{Op: "read", Value: 2000}, {Op: "Total", Value: 9999}}},
		Pids: stats.PidsStats{Current: 7},
	}, 128<<20)
	return u
}

func TestFormats(t *testing.T) {
	list := []Usage{sampled(), {Container: engine.Listed{Record: engine.Record{Container: "stopped"}}}}
	for format, want := range map[string]string{
		"{{.Name}} {{.CPUPerc}} {{.MemUsage}} {{.MemPerc}} {{.NetIO}} {{.BlockIO}} {{.PIDs}}": "web 12.35% 64MiB / 128MiB 50.00% 1.5kB / 20B 3kB / 5B 7\n" +
			"stopped -- -- / -- -- -- -- --\n",
		`table {{.Name}}\t{{.CPUPerc}}`: "NAME      CPU %\nweb       12.35%\nstopped   --\n",
	} {
		var out bytes.Buffer
		o := Options{Format: format}
		if err := o.write(&out, list); err != nil || out.String() != want {
			t.Errorf("%s: %q, %v", format, &out, err)
		}
	}
	var out bytes.Buffer
	if err := (&Options{Format: "json"}).write(&out, list); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var first map[string]string
	if err := json.Unmarshal([]byte(lines[0]), &first); err != nil || len(lines) != 2 || first["CPUPerc"] != "12.35%" || first["PIDs"] != "7" {
		t.Errorf("%q, %v", lines, err)
	}
}

func TestCPUSinceTheReadingBefore(t *testing.T) {
	now := time.Now()
	before := reading{pid: 1, cpu: 1e9, at: now.Add(-2 * time.Second)}
	for want, r := range map[float64]reading{
		50:  {pid: 1, cpu: 2e9, at: now},
		200: {pid: 1, cpu: 5e9, at: now},
		0:   {pid: 2, cpu: 2e9, at: now}, // started again
	} {
		if got := r.since(before); got != want {
			t.Errorf("%+v: %v, want %v", r, got, want)
		}
	}
}

func TestParseNetDev(t *testing.T) {
	in, out := parseNetDev(`Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     999       9    0    0    0     0          0         0      999       9    0    0    0     0       0          0
  eth0:    1200      10    0    0    0     0          0         0       30       3    0    0    0     0       0          0
  eth1:7 10 0 0 0 0 0 0 8 3 0 0 0 0 0 0
`)
	if in != 1207 || out != 38 {
		t.Errorf("%d received, %d transmitted", in, out)
	}
}

// TestTableFits: a narrow terminal gets fewer columns, but always names and the use of CPU and memory.
func TestTableFits(t *testing.T) {
	for _, width := range []int{200, 100, 80, 60, 45} {
		v := &screen{options: Options{Format: "table"}, list: []Usage{sampled()}}
		text := v.text(width, 24)
		for line := range strings.Lines(text) {
			if n := len([]rune(strings.TrimSpace(line))); n > width {
				t.Errorf("%d columns: %d: %s", width, n, line)
			}
		}
		if !strings.Contains(text, "web") || !strings.Contains(text, "12.35%") || !strings.Contains(text, "64MiB") {
			t.Errorf("%d columns:\n%s", width, text)
		}
	}
}
