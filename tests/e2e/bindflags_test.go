package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// A flagTable is one table of docs/mounts.md: the resulting flags of a bind mount (cells), by option
// (rows) and by the flags of its source (columns).
type flagTable struct {
	columns []string
	rows    []flagRow
}

type flagRow struct {
	options []string
	cells   []string
}

const refused = "**EPERM**"

// flagTables reads the tables below a heading of docs/mounts.md.
func flagTables(t *testing.T, heading string) flagTable {
	t.Helper()
	page, err := os.ReadFile("../../docs/mounts.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("docs/mounts.md has no section %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var table flagTable
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.Trim(strings.TrimSpace(cells[i]), "`")
		}
		switch {
		case !strings.HasPrefix(line, "| "):
		case table.columns == nil:
			table.columns = cells[1:]
		default:
			row := flagRow{cells: cells[1:]}
			if cells[0] != "none" {
				row.options = strings.Split(cells[0], ",")
			}
			table.rows = append(table.rows, row)
		}
	}
	if len(table.columns) < 3 || len(table.rows) < 10 {
		t.Fatalf("the table of %q in docs/mounts.md has %d columns and %d rows", heading, len(table.columns), len(table.rows))
	}
	return table
}

// sourceFlags returns the mount(2) flags named in the header of a column.
func sourceFlags(column string) (flags uintptr) {
	names := map[string]uintptr{
		"ro": unix.MS_RDONLY, "nosuid": unix.MS_NOSUID, "nodev": unix.MS_NODEV, "noexec": unix.MS_NOEXEC, "nosymfollow": unix.MS_NOSYMFOLLOW,
		"relatime": unix.MS_RELATIME, "noatime": unix.MS_NOATIME, "strictatime": unix.MS_STRICTATIME, "nodiratime": unix.MS_NODIRATIME,
	}
	for _, word := range strings.Split(column, ",") {
		flags |= names[word]
	}
	return flags
}

// mountWithFlags mounts a tmpfs, and another one below it, with the same flags.
func mountWithFlags(t *testing.T, dir string, flags uintptr) {
	t.Helper()
	below := filepath.Join(dir, "below")
	for _, at := range []string{dir, below} {
		if err := os.MkdirAll(at, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount("tmpfs", at, "tmpfs", 0, "mode=755"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Unmount(at, unix.MNT_DETACH) })
	}
	for _, at := range []string{below, dir} {
		if err := unix.Mount("", at, "", unix.MS_REMOUNT|unix.MS_BIND|flags, ""); err != nil {
			t.Fatal(err)
		}
	}
}

// written returns a mount's options in mountinfo in the notation of docs/mounts.md.
func written(options string) string {
	has := map[string]bool{}
	var out []string
	for _, o := range strings.Split(options, ",") {
		has[o] = true
		if o != "rw" && o != "relatime" {
			out = append(out, o)
		}
	}
	if !has["relatime"] && !has["noatime"] {
		out = append(out, "strictatime")
	}
	if len(out) == 0 {
		return "—"
	}
	return strings.Join(out, ", ")
}

// TestBindFlags tests every cell of the first two tables of docs/mounts.md, for bind and for rbind.
// All mounts of a column that succeed are in one container.
func TestBindFlags(t *testing.T) {
	for _, c := range []struct {
		heading string
		change  func(*specs.Spec)
	}{
		{"In the host's user namespace", func(*specs.Spec) {}},
		{"In a user namespace of the container", userns},
	} {
		table := flagTables(t, c.heading)
		for column, name := range table.columns {
			t.Run(c.heading+"/"+name, func(t *testing.T) { bindFlagsColumn(t, table, column, c.change) })
		}
	}
}

func bindFlagsColumn(t *testing.T, table flagTable, column int, change func(*specs.Spec)) {
	b := testbundle.New(t, change, testbundle.Sh("awk '{print $5, $6}' /proc/self/mountinfo"))
	mountWithFlags(t, b.Host, sourceFlags(table.columns[column]))
	// Even a root user who owns nothing on the host can create its directories.
	tmpfs := specs.Mount{Destination: "/mnt", Type: "tmpfs", Source: "tmpfs"}
	defaults := append(b.Spec.Mounts, tmpfs)
	mount := func(kind, at string, row int) specs.Mount {
		return specs.Mount{Destination: at, Type: "bind", Source: b.Host, Options: append([]string{kind}, table.rows[row].options...)}
	}
	want := map[string]string{}
	for row, r := range table.rows {
		if r.cells[column] == refused {
			b.Spec.Mounts = append(defaults[:len(defaults):len(defaults)], mount("rbind", "/mnt/refused", row))
			b.Run().Fails(t, "operation not permitted", "locked")
			continue
		}
		for _, kind := range []string{"bind", "rbind"} {
			want[fmt.Sprintf("/mnt/%s/%d", kind, row)] = r.cells[column]
		}
		want[fmt.Sprintf("/mnt/rbind/%d/below", row)] = table.rows[0].cells[column]
		if recursive(r.options) {
			want[fmt.Sprintf("/mnt/rbind/%d/below", row)] = r.cells[column]
		}
	}
	b.Spec.Mounts = defaults[:len(defaults):len(defaults)]
	for row := range table.rows {
		for _, kind := range []string{"bind", "rbind"} {
			if at := fmt.Sprintf("/mnt/%s/%d", kind, row); want[at] != "" {
				b.Spec.Mounts = append(b.Spec.Mounts, mount(kind, at, row))
			}
		}
	}
	r := b.Run()
	r.Exit(t, 0)
	got := map[string]string{}
	for line := range strings.Lines(r.Stdout) {
		at, options, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.HasPrefix(at, "/mnt/") {
			got[at] = written(options)
		}
	}
	for at, w := range want {
		if got[at] != w {
			t.Errorf("%s of %s: has %q, docs/mounts.md says %q", at, table.rows[rowOf(at)].options, got[at], w)
		}
		delete(got, at)
	}
	for at, g := range got {
		t.Errorf("%s (%s) is mounted, but was not asked for", at, g)
	}
}

