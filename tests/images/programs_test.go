package images

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// ofTheImage is the value of all variables that an image, a Dockerfile or a container sets here.
const ofTheImage = "value-of-the-image"

var hostileVariables = []string{
	"LD_PRELOAD=./" + ofTheImage + ".so", "PATH=/" + ofTheImage + ":/bin", "GIT_SSH_COMMAND=" + ofTheImage, "GIT_CONFIG_GLOBAL=/" + ofTheImage,
	"HOME=/" + ofTheImage, "DOCKER_CONFIG=/" + ofTheImage, "CNI_PATH=/" + ofTheImage, "BASH_ENV=" + ofTheImage, "https_proxy=" + ofTheImage,
}

// record installs programs in a directory that write their environment, working directory and
// arguments to DIR/NAME.log, and then execute the real programs.
func record(t *testing.T, dir string, programs map[string]string) {
	t.Helper()
	for name, real := range programs {
		script := fmt.Sprintf("#!/bin/sh\n{ echo \"cwd $(pwd)\"; tr '\\0' '\\n' </proc/$$/environ; for a; do echo \"arg $a\"; done; } >>%s\nexec %s \"$@\"\n",
			filepath.Join(dir, name+".log"), real)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// recorded returns what the program with this name has written.
func recorded(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name+".log"))
	if err != nil {
		t.Errorf("%s was not started: the test looks at nothing", name)
	}
	return string(text)
}

// No program of the host that minirun starts gets a variable, a working directory or its own path
// from an image, a Dockerfile or a container.
func TestProgramsOfTheHostGetNothingOfTheImage(t *testing.T) {
	config := runs("sleep", "1000")
	config.Env = hostileVariables
	s := loaded(t, config)
	dir := filepath.Join(s.Host, "programs")
	context := filepath.Join(s.Host, "context")
	docker := filepath.Join(s.Host, "docker")
	for _, d := range []string{dir, context, docker} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	programs := map[string]string{"docker-credential-recorder": "false", "criu": "false"}
	for _, name := range []string{"git", "ps"} {
		if path, err := exec.LookPath(name); err == nil {
			programs[name] = path
		}
	}
	image := filepath.Join(filepath.Dir(testbundle.Binary), "minirun-image")
	testbundle.CopyFile(t, testbundle.Binary, filepath.Join(dir, "minirun"), 0o755)
	programs["minirun-image"] = image
	record(t, dir, programs)
	write(t, filepath.Join(docker, "config.json"), `{"credHelpers":{"127.0.0.1:1":"recorder"}}`)
	var arguments strings.Builder
	for _, v := range hostileVariables {
		name, value, _ := strings.Cut(v, "=")
		fmt.Fprintf(&arguments, "ARG %s=%s\nENV %s=%s\n", name, value, name, value)
	}
	write(t, filepath.Join(context, "git.Dockerfile"), "FROM busybox\n"+arguments.String()+"ADD git://127.0.0.1:1/repository.git /r\n")
	write(t, filepath.Join(context, "pull.Dockerfile"), "FROM 127.0.0.1:1/image\n"+arguments.String())

	// The caller's own environment and PATH.
	minirun := func(args ...string) testbundle.Result {
		cmd := exec.Command(filepath.Join(dir, "minirun"), append([]string{"--root", s.Root, "--store", s.StoreDir}, args...)...)
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "DOCKER_CONFIG="+docker)
		cmd.Dir = context
		return testbundle.Finish(t, cmd)
	}
	id := name("programs")
	minirun("run", "-d", "--name", id, "--health-cmd", "sleep 0.2", "--health-interval", "50ms", "busybox").Exit(t, 0)
	defer s.Do("rm", "-f", id)
	minirun("exec", id, "true").Exit(t, 0)
	monitors := processesOf(t, filepath.Join(dir, "minirun"))
	if len(monitors) == 0 {
		t.Error("no monitor was found: the test looks at nothing")
	}
	for pid, environ := range monitors {
		if strings.Contains(environ, ofTheImage) {
			t.Errorf("minirun, process %s, has a variable of the image: %s", pid, environ)
		}
	}
	minirun("ps", id)
	minirun("checkpoint", "--image-path", filepath.Join(s.Host, "images"), id)
	minirun("run", "--rm", "--name", name("bridge"), "--network", "bridge", "busybox", "true")
	minirun("build", "-f", "git.Dockerfile", ".")
	minirun("build", "-f", "pull.Dockerfile", ".")
	for name := range programs {
		text := recorded(t, dir, name)
		for line := range strings.Lines(text) {
			if strings.Contains(line, ofTheImage) || strings.HasPrefix(line, "cwd ") && strings.Contains(line, id) {
				t.Errorf("%s: %s", name, line)
			}
		}
		if name == "git" && !strings.Contains(text, "cwd /\n") {
			t.Errorf("git was started in the build context: %s", text)
		}
	}
	// The check detects such a variable.
	t.Setenv("LD_BIND_NOT", ofTheImage)
	minirun("images")
	if !strings.Contains(recorded(t, dir, "minirun-image"), ofTheImage) {
		t.Error("the check does not see a variable of the caller's")
	}
}

// processesOf returns the environments of the processes that execute a file.
func processesOf(t *testing.T, file string) map[string]string {
	t.Helper()
	out := map[string]string{}
	list, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, exe := range list {
		if target, err := os.Readlink(exe); err != nil || target != file {
			continue
		}
		environ, err := os.ReadFile(filepath.Join(filepath.Dir(exe), "environ"))
		if err == nil {
			out[filepath.Base(filepath.Dir(exe))] = strings.ReplaceAll(string(environ), "\x00", "\n")
		}
	}
	return out
}
