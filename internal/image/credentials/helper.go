package credentials

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// A credential helper is a program docker-credential-NAME with the commands get, store and erase. It
// reads the key of a registry or, for store, JSON from standard input. get prints JSON. After an error
// the helper prints the message to standard output, and its exit status is not 0.

// notFound is what a helper prints if it has no credentials.
const notFound = "credentials not found in native keychain"

// tokenUser is the user name with which an identity token is stored.
const tokenUser = "<token>"

// errNoHelper is the cause if the program is not installed.
var errNoHelper = errors.New("is not installed")

// helperEntry is what helpers read and print.
type helperEntry struct {
	ServerURL string
	Username  string
	Secret    string
}

func helperProgram(name string) string { return "docker-credential-" + name }

func helperGet(ctx context.Context, name, key string) (Credentials, error) {
	out, err := runHelper(ctx, name, "get", key)
	var failed *helperError
	if errors.As(err, &failed) && failed.said == notFound {
		return Credentials{}, nil
	}
	if err != nil {
		return Credentials{}, err
	}
	var e helperEntry
	if err := json.Unmarshal(out, &e); err != nil {
		return Credentials{}, fmt.Errorf("credential helper %s: cannot decode its answer: %w", helperProgram(name), err)
	}
	if e.Username == tokenUser {
		return Credentials{IdentityToken: e.Secret}, nil
	}
	return Credentials{Username: e.Username, Password: e.Secret}, nil
}

func helperStore(ctx context.Context, name, key string, c Credentials) error {
	e := helperEntry{key, c.Username, c.Password}
	if c.IdentityToken != "" {
		e.Username, e.Secret = tokenUser, c.IdentityToken
	}
	text, err := json.Marshal(e)
	if err == nil {
		_, err = runHelper(ctx, name, "store", string(text))
	}
	return err
}

func helperErase(ctx context.Context, name, key string) error {
	_, err := runHelper(ctx, name, "erase", key)
	return err
}

// A helperError is the message of a helper that failed.
type helperError struct {
	program, verb, said string
	err                 error
}

func (e *helperError) Error() string {
	if e.said == "" {
		return fmt.Sprintf("credential helper %s %s: %v", e.program, e.verb, e.err)
	}
	return fmt.Sprintf("credential helper %s %s: %s", e.program, e.verb, e.said)
}

func (e *helperError) Unwrap() error { return e.err }

// maxAnswer limits what a helper may print.
const maxAnswer = 1 << 20

// runHelper runs a helper and returns what it prints. It may ask the user on the terminal.
func runHelper(ctx context.Context, name, verb, input string) ([]byte, error) {
	program := helperProgram(name)
	if name == "" || strings.ContainsAny(name, "/\x00") {
		return nil, fmt.Errorf("credential helper %q: the name must not contain a slash", name)
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return nil, fmt.Errorf("the credential helper %s %w", program, errNoHelper)
	}
	cmd := exec.CommandContext(ctx, path, verb)
	var out, said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &said
	cmd.WaitDelay = 5 * time.Second
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		text := strings.TrimSpace(out.String())
		if text == "" {
			text = strings.TrimSpace(said.String())
		}
		return nil, &helperError{program, verb, text, err}
	case out.Len() > maxAnswer:
		return nil, fmt.Errorf("credential helper %s: its answer has %d bytes", program, out.Len())
	}
	return out.Bytes(), nil
}
