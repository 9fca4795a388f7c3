package manager

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	bus "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"

	"github.com/minirun/minirun/internal/systemd"
)

// A Manager is a connection to the system's systemd or the user's.
type Manager struct {
	systemd *bus.Conn
	calls   *dbus.Conn // for methods that go-systemd does not have
	name    string     // for messages: "systemd", "the user's systemd"
}

// Do executes a request and returns the answer.
func Do(ctx context.Context, r *systemd.Request) (answer string, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.Limit)
	defer cancel()
	m, err := Open(ctx, r.Unit.User)
	if err != nil {
		return "", err
	}
	defer m.Close()
	switch r.Do {
	case systemd.ControlGroup:
		return m.ControlGroup()
	case systemd.Start:
		properties, err := Properties(r)
		if err != nil {
			return "", err
		}
		return "", m.Start(ctx, &r.Unit, properties)
	case systemd.Set:
		return "", m.Set(ctx, &r.Unit, Limits(r.Values))
	case systemd.Stop:
		return "", m.Stop(ctx, &r.Unit)
	case systemd.Attach:
		return "", m.Attach(ctx, &r.Unit, r.Below, r.Pid)
	}
	return "", fmt.Errorf("no such request: %q", r.Do)
}

// Open connects to systemd. The connection ends with the context.
func Open(ctx context.Context, user bool) (*Manager, error) {
	m := &Manager{name: "systemd"}
	dial := func() (*dbus.Conn, error) { return dial(ctx, "unix:path=/run/dbus/system_bus_socket", os.Geteuid()) }
	if user {
		m.name = "the user's systemd"
		address, err := userBus()
		if err != nil {
			return nil, err
		}
		dial = func() (*dbus.Conn, error) { return dialUser(ctx, address) }
	}
	var err error
	m.systemd, err = bus.NewConnection(func() (*dbus.Conn, error) {
		c, err := dial()
		m.calls = c // the second connection is the one for calls
		return c, err
	})
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", m.name, explainTimeout(ctx, err))
	}
	if err := m.checkVersion(); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

func dial(ctx context.Context, address string, uid int) (*dbus.Conn, error) {
	c, err := dbus.Dial(address, dbus.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	if err = c.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(uid))}); err == nil {
		err = c.Hello()
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func dialUser(ctx context.Context, address string) (*dbus.Conn, error) {
	uid, err := hostUID()
	if err != nil {
		return nil, err
	}
	return dial(ctx, address, uid)
}

// userBus returns the address of the user's bus (sd_bus_open_user(3)).
func userBus() (string, error) {
	if a := os.Getenv("DBUS_SESSION_BUS_ADDRESS"); a != "" {
		return a, nil
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return "unix:path=" + dir + "/bus", nil
	}
	return "", errors.New("connect to the user's systemd: neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR is set\n" +
		"hint: log in as the user (su and sudo create no session), or run loginctl enable-linger and " +
		"export XDG_RUNTIME_DIR=/run/user/$UID")
}

// hostUID returns the user ID of this process outside its user namespace: the one that
// the bus sees. A rootless engine calls its runtime as root of a namespace.
func hostUID() (int, error) {
	text, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return 0, err
	}
	return mapToHost(string(text), os.Geteuid())
}

// mapToHost maps an ID of this user namespace through the lines of uid_map (user_namespaces(7)).
func mapToHost(text string, id int) (int, error) {
	for line := range strings.Lines(text) {
		var inside, host, size int
		if n, _ := fmt.Sscan(line, &inside, &host, &size); n == 3 && id >= inside && id-inside < size {
			return host + id - inside, nil
		}
	}
	return 0, fmt.Errorf("user %d is not in /proc/self/uid_map", id)
}

// Close closes the connection.
func (m *Manager) Close() { m.systemd.Close() }

// minVersion is the first version of systemd with all the properties of Limits.
const minVersion = 244

func (m *Manager) checkVersion() error {
	text, err := m.systemd.GetManagerProperty("Version")
	if err != nil {
		return fmt.Errorf("ask %s for its version: %w", m.name, err)
	}
	digits := strings.TrimLeft(text, `"v`)
	if i := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		digits = digits[:i]
	}
	if n, err := strconv.Atoi(digits); err != nil || n < minVersion {
		return fmt.Errorf("--systemd-cgroup: %s is version %s, but minirun needs version %d or newer",
			m.name, text, minVersion)
	}
	return nil
}

// ControlGroup returns the manager's own cgroup, "" for the system manager: its units
// are below it.
func (m *Manager) ControlGroup() (string, error) {
	text, err := m.systemd.GetManagerProperty("ControlGroup")
	if err != nil {
		return "", fmt.Errorf("ask %s for its cgroup: %w", m.name, err)
	}
	path, err := strconv.Unquote(text)
	return strings.TrimSuffix(path, "/"), err
}

