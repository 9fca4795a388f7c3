// Command messages lists the messages in the source code, and those that have no translation. Run it from the
// repository:
//
//	go run ./tests/messages                     how many messages each area has, and how many are missing
//	go run ./tests/messages --missing engine    those without a translation, as JSON to fill in
//	go run ./tests/messages --add FILE engine   add the translations in FILE to the catalogue
//	go run ./tests/messages --where engine      all messages of an area with their places
//	go run ./tests/messages --check engine      what is wrong in the catalogue of an area
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

const catalogueDir = "internal/translate/catalogue"

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "messages:", err)
		os.Exit(1)
	}
}

func run() error {
	language := flag.String("language", "pt-BR", "language of the catalogue")
	root := flag.String("root", ".", "the repository")
	missing := flag.Bool("missing", false, "list the messages of an area without a translation")
	where := flag.Bool("where", false, "list the messages of an area with their places")
	check := flag.Bool("check", false, "list what is wrong in the catalogue of an area")
	from := flag.String("add", "", "add the translations in a file to an area")
	flag.Parse()
	all, err := extract(*root)
	if err != nil {
		return err
	}
	c := catalogue{dir: filepath.Join(*root, catalogueDir, *language), messages: all}
	if c.areas, err = readAreas(c.dir); err != nil {
		return err
	}
	area := flag.Arg(0)
	switch {
	case area == "":
		c.count()
		return nil
	case !slices.Contains(areaNames(), area):
		return fmt.Errorf("unknown area %q", area)
	case *missing:
		return c.printMissing(area)
	case *where:
		for _, m := range all[area] {
			fmt.Printf("%s: %q\n", m.position, m.text)
		}
		return nil
	case *check:
		for _, text := range c.problems(area) {
			fmt.Println(text)
		}
		return nil
	case *from != "":
		return c.add(area, *from)
	}
	return errors.New("one of --missing, --where, --check or --add is missing")
}
