package credentials

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// configure writes config.json, and a helper docker-credential-fake that keeps its credentials in
// files. It returns the directory.
func configure(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("DOCKER_CONFIG", dir)
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	if text != "" {
		write(t, filepath.Join(dir, "config.json"), text, 0o644)
	}
	write(t, filepath.Join(dir, "docker-credential-fake"), `#!/bin/sh
cd "`+dir+`"; in=$(cat); echo "$1 $in" >>calls
case $1 in
get) f=$(echo "$in" | tr -c 'a-z0-9.\n' _)
	[ -e "secret-$f" ] || { echo credentials not found in native keychain; exit 1; }
	cat "secret-$f";;
store) echo "$in" >"secret-$(echo "$in" | sed 's/.*"ServerURL":"\([^"]*\)".*/\1/' | tr -c 'a-z0-9.\n' _)";;
erase) rm "secret-$(echo "$in" | tr -c 'a-z0-9.\n' _)";;
esac
`, 0o755)
	return dir
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func TestFindReadsDockersFile(t *testing.T) {
	configure(t, `{"auths": {
		"plain.example": {"auth": "dXNlcjpwYXNz"},
		"https://url.example/v2/": {"auth": "dXJsOnA6cQ=="},
		"https://index.docker.io/v1/": {"username": "hub", "password": "secret"},
		"repo.example/team/app": {"auth": "dGVhbTp4"},
		"token.example": {"identitytoken": "long"}, "registry.example": {"registrytoken": "r"},
		"bad.example": {"auth": "?"}, "empty.example": {}
	}, "credHelpers": {"helped.example": "fake"}}`)
	if _, err := Store(context.Background(), "helped.example", Credentials{Username: "h", Password: "p"}); err != nil {
		t.Fatal(err)
	}
	for repository, want := range map[string]Credentials{
		"plain.example/app": {Username: "user", Password: "pass"}, "url.example/app": {Username: "url", Password: "p:q"},
		"index.docker.io/library/app": {Username: "hub", Password: "secret"},
		"docker.io":                   {Username: "hub", Password: "secret"},
		"repo.example/team/app":       {Username: "team", Password: "x"}, "repo.example/other": {},
		"token.example/a": {IdentityToken: "long"}, "registry.example/a": {RegistryToken: "r"},
		"empty.example/a": {}, "unknown.example/a": {}, "helped.example/a": {Username: "h", Password: "p"},
	} {
		if got, err := Find(context.Background(), repository); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", repository, got, err, want)
		}
	}
	if _, err := Find(context.Background(), "bad.example/a"); err == nil ||
		!strings.Contains(err.Error(), "not base64\nhint: minirun login bad.example") {
		t.Error(err)
	}
}

