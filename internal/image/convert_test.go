package image

import (
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// An image's properties become annotations (image-spec, conversion.md), except those that a runtime
// would act on.
func TestAnnotations(t *testing.T) {
	c := Config{OS: "linux", Author: "me"}
	c.Config.Cmd = []string{"x"}
	c.Config.StopSignal = "SIGUSR1"
	c.Config.ExposedPorts = map[string]struct{}{"80/tcp": {}, "443/tcp": {}}
	c.Config.Labels = map[string]string{
		"l": "image", "org.opencontainers.image.author": "label", "org.opencontainers.image.vendor": "v",
		"org.label-schema.name": "n",
	}
	for _, order := range []string{
		"dev.minirun.upper", "dev.minirun.layers", "dev.minirun.die-with-parent", "org.systemd.property.Slice",
		"org.criu.config", "run.oci.hooks.stdout",
		"run.oci.handler", "krun.cpus", "krun.use_passt", "module.wasm.image/variant",
		"org.opencontainers.runc.version", "org.opencontainers.imagex", "bundle",
		"io.katacontainers.config.hypervisor.path", "dev.gvisor.flag.debug", "com.example.order", "",
	} {
		c.Config.Labels[order] = "image"
	}
	s, err := Convert(c, Wishes{Labels: map[string]string{"m": "flag", "krun.cpus": "flag"}}, specs.User{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"krun.cpus": "flag", "m": "flag", "org.opencontainers.image.vendor": "v", "org.label-schema.name": "n",
		"org.opencontainers.image.os": "linux", "org.opencontainers.image.author": "label",
		"org.opencontainers.image.stopSignal": "SIGUSR1", "org.opencontainers.image.exposedPorts": "443/tcp,80/tcp",
	}
	for name, value := range s.Annotations {
		if want[name] != value {
			t.Errorf("%s is %q, want %q", name, value, want[name])
		}
		delete(want, name)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}

func TestEnvironment(t *testing.T) {
	got := Environment([]string{"A=1", "B=2", "A=3"}, Wishes{Env: []string{"B=", "C=x=y"}, Terminal: true})
	want := []string{"A=3", "B=", "C=x=y", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"TERM=xterm"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := Environment([]string{"PATH=/x", "TERM=y"}, Wishes{Terminal: true}); !slices.Equal(got,
		[]string{"PATH=/x", "TERM=y"}) {
		t.Errorf("%q", got)
	}
}

func TestCapabilities(t *testing.T) {
	known := []string{"CAP_CHOWN", "CAP_KILL", "CAP_SYS_ADMIN"}
	if got, err := Capabilities([]string{"ALL"}, nil, known, known[:2]); err != nil || !slices.Equal(got, known[:2]) {
		t.Errorf("ALL, if minirun has two: %v, %v", got, err)
	}
	for _, c := range []struct{ add, drop, want []string }{
		{nil, []string{"ALL"}, nil},
		{[]string{"chown"}, []string{"all"}, []string{"CAP_CHOWN"}},
		{[]string{"ALL"}, nil, known},
		{[]string{"ALL"}, []string{"CAP_KILL"}, []string{"CAP_CHOWN", "CAP_SYS_ADMIN"}},
	} {
		if got, err := Capabilities(c.add, c.drop, known, known); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("add %v, drop %v: %v, %v", c.add, c.drop, got, err)
		}
	}
	if _, err := Capabilities([]string{"NONSENSE"}, nil, known, known); err == nil {
		t.Error("an unknown capability is taken")
	}
}
