package build

import (
	"cmp"
	"errors"
	"fmt"
	"os"

	"github.com/minirun/minirun/internal/build/executor"
	"github.com/minirun/minirun/internal/keyvalue"
)

// ParseSecrets reads --secret id=ID[,src=FILE|,env=NAME]. Without src and env, the secret is
// the environment variable of that name, or else the file.
func ParseSecrets(list []string) (executor.Secrets, error) {
	out := executor.Secrets{}
	for _, text := range list {
		id, s, err := parseSecret(text)
		if err != nil {
			return nil, fmt.Errorf("invalid --secret %q: %w", text, err)
		}
		out[id] = s
	}
	return out, nil
}

func parseSecret(text string) (id string, s executor.Secret, err error) {
	kind, env := "", ""
	err = keyvalue.Each(text, func(key, value string, _ bool) error {
		switch key {
		case "id":
			id = value
		case "src", "source":
			s.File = value
		case "env":
			env = value
		case "type":
			kind = value
		default:
			return fmt.Errorf("unknown key %q\nhint: use id, src, env or type", key)
		}
		return nil
	})
	if err != nil {
		return "", s, err
	}
	if kind != "" && kind != "file" && kind != "env" {
		return "", s, fmt.Errorf("type=%s is not file or env", kind)
	}
	if id == "" {
		return "", s, errors.New("id= is missing")
	}
	if kind == "env" && env == "" {
		env, s.File = cmp.Or(s.File, id), ""
	}
	if env == "" && s.File == "" && kind == "" {
		if _, ok := os.LookupEnv(id); ok {
			env = id
		}
	}
	if env != "" {
		value, ok := os.LookupEnv(env)
		if !ok {
			return "", s, fmt.Errorf("the variable %s is not set", env)
		}
		s.Data = []byte(value)
		return id, s, nil
	}
	s.File = cmp.Or(s.File, id)
	if info, err := os.Stat(s.File); err != nil || !info.Mode().IsRegular() {
		return "", s, cmp.Or(err, fmt.Errorf("%s is not a regular file", s.File))
	}
	return id, s, nil
}
