// Command moby prints the default configuration of a Docker container as JSON:
// the OCI document of the Docker Engine's own package, with its default seccomp
// profile. Tests compare minirun's defaults with it (package confinement).
//
// It has its own go.mod, so that the engine's dependencies are not minirun's. To
// compare with a newer engine:
//
//	go -C tests/confinement/moby get github.com/moby/moby/v2@latest github.com/moby/profiles/seccomp@latest
//	go -C tests/confinement/moby mod tidy
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/moby/moby/v2/daemon/pkg/oci"
	"github.com/moby/profiles/seccomp"
)

func main() {
	if err := write(); err != nil {
		fmt.Fprintln(os.Stderr, "moby:", err)
		os.Exit(1)
	}
}

func write() error {
	s := oci.DefaultLinuxSpec()
	profile, err := seccomp.GetDefaultProfile(&s)
	if err != nil {
		return err
	}
	s.Linux.Seccomp = profile
	return json.NewEncoder(os.Stdout).Encode(s)
}
