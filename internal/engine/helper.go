package engine

import (
	"fmt"
	"os"
	"os/exec"
)

const installHint = "hint: make install puts both in one directory"

// help runs minirun-image.
func (e *Engine) help(args ...string) error {
	if e.Helper == "" {
		return fmt.Errorf("%s needs minirun-image, which is not installed next to minirun\n%s", args[0], installHint)
	}
	cmd := exec.Command(e.Helper, append([]string{"--store", e.Store.Dir}, args...)...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("minirun %s failed: see its messages above: %w", args[0], err)
	}
	return nil
}
