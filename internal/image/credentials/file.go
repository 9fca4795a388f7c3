package credentials

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/atomicfile"
	"github.com/minirun/minirun/internal/flock"
)

// file is the content of config.json. Keys that are not known here are kept.
type file struct {
	path    string
	all     map[string]json.RawMessage
	auths   map[string]json.RawMessage
	store   string            // credsStore
	helpers map[string]string // credHelpers
	changed bool
}

// auth is an entry of auths.
type auth struct {
	Auth          string `json:"auth,omitempty"`
	Username      string `json:"username,omitempty"`
	Password      string `json:"password,omitempty"`
	IdentityToken string `json:"identitytoken,omitempty"`
	RegistryToken string `json:"registrytoken,omitempty"`
}

// Path returns the file that login writes.
func Path() (string, error) {
	dir := os.Getenv("DOCKER_CONFIG")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("credentials: %w\nhint: set DOCKER_CONFIG to a directory", err)
		}
		dir = filepath.Join(home, ".docker")
	}
	return filepath.Join(dir, "config.json"), nil
}

// readForUse reads the file or, if it does not exist, podman's.
func readForUse() (*file, error) {
	path, err := Path()
	if err != nil {
		return &file{}, nil // without a home directory, nothing is stored
	}
	f, err := read(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	for _, other := range podmanFiles() {
		if f, err := read(other); !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
	}
	return &file{path: path}, nil
}

// podmanFiles returns the files in which podman may have credentials.
func podmanFiles() (out []string) {
	if path := os.Getenv("REGISTRY_AUTH_FILE"); path != "" {
		return []string{path}
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		out = append(out, filepath.Join(dir, "containers", "auth.json"))
	}
	if dir, err := os.UserConfigDir(); err == nil {
		out = append(out, filepath.Join(dir, "containers", "auth.json"))
	}
	return out
}

func read(path string) (*file, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f := &file{path: path}
	if len(text) == 0 {
		return f, nil
	}
	err = json.Unmarshal(text, &f.all)
	for key, to := range map[string]any{"auths": &f.auths, "credsStore": &f.store, "credHelpers": &f.helpers} {
		if raw, ok := f.all[key]; ok && err == nil {
			if err = json.Unmarshal(raw, to); err != nil {
				err = fmt.Errorf("%s: %w", key, err)
			}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("credentials: %s: %w", path, err)
	}
	return f, nil
}

// helperOf returns the helper that has the credentials for a registry, or "".
func (f *file) helperOf(registry string) string {
	for _, key := range []string{registry, Key(registry)} {
		if helper := f.helpers[key]; helper != "" {
			return helper
		}
	}
	return f.store
}

func (f *file) keys() []string { return sortedKeys(f.auths) }

// entry returns the credentials under a key of auths. It returns false if there are none.
func (f *file) entry(key string) (c Credentials, ok bool, err error) {
	raw, ok := f.auths[key]
	if !ok {
		return c, false, nil
	}
	var a auth
	if err = json.Unmarshal(raw, &a); err == nil {
		c = Credentials{a.Username, a.Password, a.IdentityToken, a.RegistryToken}
		if a.Auth != "" {
			c.Username, c.Password, err = decodeAuth(a.Auth)
		}
	}
	if err != nil {
		return Credentials{}, false, fmt.Errorf("credentials: %s: auths[%q]: %w\nhint: minirun login %s", f.path, key, err,
			Host(key))
	}
	return c, !c.IsAnonymous(), nil
}

func (f *file) setEntry(key string, c Credentials) error {
	a := auth{IdentityToken: c.IdentityToken, RegistryToken: c.RegistryToken}
	if c.Username != "" {
		a.Auth = base64.StdEncoding.EncodeToString([]byte(c.Username + ":" + c.Password))
	}
	raw, err := json.Marshal(a)
	if err != nil {
		return err
	}
	if f.auths == nil {
		f.auths = map[string]json.RawMessage{}
	}
	f.auths[key], f.changed = raw, true
	return nil
}

func (f *file) removeEntry(key string) {
	delete(f.auths, key)
	f.changed = true
}

// update changes the file while no other minirun does.
func update(ctx context.Context, change func(*file) error, registry string) (Place, error) {
	path, err := Path()
	if err != nil {
		return Place{}, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return Place{}, fmt.Errorf("credentials: %w", err)
	}
	lock, err := os.Open(filepath.Dir(path))
	if err != nil {
		return Place{}, fmt.Errorf("credentials: %w", err)
	}
	defer func() { _ = lock.Close() }()
	if err := flock.Wait(ctx, lock, unix.LOCK_EX); err != nil {
		return Place{}, &os.PathError{Op: "lock", Path: filepath.Dir(path), Err: err}
	}
	f, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = &file{path: path}, nil
	}
	if err == nil {
		err = change(f)
	}
	if err == nil && f.changed {
		err = f.write()
	}
	if err != nil {
		return Place{}, err
	}
	place := Place{File: path}
	if helper := f.helperOf(registry); helper != "" {
		place.Helper = helperProgram(helper)
	}
	return place, nil
}

// write replaces the file. Only its owner can read it, since it may have passwords. If it is a symbolic
// link, the target is replaced.
func (f *file) write() error {
	raw, err := json.Marshal(f.auths)
	if err != nil {
		return err
	}
	if f.all == nil {
		f.all = map[string]json.RawMessage{}
	}
	f.all["auths"] = raw
	text, err := json.MarshalIndent(f.all, "", "\t")
	if err != nil {
		return err
	}
	path := f.path
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if err := atomicfile.Write(path, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("credentials: cannot write %s: %w", f.path, err)
	}
	return nil
}
