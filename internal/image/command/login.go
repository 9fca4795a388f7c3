package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/ctxio"
	"github.com/minirun/minirun/internal/image/credentials"
	"github.com/minirun/minirun/internal/image/transfer"
	"github.com/minirun/minirun/internal/language"
	"github.com/minirun/minirun/internal/prompt"
	"github.com/minirun/minirun/internal/termtext"
)

// Login returns the command login.
func Login() *cli.Command {
	return &cli.Command{
		Name: "login", Usage: "log in to a registry", ArgsUsage: "[REGISTRY]",
		Description: "The registry is asked whether it accepts the credentials. They are stored where docker has\n" +
			"them: with a credential helper (credsStore or credHelpers in $DOCKER_CONFIG/config.json,\n" +
			"usually ~/.docker/config.json), or in that file. The default registry is Docker Hub.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "username", Aliases: []string{"u"}, Usage: "log in as `USER`"},
			&cli.StringFlag{Name: "password", Aliases: []string{"p"},
				Usage: "`PASSWORD` or access token; others see it in the list of processes"},
			&cli.BoolFlag{Name: "password-stdin", Usage: "read the password from standard input"},
		},
		Action: login,
	}
}

// Logout returns the command logout.
func Logout() *cli.Command {
	return &cli.Command{
		Name: "logout", Usage: "remove the credentials for a registry", ArgsUsage: "[REGISTRY]",
		Description: "The default registry is Docker Hub.",
		Action:      logout,
	}
}

// registryArgument returns the registry on the command line.
func registryArgument(ctx *cli.Context) (string, error) {
	if err := cmdline.CheckCount(ctx, 0, 1); err != nil {
		return "", err
	}
	text := ctx.Args().First()
	if text == "" && ctx.NArg() == 0 {
		return "docker.io", nil
	}
	host := credentials.Host(text)
	if host == "" || strings.ContainsAny(host, " @") {
		return "", fmt.Errorf("%s: the registry %q is not a host name\nhint: minirun %[1]s registry.example.com",
			ctx.Command.Name, text)
	}
	return host, nil
}

func login(ctx *cli.Context) error {
	registry, err := registryArgument(ctx)
	if err != nil {
		return err
	}
	if err := checkPasswordFlags(ctx); err != nil {
		return err
	}
	registries, err := transfer.ReadRegistries()
	if err != nil {
		return err
	}
	if !ctx.IsSet("username") && !ctx.IsSet("password") {
		if done, err := useExistingCredentials(ctx, registries, registry); done || err != nil {
			return err
		}
	}
	c, err := askCredentials(ctx, registry)
	if err != nil {
		return err
	}
	if err := registries.CheckCredentials(ctx.Context, registry, c); err != nil {
		if errors.Is(err, transfer.ErrCredentials) {
			return fmt.Errorf("login: %s refuses user %q: %w\nhint: many registries need an access token instead of the "+
				"password: create one in the account's settings", registry, c.Username, err)
		}
		return fmt.Errorf("login to %s: %w", registry, err)
	}
	place, err := credentials.Store(ctx.Context, registry, c)
	if err != nil {
		return err
	}
	if place.Helper == "" {
		Warn(fmt.Errorf("the password is stored unencrypted in %s\nhint: a credential helper stores it encrypted: set "+
			"\"credsStore\" in that file", place.File))
	}
	termtext.Fprintln(ctx.App.Writer, language.Text("Login Succeeded"))
	return nil
}

func checkPasswordFlags(ctx *cli.Context) error {
	switch {
	case ctx.IsSet("password") && ctx.Bool("password-stdin"):
		return errors.New("login: --password and --password-stdin cannot be combined\nhint: leave out --password")
	case ctx.Bool("password-stdin") && ctx.String("username") == "":
		return errors.New("login: --password-stdin needs --username\nhint: minirun login -u USER --password-stdin")
	case ctx.IsSet("username") && ctx.String("username") == "", ctx.IsSet("password") && ctx.String("password") == "":
		return errors.New("login: the user name or the password is empty\nhint: leave out the flag to be asked for it")
	case ctx.IsSet("password"):
		Warn(errors.New("other users of this machine can see --password in the list of processes\nhint: use " +
			"--password-stdin"))
	}
	return nil
}

// useExistingCredentials logs in with stored credentials, as docker does without flags. It returns false
// if there are none, or if the registry refuses them.
func useExistingCredentials(ctx *cli.Context, registries transfer.Registries, registry string) (bool, error) {
	c, err := credentials.Find(ctx.Context, registry)
	if err != nil || c.IsAnonymous() {
		return false, err
	}
	err = registries.CheckCredentials(ctx.Context, registry, c)
	if errors.Is(err, transfer.ErrCredentials) {
		Warn(fmt.Errorf("%s refuses the stored credentials", registry))
		return false, nil
	}
	if err == nil {
		termtext.Fprintln(ctx.App.Writer, language.Text("Login Succeeded, with the stored credentials"))
	}
	return err == nil, err
}

// askCredentials returns the credentials of the flags, and asks for those that are not given.
func askCredentials(ctx *cli.Context, registry string) (c credentials.Credentials, err error) {
	c.Username, c.Password = ctx.String("username"), ctx.String("password")
	if ctx.Bool("password-stdin") {
		if c.Password, err = readPassword(ctx.Context, os.Stdin); err != nil {
			return c, err
		}
	}
	if c.Username == "" {
		c.Username, err = prompt.Line(ctx.Context, "User name for "+registry)
	}
	if err == nil && c.Password == "" {
		c.Password, err = prompt.Secret(ctx.Context, "Password")
	}
	switch {
	case errors.Is(err, prompt.ErrNoTerminal):
		return c, fmt.Errorf("login: cannot ask for the password: %w\nhint: minirun login -u USER --password-stdin %s "+
			"<FILE", err, registry)
	case err == nil && (c.Username == "" || c.Password == ""):
		return c, errors.New("login: the user name or the password is empty")
	}
	return c, err
}

// maxPassword is the length of the longest password; some registries use documents with keys.
const maxPassword = 64 << 10

func readPassword(ctx context.Context, from io.Reader) (string, error) {
	text, err := io.ReadAll(io.LimitReader(ctxio.NewReader(ctx, from), maxPassword+1))
	if err != nil {
		return "", fmt.Errorf("login: read the password: %w", err)
	}
	password := strings.TrimRight(string(text), "\r\n")
	if password == "" || len(text) > maxPassword {
		return "", fmt.Errorf("login: standard input has %d bytes, not a password\nhint: printf %%s \"$PASSWORD\" | "+
			"minirun login -u USER --password-stdin", len(text))
	}
	return password, nil
}

func logout(ctx *cli.Context) error {
	registry, err := registryArgument(ctx)
	if err != nil {
		return err
	}
	found, place, err := credentials.Erase(ctx.Context, registry)
	switch {
	case err != nil:
		return err
	case !found:
		termtext.Fprintln(ctx.App.Writer, language.Text("Not logged in to "+registry))
	case place.Helper != "":
		termtext.Fprintln(ctx.App.Writer, language.Text("Removed the credentials for "+registry+" from "+place.Helper))
	default:
		termtext.Fprintln(ctx.App.Writer, language.Text("Removed the credentials for "+registry+" from "+place.File))
	}
	return nil
}
