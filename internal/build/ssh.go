package build

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/minirun/minirun/internal/build/sshagent"
	"github.com/minirun/minirun/internal/keyvalue"
)

// ParseSSH reads --ssh default|ID[=SOCKET[,raw=true]|KEY[,KEY…]].
func ParseSSH(list []string) (map[string]*sshagent.Agent, error) {
	out := map[string]*sshagent.Agent{}
	for _, text := range list {
		id, rest, _ := strings.Cut(text, "=")
		id = cmp.Or(id, "default")
		if out[id] != nil {
			return nil, fmt.Errorf(
				"--ssh %s: the agent %s is given twice\nhint: separate the keys of one agent with commas", text, id,
			)
		}
		a, err := openAgent(id, rest)
		if err != nil {
			return nil, fmt.Errorf("invalid --ssh %s: %w", text, err)
		}
		out[id] = a
	}
	return out, nil
}

func openAgent(id, text string) (*sshagent.Agent, error) {
	if text == "" {
		text = os.Getenv("SSH_AUTH_SOCK")
	}
	if text == "" {
		return nil, fmt.Errorf(
			"SSH_AUTH_SOCK is not set\nhint: start an agent (eval $(ssh-agent)), or use %s=SOCKET or %s=KEY", id, id,
		)
	}
	fields, err := keyvalue.Fields(text)
	if err != nil {
		return nil, err
	}
	raw := false
	var paths []string
	for _, f := range fields {
		if value, ok := strings.CutPrefix(f, "raw="); ok {
			if raw, err = strconv.ParseBool(value); err != nil {
				return nil, fmt.Errorf("raw=%s is not true or false", value)
			}
			continue
		}
		if f == "" {
			return nil, errors.New("a path is empty")
		}
		paths = append(paths, f)
	}
	if len(paths) == 0 {
		return nil, errors.New("raw= needs a socket")
	}
	return sshagent.Open(paths, raw)
}