// recursive reports whether options also apply to all mounts below.
func recursive(options []string) bool {
	return len(options) == 1 && strings.HasPrefix(options[0], "r") && !slices.Contains([]string{"ro", "rw", "relatime"}, options[0])
}

// rowOf returns the row that a destination represents.
func rowOf(destination string) (row int) {
	_, _ = fmt.Sscanf(strings.Split(destination, "/")[3], "%d", &row)
	return row
}

// TestRemountFlags tests every cell of the table of remounts.
func TestRemountFlags(t *testing.T) {
	table := flagTables(t, "remount")
	for column, name := range table.columns {
		flags, change := uintptr(0), func(*specs.Spec) {}
		if strings.HasPrefix(name, "all four") {
			flags = sourceFlags("ro,nosuid,nodev,noexec")
		}
		if strings.HasSuffix(name, "user namespace") {
			change = userns
		}
		t.Run(name, func(t *testing.T) {
			b := testbundle.New(t, change, testbundle.Sh(options("/mnt")))
			mountWithFlags(t, b.Host, flags)
			defaults := b.Spec.Mounts
			for _, r := range table.rows {
				b.Spec.Mounts = append(defaults[:len(defaults):len(defaults)],
					specs.Mount{Destination: "/mnt", Type: "bind", Source: b.Host, Options: []string{"rbind"}},
					specs.Mount{Destination: "/mnt", Options: append([]string{"remount", "bind"}, r.options...)})
				run := b.Run()
				if r.cells[column] == refused {
					run.Fails(t, "operation not permitted", "locked")
				} else if got := written(strings.TrimSpace(run.Stdout)); got != r.cells[column] {
					t.Errorf("remount,bind,%s: has %q, docs/mounts.md says %q", strings.Join(r.options, ","), got, r.cells[column])
				}
			}
		})
	}
}

// The root of a container with a user namespace may change mounts, but may not clear the flags of the
// host's mounts, or uncover what a mount below the source hides.
func TestHostFlagsAreLocked(t *testing.T) {
	b := testbundle.New(t, userns, testbundle.Sh(`
		mount -o remount,bind,rw /mnt && echo writable
		mount -o remount,bind,ro,dev,suid,exec /mnt && echo other flags
		umount /mnt/below && echo uncovered
		umount -l /mnt/below && echo uncovered
		cat /mnt/file /opt/one; true`))
	mountWithFlags(t, b.Host, 0)
	if err := os.WriteFile(filepath.Join(b.Host, "file"), []byte("x\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", b.Host, "", unix.MS_REMOUNT|unix.MS_BIND|sourceFlags("ro,nosuid,nodev"), ""); err != nil {
		t.Fatal(err)
	}
	for _, set := range []*[]string{&b.Spec.Process.Capabilities.Bounding, &b.Spec.Process.Capabilities.Effective, &b.Spec.Process.Capabilities.Permitted} {
		*set = append(*set, "CAP_SYS_ADMIN")
	}
	file := filepath.Join(b.Host, "file")
	addMount(specs.Mount{Destination: "/mnt", Type: "bind", Source: b.Host, Options: []string{"rbind"}})(b.Spec)
	addMount(specs.Mount{Destination: "/opt/one", Type: "bind", Source: file, Options: []string{"bind"}})(b.Spec)
	if err := os.WriteFile(b.Path("/opt/one"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	b.Run().Prints(t, "x\nx\n")
	// With joined namespaces the mounts of the joined one are not copied. Its user namespace maps
	// different IDs from those of the bundle's files.
	pid := holder(t, unix.CLONE_NEWUSER|unix.CLONE_NEWNS).Process.Pid
	for kind, name := range map[specs.LinuxNamespaceType]string{specs.UserNamespace: "user", specs.MountNamespace: "mnt"} {
		with(kind, fmt.Sprintf("/proc/%d/ns/%s", pid, name))(b.Spec)
	}
	b.Spec.Linux.UIDMappings, b.Spec.Linux.GIDMappings = nil, nil
	b.Run().Prints(t, "x\nx\n")
}