// Start creates the unit, with the process named in its properties inside.
func (m *Manager) Start(ctx context.Context, u *systemd.Unit, properties []Property) error {
	err := m.start(ctx, u, properties)
	until := time.Now().Add(forgetTimeout)
	for isError(err, "UnitExists") && m.isEnding(ctx, u) && time.Now().Before(until) {
		time.Sleep(2 * time.Millisecond)
		err = m.start(ctx, u, properties)
	}
	if isError(err, "UnitExists") {
		return fmt.Errorf("%s already has a unit %s: %w\nhint: choose another name, or stop it with systemctl stop",
			m.name, u.Name, err)
	}
	if err != nil {
		return fmt.Errorf("ask %s to start %s in %s: %w", m.name, u.Name, u.Slice, explainTimeout(ctx, err))
	}
	return nil
}

// forgetTimeout is how long systemd may need to forget a unit whose cgroup no longer
// exists: a container of the same name has just exited.
const forgetTimeout = 2 * time.Second

// isEnding reports whether a unit has stopped but is not forgotten yet.
func (m *Manager) isEnding(ctx context.Context, u *systemd.Unit) bool {
	p, err := m.systemd.GetUnitPropertyContext(ctx, u.Name, "ActiveState")
	if err != nil {
		return isError(err, "NoSuchUnit")
	}
	switch p.Value.Value() {
	case "failed":
		return m.systemd.ResetFailedUnitContext(ctx, u.Name) == nil
	case "inactive", "deactivating":
		return true
	}
	cgroup, err := m.systemd.GetUnitTypePropertyContext(ctx, u.Name, "Scope", "ControlGroup")
	return err == nil && cgroup.Value.Value() == ""
}

func (m *Manager) start(ctx context.Context, u *systemd.Unit, properties []Property) error {
	result := make(chan string, 1)
	if _, err := m.systemd.StartTransientUnitContext(ctx, u.Name, "replace", properties, result); err != nil {
		return err
	}
	return await(ctx, result)
}

// await waits for the result of a job.
func await(ctx context.Context, result <-chan string) error {
	select {
	case r := <-result:
		if r != "done" {
			return fmt.Errorf("the job's result is %q: see journalctl", r)
		}
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Set changes properties for the lifetime of the unit.
func (m *Manager) Set(ctx context.Context, u *systemd.Unit, properties []Property) error {
	if len(properties) == 0 {
		return nil
	}
	if err := m.systemd.SetUnitPropertiesContext(ctx, u.Name, true, properties...); err != nil {
		return fmt.Errorf("ask %s to change %s: %w", m.name, u.Name, explainTimeout(ctx, err))
	}
	return nil
}

// Stop stops the unit, if it still exists: one whose cgroup is empty disappears by
// itself.
func (m *Manager) Stop(ctx context.Context, u *systemd.Unit) error {
	result := make(chan string, 1)
	_, err := m.systemd.StopUnitContext(ctx, u.Name, "replace", result)
	if err == nil {
		err = await(ctx, result)
	}
	if err != nil && !isError(err, "NoSuchUnit") {
		return fmt.Errorf("ask %s to stop %s: %w", m.name, u.Name, explainTimeout(ctx, err))
	}
	if err := m.systemd.ResetFailedUnitContext(ctx, u.Name); err != nil && !isError(err, "NoSuchUnit") {
		return fmt.Errorf("ask %s to forget %s: %w", m.name, u.Name, explainTimeout(ctx, err))
	}
	return nil
}

// Attach moves a process into the unit's cgroup, or one below it ("/sub"). The user's
// systemd may do that where the user may not: moving a process from a login session to
// the user's own units takes write access to their common ancestor, which only root
// has.
func (m *Manager) Attach(ctx context.Context, u *systemd.Unit, below string, pid int) error {
	call := m.calls.Object("org.freedesktop.systemd1", "/org/freedesktop/systemd1").CallWithContext(ctx,
		"org.freedesktop.systemd1.Manager.AttachProcessesToUnit", 0, u.Name, below, []uint32{uint32(pid)})
	if call.Err != nil {
		return fmt.Errorf("ask %s to move process %d into %s: %w", m.name, pid, u.Name, explainTimeout(ctx, call.Err))
	}
	return nil
}

func isError(err error, name string) bool {
	var e dbus.Error
	return errors.As(err, &e) && e.Name == "org.freedesktop.systemd1."+name
}

// explainTimeout returns an error about the timeout if the context's time was up: the bus only
// reports that it was closed.
func explainTimeout(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return fmt.Errorf("no answer in time (is it stopped, or is the bus?): %w", err)
	}
	return err
}