// TestStoreKeepsOtherKeys: login changes only its entry, the file is private afterwards, and a link to
// it stays a link.
func TestStoreKeepsOtherKeys(t *testing.T) {
	dir := configure(t, "")
	target := filepath.Join(t.TempDir(), "dotfile.json")
	write(t, target, `{"psFormat": "x", "auths": {"other.example": {"auth": "YTpi", "email": "e"}}, "n": 12345678901234567890}`,
		0o644)
	if err := os.Symlink(target, filepath.Join(dir, "config.json")); err != nil {
		t.Fatal(err)
	}
	place, err := Store(context.Background(), "https://new.example/v2/", Credentials{Username: "u", Password: "p"})
	if err != nil || place != (Place{File: filepath.Join(dir, "config.json")}) {
		t.Fatal(place, err)
	}
	text, err := os.ReadFile(target)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"psFormat": "x"`, `"email": "e"`, `12345678901234567890`, `"new.example": {`,
		`"auth": "dTpw"`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is missing in %s", want, text)
		}
	}
	if info, err := os.Stat(target); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	found, _, err := Erase(context.Background(), "new.example")
	if err != nil || !found {
		t.Error(found, err)
	}
	found, _, err = Erase(context.Background(), "new.example")
	if err != nil || found {
		t.Error("erased twice", found, err)
	}
	if c, err := Find(context.Background(), "other.example/a"); err != nil || c.Username != "a" {
		t.Error(c, err)
	}
}

// TestHelperStoresSecrets: with credsStore, no password is in the file.
func TestHelperStoresSecrets(t *testing.T) {
	dir := configure(t, `{"credsStore": "fake"}`)
	ctx := context.Background()
	place, err := Store(ctx, "docker.io", Credentials{Username: "u", Password: "hidden"})
	if err != nil || place.Helper != "docker-credential-fake" {
		t.Fatal(place, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "config.json"))
	var f struct {
		Auths map[string]struct{ Auth string } `json:"auths"`
	}
	if err == nil {
		err = json.Unmarshal(text, &f)
	}
	if entry, ok := f.Auths[hubKey]; err != nil || !ok || entry.Auth != "" || strings.Contains(string(text), "hidden") {
		t.Errorf("%v %s", err, text)
	}
	if _, err := Store(ctx, "token.example", Credentials{IdentityToken: "t"}); err != nil {
		t.Fatal(err)
	}
	for registry, want := range map[string]Credentials{
		"docker.io": {Username: "u", Password: "hidden"}, "token.example": {IdentityToken: "t"}, "none.example": {},
	} {
		if c, err := Find(ctx, registry); err != nil || c != want {
			t.Errorf("%s: %+v, %v", registry, c, err)
		}
	}
	if found, _, err := Erase(ctx, "docker.io"); err != nil || !found {
		t.Error(found, err)
	}
	if c, err := Find(ctx, "docker.io"); err != nil || !c.IsAnonymous() {
		t.Error(c, err)
	}
}

func TestHelperFailures(t *testing.T) {
	dir := configure(t, `{"credHelpers": {"a": "missing", "b": "../fake", "c": "broken", "d": "wrong"}}`)
	write(t, filepath.Join(dir, "docker-credential-broken"), "#!/bin/sh\necho the keychain is locked; exit 1\n", 0o755)
	write(t, filepath.Join(dir, "docker-credential-wrong"), "#!/bin/sh\necho text\n", 0o755)
	for registry, want := range map[string]string{
		"a": "docker-credential-missing is not installed, but " + dir + "/config.json names it\nhint: ",
		"b": "must not contain a slash", "c": "the keychain is locked", "d": "cannot decode its answer",
	} {
		if _, err := Find(context.Background(), registry); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", registry, err, want)
		}
	}
	if _, err := Find(context.Background(), "a"); !errors.Is(err, errNoHelper) {
		t.Error(err)
	}
}

// TestPodmansFile is read only if docker's does not exist.
func TestPodmansFile(t *testing.T) {
	dir := configure(t, "")
	t.Setenv("REGISTRY_AUTH_FILE", filepath.Join(dir, "auth.json"))
	write(t, filepath.Join(dir, "auth.json"), `{"auths": {"p.example": {"auth": "YTpi"}}}`, 0o600)
	if c, err := Find(context.Background(), "p.example/a"); err != nil || c.Username != "a" {
		t.Error(c, err)
	}
	write(t, filepath.Join(dir, "config.json"), `{`, 0o600)
	if _, err := Find(context.Background(), "p.example/a"); err == nil ||
		!strings.Contains(err.Error(), dir+"/config.json") {
		t.Error(err)
	}
	if _, err := Store(context.Background(), "p.example", Credentials{Username: "u"}); err == nil {
		t.Error("a damaged file was replaced")
	}
}

func TestHost(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "localhost:5000": "localhost:5000", "https://r.example/v2/": "r.example", "r.example/a/b": "r.example",
		hubKey: "docker.io", "registry-1.docker.io": "docker.io", "docker.io": "docker.io",
	} {
		if got := Host(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
