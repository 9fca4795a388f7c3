package transfer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/minirun/minirun/internal/image/credentials"
)

// TestCheckCredentials: a registry with basic authentication, one with a token server, and one that
// asks for nothing.
func TestCheckCredentials(t *testing.T) {
	isValid := func(q *http.Request) bool {
		user, password, ok := q.BasicAuth()
		return ok && user == "user" && password == "right"
	}
	var tokens *httptest.Server
	for name, handler := range map[string]http.HandlerFunc{
		"basic": func(w http.ResponseWriter, q *http.Request) {
			if !isValid(q) {
				w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
				w.WriteHeader(http.StatusUnauthorized)
			}
		},
		"bearer": func(w http.ResponseWriter, q *http.Request) {
			switch {
			case q.URL.Path == "/token" && isValid(q):
				fmt.Fprint(w, `{"token": "granted"}`)
			case q.URL.Path == "/token":
				w.WriteHeader(http.StatusForbidden)
			case q.Header.Get("Authorization") != "Bearer granted":
				w.Header().Set("WWW-Authenticate", `Bearer realm="`+tokens.URL+`/token",service="test"`)
				w.WriteHeader(http.StatusUnauthorized)
			}
		},
	} {
		server := httptest.NewServer(handler)
		tokens = server
		host := strings.TrimPrefix(server.URL, "http://")
		for password, valid := range map[string]bool{"right": true, "wrong": false} {
			err := Registries{}.CheckCredentials(context.Background(), host,
				credentials.Credentials{Username: "user", Password: password})
			if valid && err != nil || !valid && !errors.Is(err, ErrCredentials) {
				t.Errorf("%s, %s password: %v", name, password, err)
			}
		}
		server.Close()
		if err := (Registries{}).CheckCredentials(context.Background(), host, credentials.Credentials{}); err == nil ||
			errors.Is(err, ErrCredentials) {
			t.Errorf("a registry that does not respond: %v", err)
		}
	}
}
