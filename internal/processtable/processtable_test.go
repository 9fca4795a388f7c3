package processtable

import (
	"testing"
)

func TestSelectRowsKeepsProcessesOfContainer(t *testing.T) {
	const output = "UID   PID  PPID CMD\nroot   12     1 sleep 7\nroot  112    12 a\nroot    1     0 init 12\n\n"
	for _, c := range []struct {
		pids []int
		want string
	}{
		{nil, "UID   PID  PPID CMD\n"},
		{[]int{12}, "UID   PID  PPID CMD\nroot   12     1 sleep 7\n"},
		{[]int{112, 1}, "UID   PID  PPID CMD\nroot  112    12 a\nroot    1     0 init 12\n"},
	} {
		if got, err := selectRows(output, c.pids); got != c.want || err != nil {
			t.Errorf("%v: %q, %v", c.pids, got, err)
		}
	}
	for _, bad := range []string{"", "USER CMD\nroot x\n", "PID\nx\n"} {
		if got, err := selectRows(bad, []int{1}); err == nil {
			t.Errorf("%q: %q", bad, got)
		}
	}
}
