package executor

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/namespaces"
)

// maxSecret is BuildKit's limit.
const maxSecret = 500 << 10

// addSecretMount provides a secret as a file of the bundle, which is in memory only, or as an
// environment variable.
func (r *stepRun) addSecretMount(i int, m *graph.Mount) error {
	secret, ok := r.step.Secrets[m.ID]
	if !ok {
		if m.Required {
			return fmt.Errorf(
				"secret %s is required but was not given\nhint: build with --secret id=%s,src=FILE or --secret id=%s,env=VARIABLE",
				m.ID, m.ID, m.ID,
			)
		}
		return nil
	}
	data, err := secret.read()
	if err != nil {
		return fmt.Errorf("cannot read secret %s: %w", m.ID, err)
	}
	if m.Env != "" {
		if strings.IndexByte(string(data), 0) >= 0 {
			return fmt.Errorf("secret %s has a zero byte, which a variable cannot have\nhint: use target= instead of env=", m.ID)
		}
		r.spec.Process.Env = append(r.spec.Process.Env, m.Env+"="+string(data))
		if m.Target == "" {
			return nil
		}
	}
	target := m.Target
	if target == "" {
		target = "/run/secrets/" + filepath.Base(filepath.Clean("/"+m.ID))
	}
	path, err := r.writeFile(filepath.Join("secrets", strconv.Itoa(i)), data, 0o400)
	if err != nil {
		return err
	}
	if err := setOwnerAndMode(path, m, 0o400); err != nil {
		return err
	}
	r.addBind(bindSource{path: path, target: target, readOnly: true, isFile: true})
	return nil
}

// setOwnerAndMode sets the owner and mode that a mount requests on a file of the bundle.
func setOwnerAndMode(path string, m *graph.Mount, standard uint32) error {
	if err := unix.Chown(path, m.UID, m.GID); err != nil {
		return namespaces.OwnerError(m.UID, m.GID, err)
	}
	mode := m.Mode & 0o7777
	if mode == 0 {
		mode = standard
	}
	if err := unix.Chmod(path, mode); err != nil {
		return &os.PathError{Op: "chmod", Path: path, Err: err}
	}
	return nil
}

func (s *Secret) read() ([]byte, error) {
	if s.File == "" {
		return s.Data, nil
	}
	f, err := os.Open(s.File)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err == nil && len(data) > maxSecret {
		err = errors.New("it is larger than 500 KiB")
	}
	return data, err
}
