// Package credentials reads and writes the user's credentials for registries where docker has them:
//
//	credentials.go  which entry or helper has the credentials for a registry
//	file.go         $DOCKER_CONFIG/config.json
//	helper.go       docker-credential-NAME
//
// In the file, auths has user names and passwords, credHelpers the helper of a registry, and credsStore
// the helper of all others. If the file does not exist, podman's auth.json is read, which has the same
// format.
package credentials

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Credentials are what a registry needs to identify a user. All fields are empty for anonymous access.
type Credentials struct {
	Username, Password string
	IdentityToken      string // replaces the password: a token server exchanges it for a short-lived token
	RegistryToken      string // sent to the registry unchanged
}

// IsAnonymous reports whether all fields are empty.
func (c Credentials) IsAnonymous() bool { return c == Credentials{} }

const (
	hub         = "docker.io"
	hubRegistry = "index.docker.io"
	hubKey      = "https://index.docker.io/v1/" // Docker Hub's key in the file
)

// Key returns the key of a registry in the file.
func Key(registry string) string {
	if registry == hub || registry == hubRegistry {
		return hubKey
	}
	return registry
}

// Host returns the registry that a user or a key in the file means: without a scheme and a path.
func Host(text string) string {
	_, rest, ok := strings.Cut(text, "://")
	if !ok {
		rest = text
	}
	host, _, _ := strings.Cut(rest, "/")
	if host == hubRegistry || host == "registry-1.docker.io" {
		return hub
	}
	return host
}

// Find returns the credentials for a repository, REGISTRY/PATH, or a registry. Without any, they are
// anonymous.
func Find(ctx context.Context, repository string) (Credentials, error) {
	f, err := readForUse()
	if err != nil {
		return Credentials{}, err
	}
	registry := Host(repository)
	if helper := f.helperOf(registry); helper != "" {
		return f.fromHelper(ctx, helper, registry)
	}
	for _, key := range []string{repository, Key(registry), registry} {
		if c, ok, err := f.entry(key); ok || err != nil {
			return c, err
		}
	}
	for _, key := range f.keys() { // such as https://registry.example.com/v2/
		if Host(key) == registry && !isRepository(key) {
			c, _, err := f.entry(key)
			return c, err
		}
	}
	return Credentials{}, nil
}

// isRepository reports whether a key is for one repository, as podman has them.
func isRepository(key string) bool {
	return !strings.Contains(key, "://") && strings.Contains(key, "/")
}

// fromHelper asks a helper for the credentials of a registry.
func (f *file) fromHelper(ctx context.Context, helper, registry string) (Credentials, error) {
	c, err := helperGet(ctx, helper, Key(registry))
	if err != nil {
		return c, f.explainHelper(helper, err)
	}
	return c, nil
}

// A Place is where credentials are stored.
type Place struct {
	File   string
	Helper string // docker-credential-NAME; "" if the password is in the file
}

// Store stores the credentials for a registry, and returns where.
func Store(ctx context.Context, registry string, c Credentials) (Place, error) {
	registry = Host(registry)
	return update(ctx, func(f *file) error {
		helper := f.helperOf(registry)
		if helper == "" {
			return f.setEntry(Key(registry), c)
		}
		if err := helperStore(ctx, helper, Key(registry), c); err != nil {
			return f.explainHelper(helper, err)
		}
		// docker lists the registries of a helper with an empty entry.
		return f.setEntry(Key(registry), Credentials{})
	}, registry)
}

// Erase removes the credentials for a registry, and reports whether there were any.
func Erase(ctx context.Context, registry string) (found bool, place Place, err error) {
	registry = Host(registry)
	place, err = update(ctx, func(f *file) error {
		if helper := f.helperOf(registry); helper != "" {
			c, err := helperGet(ctx, helper, Key(registry))
			if err == nil && !c.IsAnonymous() {
				found = true
				err = helperErase(ctx, helper, Key(registry))
			}
			if err != nil {
				return f.explainHelper(helper, err)
			}
		}
		for _, key := range f.keys() {
			if Host(key) == registry && !isRepository(key) {
				found = true
				f.removeEntry(key)
			}
		}
		return nil
	}, registry)
	return found, place, err
}

// explainHelper adds how to continue without a helper that is not installed.
func (f *file) explainHelper(helper string, err error) error {
	if errors.Is(err, errNoHelper) {
		return fmt.Errorf("%w, but %s names it\nhint: install it, or remove %q from that file", err, f.path, helper)
	}
	return err
}

// decodeAuth decodes the field auth: USER:PASSWORD in base64.
func decodeAuth(text string) (user, password string, err error) {
	plain, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return "", "", errors.New("its field auth is not base64")
	}
	user, password, ok := strings.Cut(string(plain), ":")
	if !ok || user == "" {
		return "", "", errors.New("its field auth is not USER:PASSWORD in base64")
	}
	return user, strings.TrimRight(password, "\x00"), nil
}

// sortedKeys returns the keys of a map in order.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
