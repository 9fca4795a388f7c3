package e2e

import (
	"errors"
	"os"
	"os/exec"
	osuser "os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/spec"
	"github.com/minirun/minirun/tests/testbundle"
)

// A plain is an unprivileged user with a separate bundle, containing what `minirun spec --rootless`
// writes.
type plain struct {
	*testbundle.Bundle
	uid uint32
	env []string
}

// asUser creates a bundle for a user. With session it is a user whose systemd is running.
func asUser(t *testing.T, session bool, script string) *plain {
	t.Helper()
	testbundle.Need(t)
	u := &plain{uid: 65534}
	if session {
		u.login(t)
	}
	u.Bundle = testbundle.New(t)
	s := spec.DefaultRootless(int(u.uid), int(u.uid), onV2(t))
	s.Process.Terminal = false
	s.Process.Args = []string{"sh", "-c", script}
	*u.Spec = *s
	if err := errors.Join(os.MkdirAll(u.Root, 0o700), os.Chown(u.Root, int(u.uid), int(u.uid)), os.Chown(u.Path("/"), int(u.uid), int(u.uid))); err != nil {
		t.Fatal(err)
	}
	return u
}

// login starts the systemd of the user minirun, which tests/vm creates.
func (u *plain) login(t *testing.T) {
	t.Helper()
	needSystemd(t)
	who, err := osuser.Lookup("minirun")
	if err != nil {
		t.Skip("needs the user minirun of tests/vm: ", err)
	}
	if out, err := exec.Command("systemctl", "start", "user@"+who.Uid).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	uid, err := strconv.Atoi(who.Uid)
	if err != nil {
		t.Fatal(err)
	}
	u.uid = uint32(uid)
	u.env = []string{"XDG_RUNTIME_DIR=/run/user/" + who.Uid, "HOME=/home/minirun"}
}

// minirun runs minirun as the user.
func (u *plain) minirun(t *testing.T, args ...string) testbundle.Result {
	t.Helper()
	u.Write()
	cmd := u.Command(args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, u.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: u.uid, Gid: u.uid}}
	if args[0] != "create" && args[len(args)-1] != "detached" {
		return testbundle.Finish(t, cmd)
	}
	// It leaves a process that holds its standard output and standard error open.
	out, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	_ = cmd.Run()
	text, _ := os.ReadFile(out.Name())
	return testbundle.Result{Stderr: string(text), Status: cmd.ProcessState.ExitCode()}
}

// With only the user's own uid: one mapping, no cgroup, and a message about it.
func TestRootless(t *testing.T) {
	u := asUser(t, false, "id -u; cat /proc/self/uid_map | tr -s ' '; hostname; echo x > /dev/null && echo $$")
	r := u.minirun(t, "run", u.ID, u.Dir)
	r.Prints(t, "0\n 0 65534 1\nminirun\n1")
	if !strings.Contains(r.Stderr, "linux.cgroupsPath") || !strings.Contains(r.Stderr, "no cgroup") {
		t.Errorf("it does not say that there is no cgroup: %s", r.Stderr)
	}
	// A limit is not silently ignored.
	limit := int64(64 << 20)
	u.Spec.Linux.Resources = &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &limit}}
	u.minirun(t, "run", u.ID, u.Dir).Fails(t, "config.json: linux.resources.memory.limit", "needs a cgroup", "not delegated")
	// Device rules need root.
	u.Spec.Linux.Resources = &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Access: "rwm"}}}
	r = u.minirun(t, "run", u.ID, u.Dir)
	r.Exit(t, 0)
	if !strings.Contains(r.Stderr, "linux.resources.devices") {
		t.Errorf("it does not say that rules for devices have no effect: %s", r.Stderr)
	}
}

// create, start, exec, kill and delete, all run by the user.
func TestRootlessLifeCycle(t *testing.T) {
	u := asUser(t, false, "sleep 1000")
	u.minirun(t, "create", u.ID, u.Dir).Exit(t, 0)
	u.minirun(t, "start", u.ID).Exit(t, 0)
	u.minirun(t, "exec", u.ID, "sh", "-c", "id -u; ls -d /proc/1/root").Prints(t, "0\n/proc/1/root")
	if r := u.minirun(t, "state", u.ID); !strings.Contains(r.Stdout, `"running"`) {
		t.Errorf("%s%s", r.Stdout, r.Stderr)
	}
	u.minirun(t, "pause", u.ID).Fails(t, "no cgroup")
	u.minirun(t, "update", "--memory", "64M", u.ID).Fails(t, "no cgroup")
	u.minirun(t, "kill", u.ID, "KILL").Exit(t, 0)
	testbundle.Reap()
	u.minirun(t, "delete", "--force", u.ID).Exit(t, 0)
}

