// minirun-systemd sends the requests of `minirun --systemd-cgroup` to systemd. minirun
// runs it; it reads one request from its standard input (package systemd), and prints
// the answer.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/minirun/minirun/internal/spec"
	"github.com/minirun/minirun/internal/systemd"
	"github.com/minirun/minirun/internal/systemd/manager"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		if inConfig := new(spec.Error); errors.As(err, &inConfig) {
			os.Exit(systemd.ExitConfig)
		}
		os.Exit(1)
	}
}

func run() error {
	var r systemd.Request
	if err := json.NewDecoder(os.Stdin).Decode(&r); err != nil {
		return fmt.Errorf("minirun-systemd: read the request: %w: minirun runs this program, for --systemd-cgroup", err)
	}
	answer, err := manager.Do(context.Background(), &r)
	if err != nil {
		return err
	}
	_, err = fmt.Println(answer)
	return err
}
