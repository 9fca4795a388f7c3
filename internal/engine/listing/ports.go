package listing

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/minirun/minirun/internal/engine/connection"
)

// parsePublish parses PORT[-PORT][/PROTOCOL], a port of the container or of the host.
func parsePublish(_ *lister, value string) (test, error) {
	numbers, protocol, ok := strings.Cut(value, "/")
	if !ok {
		protocol = "tcp"
	}
	low, high, isRange := strings.Cut(numbers, "-")
	if !isRange {
		high = low
	}
	first, err := strconv.ParseUint(low, 10, 16)
	last, errLast := strconv.ParseUint(high, 10, 16)
	if err = errors.Join(err, errLast); err != nil || first > last {
		return nil, fmt.Errorf("must be a port or a range of ports, such as 80, 80/udp or 8000-8080/tcp")
	}
	isMeant := func(port string) bool {
		n, err := strconv.ParseUint(port, 10, 16)
		return err == nil && first <= n && n <= last
	}
	return func(i *item) bool {
		for _, p := range connection.PortList(i.Ports, i.Exposed) {
			host, inside, _ := strings.Cut(p, "->")
			if inside == "" {
				host, inside = "", host
			}
			port, of, _ := strings.Cut(inside, "/")
			if of == protocol && (isMeant(port) || isMeant(host[strings.LastIndexByte(host, ':')+1:])) {
				return true
			}
		}
		return false
	}, nil
}
