package command

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/language"
	"github.com/minirun/minirun/internal/prompt"
	"github.com/minirun/minirun/internal/termtext"
)

// Warn prints a warning.
func Warn(err error) {
	termtext.Fprintf(os.Stderr, "minirun: %v\n", termtext.Multiline(language.Text(err.Error())))
}

// FormatFlag returns the flag --format of a command that prints a table or JSON.
func FormatFlag() cli.Flag {
	return &cli.StringFlag{Name: "format", Aliases: []string{"f"}, Value: "table", Usage: "table or json"}
}

// WantsJSON reports whether --format selects JSON.
func WantsJSON(ctx *cli.Context) (bool, error) {
	switch f := ctx.String("format"); f {
	case "json":
		return true, nil
	case "table":
		return false, nil
	default:
		return false, fmt.Errorf("--format %q: must be table or json", f)
	}
}

// ForceFlag returns the flag --force of a command that asks.
func ForceFlag() cli.Flag {
	return &cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Usage: "do not ask for confirmation of --all"}
}

// Confirm asks before a command removes something that cannot be restored.
func Confirm(ctx *cli.Context, command, what string) (bool, error) {
	if ctx.Bool("force") {
		return true, nil
	}
	yes, err := prompt.Confirm(ctx.Context, what)
	switch {
	case errors.Is(err, prompt.ErrNoTerminal):
		name := strings.TrimPrefix(command, "minirun ")
		return false, fmt.Errorf("%s asks for confirmation, but %w\nhint: to remove without a question, run %s "+
			"--force", name, err, command)
	case err == nil && !yes:
		fmt.Fprintln(os.Stderr, language.Text("nothing was removed"))
	}
	return yes, err
}
