package listing

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// portText returns published ports as in docker's tables: 0.0.0.0:8080->80/tcp. Each one is
// [[IP:]HOST:]CONTAINER[/PROTOCOL], or already in that form.
func portText(ports []string) string {
	var out []string
	for _, p := range ports {
		if strings.Contains(p, "->") {
			out = append(out, p)
			continue
		}
		host, inside := "", p
		if i := strings.LastIndexByte(p, ':'); i >= 0 {
			host, inside = p[:i], p[i+1:]
		}
		if !strings.Contains(inside, "/") {
			inside += "/tcp"
		}
		switch {
		case host == "":
			out = append(out, inside)
			continue
		case !strings.Contains(host, ":"):
			host = "0.0.0.0:" + host
		}
		out = append(out, host+"->"+inside)
	}
	return strings.Join(out, ", ")
}

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
		for p := range strings.SplitSeq(portText(i.Ports), ", ") {
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
