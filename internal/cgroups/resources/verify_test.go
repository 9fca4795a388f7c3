package resources

import "testing"

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		verify    Verify
		want, got string
		matches   bool
	}{
		{VerifyText, "5", "5\n", true}, {VerifyText, "5", "50\n", false},
		{VerifyBytes, "5000", "4096\n", true}, {VerifyBytes, "5000", "8192\n", false},
		{VerifyBytes, "-1", "9223372036854771712\n", true}, {VerifyBytes, "max", "max\n", true},
		{VerifyBytes, "9223372036854775807", "9223372036854771712\n", true}, {VerifyBytes, "1G", "1073741824\n", true},
		{VerifyBytes, "4096", "max\n", false}, {VerifyBytes, "-1", "4096\n", false},
		{VerifyList, "0,1,2", "0-2\n", true}, {VerifyList, "0-3", "0-2\n", false}, {VerifyList, "0", "\n", false},
		{VerifyPrefix, "max", "max 100000\n", true}, {VerifyPrefix, "50 100", "50 1000\n", false}, {VerifyPrefix, "50", "max 100\n", false},
		{VerifyDefault, "100", "default 100\n8:0 7\n", true}, {VerifyDefault, "100", "100\n", true}, {VerifyDefault, "100", "10\n", false},
		{VerifyLine, "8:0 5", "8:1 4\n8:0 5\n", true}, {VerifyLine, "8:0 5", "8:0 4\n", false}, {VerifyLine, "8:0 0", "", true}, {VerifyLine, "8:0 5", "", false},
		{VerifyLine, "8:0 rbps=5", "8:0 rbps=5 wbps=max\n", true}, {VerifyLine, "8:0 rbps=5", "8:0 rbps=50 wbps=max\n", false},
		{VerifyLine, "8:0 rbps=max", "", true},
		{VerifyOOM, "1", "oom_kill_disable 1\nunder_oom 0\n", true}, {VerifyOOM, "1", "oom_kill_disable 0\nunder_oom 1\n", false},
		{VerifyDevices, "c 1:3 rwm\nb *:* m", "b *:* m\nc 1:3 rwm\n", true}, {VerifyDevices, "c 1:3 rw", "c 1:3 rwm\n", false},
	} {
		v := Value{Value: c.want, Verify: c.verify}
		if got := v.matches(c.got, 4096); got != c.matches {
			t.Errorf("verify %d: %q against %q is %v", c.verify, c.want, c.got, got)
		}
	}
}
