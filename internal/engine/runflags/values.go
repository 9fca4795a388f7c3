package runflags

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"

	"github.com/minirun/minirun/internal/cmdline"
)

// fail records an error about the value of a flag.
func (r *reader) fail(flag, value, format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("--%s %q: %s", flag, value, fmt.Sprintf(format, args...))
	}
}

// text returns the value of a flag, "" if it is not given. A value that is empty, as "$UNSET" in a
// script, is an error.
func (r *reader) text(flag string) string {
	value := r.ctx.String(flag)
	if value == "" && r.ctx.IsSet(flag) {
		r.fail(flag, "", "the value is empty")
	}
	return value
}

// list returns the values of a flag.
func (r *reader) list(flag string) []string {
	values := cmdline.ListValues(r.ctx, flag)
	if slices.Contains(values, "") {
		r.fail(flag, "", "the value is empty")
	}
	return values
}

// choice returns one of the values, the first one by default.
func (r *reader) choice(flag string, values ...string) string {
	value := r.text(flag)
	switch {
	case value == "":
		return values[0]
	case !slices.Contains(values, value):
		last := len(values) - 1
		r.fail(flag, value, "must be %s or %s", strings.Join(values[:last], ", "), values[last])
	}
	return value
}

// number returns a number, nil if the flag is not given.
func (r *reader) number(flag string, least, most int) *int {
	value := r.text(flag)
	if value == "" {
		return nil
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < least || n > most {
		r.fail(flag, value, "must be a number from %d to %d", least, most)
	}
	return &n
}

// size returns a number of bytes, 0 if the flag is not given.
func (r *reader) size(flag string) int64 {
	value := r.text(flag)
	if value == "" {
		return 0
	}
	n, ok := bytes(value)
	if !ok {
		r.fail(flag, value, "must be a number of bytes, optionally followed by b, k, m or g")
	}
	return n
}

// sizeOrUnlimited returns a number of bytes or -1, nil if the flag is not given.
func (r *reader) sizeOrUnlimited(flag string) *int64 {
	n := int64(-1)
	if r.ctx.String(flag) != "-1" {
		n = r.size(flag)
	}
	if n == 0 {
		return nil
	}
	return &n
}

// bytes parses a number of bytes with a unit.
func bytes(text string) (int64, bool) {
	n, err := units.RAMInBytes(text)
	return n, err == nil && n > 0
}

// duration returns a duration, 0 if the flag is not given.
func (r *reader) duration(flag string) time.Duration {
	value := r.text(flag)
	if value == "" {
		return 0
	}
	d, err := time.ParseDuration(value)
	if err != nil || d < time.Millisecond {
		r.fail(flag, value, "must be a time such as 30s or 1m30s, at least 1ms")
	}
	return d
}

// hasSELinux reports whether the host uses SELinux.
func hasSELinux() bool {
	_, err := os.Stat("/sys/fs/selinux/enforce")
	return err == nil
}
