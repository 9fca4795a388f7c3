package crash

import "fmt"

func callName(nr uint64) string { return fmt.Sprintf("call %d", nr) }
