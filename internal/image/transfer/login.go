package transfer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/minirun/minirun/internal/image/credentials"
	"github.com/minirun/minirun/internal/outbound"
)

// findCredentials returns the user's credentials for a repository.
func findCredentials(ctx context.Context, repository name.Repository) (authn.Authenticator, error) {
	c, err := credentials.Find(ctx, repository.Name())
	if err != nil {
		return nil, err
	}
	return authenticator(c), nil
}

func authenticator(c credentials.Credentials) authn.Authenticator {
	if c.IsAnonymous() {
		return authn.Anonymous
	}
	return authn.FromConfig(authn.AuthConfig{Username: c.Username, Password: c.Password,
		IdentityToken: c.IdentityToken, RegistryToken: c.RegistryToken})
}

// ErrCredentials is the cause when a registry refuses the user name and the password.
var ErrCredentials = errors.New("the user name or the password is wrong")

// CheckCredentials logs in to a registry, whose answer to a request without a repository shows whether
// it accepts the credentials.
func (r Registries) CheckCredentials(ctx context.Context, registry string, c credentials.Credentials) error {
	n, safe, err := r.endpoint(registry, "login") // the name of the repository is not sent
	if err != nil {
		return err
	}
	trip, err := transport.NewWithContext(ctx, n.Registry, authenticator(c), safe, nil)
	if err != nil {
		return explainLogin(err, registry)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet,
		fmt.Sprintf("%s://%s/v2/", n.Scheme(), n.RegistryStr()), nil)
	if err != nil {
		return err
	}
	answer, err := (&http.Client{Transport: trip}).Do(request)
	if err != nil {
		return explainLogin(err, registry)
	}
	defer func() { _ = answer.Body.Close() }()
	return explainLogin(transport.CheckError(answer, http.StatusOK), registry)
}

// explainLogin replaces the answer of a registry that refuses the credentials. The other errors do not
// depend on them.
func explainLogin(err error, registry string) error {
	var t *transport.Error
	if errors.As(err, &t) && (t.StatusCode == http.StatusUnauthorized || t.StatusCode == http.StatusForbidden) {
		return fmt.Errorf("%w (%d %s)", ErrCredentials, t.StatusCode, http.StatusText(t.StatusCode))
	}
	return addHint(err, registry)
}

// addHint adds a hint to an error of a registry.
func addHint(err error, registry string) error {
	var t *transport.Error
	if errors.As(err, &t) {
		switch t.StatusCode {
		case http.StatusUnauthorized, http.StatusForbidden:
			return fmt.Errorf("the repository does not exist, or these credentials cannot access it (%w)\nhint: log in "+
				"with %s", err, loginCommand(registry))
		case http.StatusNotFound:
			return fmt.Errorf("no such tag or repository (%w)", err)
		case http.StatusTooManyRequests:
			return fmt.Errorf("too many requests (%w)\nhint: log in with %s, or configure a mirror in /etc/%s", err,
				loginCommand(registry), RegistriesFile)
		}
	}
	var untrusted *tls.CertificateVerificationError
	if errors.As(err, &untrusted) {
		return fmt.Errorf("%w\nhint: if your own certificate authority signed the registry's certificate, add it to "+
			"the host's certificates", err)
	}
	var plain *outbound.PlainError
	if errors.As(err, &plain) || errors.Is(err, http.ErrSchemeMismatch) {
		return fmt.Errorf("%w: without TLS, others can read the requests and their credentials\nhint: if the "+
			"registry has no TLS, list it under \"insecure\" in /etc/%s", err, RegistriesFile)
	}
	return explainUnreachable(err)
}

// loginCommand returns the command line that logs in to a registry.
func loginCommand(registry string) string {
	if host := credentials.Host(registry); host != "docker.io" {
		return "minirun login " + host
	}
	return "minirun login"
}
