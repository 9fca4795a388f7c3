// nonewprivs prints its effective user ID. critest runs it from an image as a set-user-ID program, with and without
// no_new_privs.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Println("Effective uid:", os.Geteuid())
}