// More than one ID requires newuidmap(1) and /etc/subuid.
func TestRootlessRanges(t *testing.T) {
	u := asUser(t, true, "cat /proc/self/uid_map | tr -s ' '; chown 7:8 /x; stat -c %u:%g /x")
	u.File("/x", "", 0o644)
	if err := os.Chown(u.Path("/x"), int(u.uid), int(u.uid)); err != nil {
		t.Fatal(err)
	}
	for _, m := range []*[]specs.LinuxIDMapping{&u.Spec.Linux.UIDMappings, &u.Spec.Linux.GIDMappings} {
		*m = append(*m, specs.LinuxIDMapping{ContainerID: 1, HostID: 100000, Size: 1000})
	}
	u.Spec.Root.Readonly = false
	for _, set := range []*[]string{&u.Spec.Process.Capabilities.Bounding, &u.Spec.Process.Capabilities.Permitted, &u.Spec.Process.Capabilities.Effective} {
		*set = append(*set, "CAP_CHOWN")
	}
	u.minirun(t, "run", u.ID, u.Dir).Prints(t, "0 "+strconv.Itoa(int(u.uid))+" 1\n 1 100000 1000\n7:8")
	u.Spec.Linux.UIDMappings[1] = specs.LinuxIDMapping{ContainerID: 1, HostID: 5, Size: 9} // not in /etc/subuid
	u.minirun(t, "run", u.ID, u.Dir).Fails(t, "config.json: linux.uidMappings", "newuidmap")
}

// Limits set through the user's systemd: because the user asked for it, or because there is no other
// way. This process is in a cgroup that belongs to root, so the user's systemd has to move processes,
// including those of exec.
func TestRootlessSystemd(t *testing.T) {
	for name, global := range map[string][]string{"asked for": {"--systemd-cgroup"}, "by itself": nil} {
		t.Run(name, func(t *testing.T) {
			u := asUser(t, true, "sleep 1000")
			u.Global = global
			limit, pids := int64(64<<20), int64(40)
			u.Spec.Linux.Resources = &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &limit}, Pids: &specs.LinuxPids{Limit: &pids}}
			u.minirun(t, "create", u.ID, u.Dir).Exit(t, 0)
			u.minirun(t, "start", u.ID).Exit(t, 0)
			manager := "/user.slice/user-" + strconv.Itoa(int(u.uid)) + ".slice/user@" + strconv.Itoa(int(u.uid)) + ".service"
			dir := filepath.Join("/sys/fs/cgroup", manager, "user.slice", "minirun-"+u.ID+".scope")
			check := func(when, want string) {
				t.Helper()
				memory, err := os.ReadFile(dir + "/memory.max")
				pids, err2 := os.ReadFile(dir + "/pids.max")
				if got := strings.Join(strings.Fields(string(memory)+string(pids)), " "); err != nil || err2 != nil || got != want {
					t.Errorf("%s: %s, want %s: %v", when, got, want, err)
				}
			}
			check("created", "67108864 40")
			u.minirun(t, "exec", u.ID, "sh", "-c", "cat /proc/self/cgroup").Prints(t, "0::/")
			if procs, err := os.ReadFile(dir + "/cgroup.procs"); err != nil || len(strings.Fields(string(procs))) != 1 {
				t.Errorf("processes in the cgroup: %q, %v", procs, err)
			}
			u.minirun(t, "update", "--memory", "32M", u.ID).Exit(t, 0)
			check("updated", "33554432 40")
			u.minirun(t, "pause", u.ID).Exit(t, 0)
			u.minirun(t, "resume", u.ID).Exit(t, 0)
			u.minirun(t, "delete", "--force", u.ID).Exit(t, 0)
			if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the cgroup: %v", err)
			}
		})
	}
}

// The user's systemd does not run without a session.
func TestRootlessWithoutSession(t *testing.T) {
	u := asUser(t, false, "true")
	needSystemd(t)
	u.Global = []string{"--systemd-cgroup"}
	u.minirun(t, "run", u.ID, u.Dir).Fails(t, "XDG_RUNTIME_DIR", "loginctl enable-linger")
}
