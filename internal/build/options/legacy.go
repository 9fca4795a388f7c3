package options

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/minirun/minirun/internal/build/source"
)

// An Ignored is an option of docker build before BuildKit. docker buildx accepts it without
// effect. So does minirun, with a warning.
type Ignored struct {
	Name, Alias string
	IsSwitch    bool
	Instead     string // what to use
}

// IgnoredOptions lists them.
var IgnoredOptions = []Ignored{
	{Name: "compress", IsSwitch: true, Instead: "the context is read in place"},
	{Name: "cpu-period", Instead: "use --resource cpu-period=MICROSECONDS"},
	{Name: "cpu-quota", Instead: "use --resource cpu-quota=MICROSECONDS"},
	{Name: "cpu-shares", Alias: "c", Instead: "use --resource cpu-shares=WEIGHT"},
	{Name: "cpuset-cpus", Instead: "use --resource cpuset-cpus=LIST"},
	{Name: "cpuset-mems", Instead: "use --resource cpuset-mems=LIST"},
	{Name: "disable-content-trust", IsSwitch: true, Instead: "signatures of images are not verified"},
	{Name: "force-rm", IsSwitch: true, Instead: "containers of RUN are always removed"},
	{Name: "isolation", Instead: "RUN always uses namespaces"},
	{Name: "memory", Alias: "m", Instead: "use --resource memory=SIZE"},
	{Name: "memory-swap", Instead: "use --resource memory-swap=SIZE"},
	{Name: "rm", IsSwitch: true, Instead: "containers of RUN are always removed"},
	{Name: "security-opt", Instead: "use RUN --security=insecure, and --allow security.insecure"},
	{Name: "squash", IsSwitch: true, Instead: "to get one layer, copy the result into a last stage FROM scratch"},
}

// CheckPolicy rejects policies, which are Rego programs, unless the values of --policy disable them.
func CheckPolicy(list []string) error {
	enabled := func(text string) bool { return text != "disabled=true" }
	if i := slices.IndexFunc(list, enabled); i >= 0 {
		return fmt.Errorf("--policy %q: minirun does not evaluate policies"+
			"\nhint: check the sources before the build, and use --policy disabled=true", list[i])
	}
	return nil
}

// FindPolicy returns the policy that docker buildx would use for a Dockerfile, or "".
func FindPolicy(context, file string) string {
	if source.IsGit(context) || source.IsURL(context) || source.IsURL(file) || context == "-" || file == "-" {
		return ""
	}
	policy := cmp.Or(file, filepath.Join(context, source.DefaultDockerfile)) + ".rego"
	if _, err := os.Stat(policy); err != nil {
		return ""
	}
	return policy
}
