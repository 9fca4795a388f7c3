package image

import (
	"slices"
	"strings"
	"testing"
)

const (
	testPasswd = `root:x:0:0:root:/root:/bin/sh
user:x:1000:1001::/home/user:/bin/sh

largest:x:4294967294:4294967294::/:
bits32:x:4294967296:0::/:
nochange:x:4294967295:0::/:
bits64:x:18446744073709551616:0::/:
negative:x:-1:0::/:
text:x:root:0::/:
empty:x::0::/:
hexadecimal:x:0x10:0::/:
short:x
shorter
group32:x:1005:4294967296::/:
member:x:1006:1006::/:
`
	testGroup = `root:x:0:root
users:x:50:user,root
again:x:50:user
bits32:x:4294967296:
outside:x:4294967295:member
text:x:fifty:
`
)

func TestExecUser(t *testing.T) {
	for who, want := range map[string][]uint32{ // uid, gid, additional groups
		"": {0, 0, 0, 50}, "root": {0, 0, 0, 50}, "0": {0, 0, 0, 50}, "user": {1000, 1001, 1001, 50}, "1000": {1000,
			1001, 1001, 50},
		"user:": {1000, 1001, 1001, 50}, "7": {7, 0, 0}, "7:8": {7, 8, 8}, "1000:2000": {1000, 2000,
			2000}, "user:users": {1000, 50, 50},
		":users": {0, 50, 50}, "largest": {4294967294, 4294967294, 4294967294}, "2147483647:2147483647": {2147483647,
			2147483647, 2147483647},
	} {
		got, err := execUser(who, []byte(testPasswd), []byte(testGroup))
		if err != nil || !slices.Equal(append([]uint32{got.UID, got.GID}, got.AdditionalGids...), want) {
			t.Errorf("%q: %+v, %v, want %d", who, got, err, want)
		}
	}
	if got, err := execUser("", nil, nil); err != nil || got.UID != 0 ||
		!slices.Equal(got.AdditionalGids, []uint32{0}) {
		t.Errorf("without files: %+v, %v", got, err)
	}
}

// A number that is out of range is an error and never becomes another ID, which could be root's
// (CVE-2024-40635).
func TestExecUserRefusesNumbersOutOfRange(t *testing.T) {
	for _, who := range []string{
		"bits32", "nochange", "bits64", "negative", "text", "empty", "hexadecimal", "short", "shorter", "group32",
		"1005", "member",
		"user:bits32", "user:outside", "user:text", "none", "user:none",
		"-1", "+1", "2147483648", "4294967295", "4294967296", "18446744073709551616", "1000:-1", "1000:4294967295",
		"1000:4294967296",
	} {
		got, err := execUser(who, []byte(testPasswd), []byte(testGroup))
		if err == nil {
			t.Errorf("%q: %+v", who, got)
		}
	}
}

func FuzzExecUser(f *testing.F) {
	f.Add("user:users", testPasswd, testGroup)
	f.Add("1000:2000", "a:b:1000", "::::")
	f.Fuzz(func(t *testing.T, who, passwd, group string) {
		u, err := execUser(who, []byte(passwd), []byte(group))
		if err != nil {
			return
		}
		if u.UID > maxID || u.GID > maxID || slices.Max(u.AdditionalGids) > maxID ||
			!slices.Contains(u.AdditionalGids, u.GID) {
			t.Errorf("%+v", u)
		}
		if name, _, _ := strings.Cut(who, ":"); u.UID == 0 && name != "" && strings.Trim(name, "0") != "" &&
			!strings.Contains(passwd, ":0:") && !strings.Contains(passwd, "00:") {
			t.Errorf("%q is root by %q", who, passwd)
		}
	})
}
