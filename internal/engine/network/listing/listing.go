// Package listing prints networks, as docker network ls and docker network inspect do.
package listing

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/engine/network"
	"github.com/minirun/minirun/internal/formatter"
	"github.com/minirun/minirun/internal/keyvalue"
	"github.com/minirun/minirun/internal/termtext"
)

// A Filter reports whether a network is selected.
type Filter func(*network.Network) bool

// ParseFilter parses the values of --filter. isUsed reports whether containers are connected.
func ParseFilter(texts []string, isUsed func(*network.Network) bool) (Filter, error) {
	return keyvalue.ParseFilters(texts, func(text string) (Filter, error) { return parseCondition(text, isUsed) })
}

func parseCondition(text string, isUsed func(*network.Network) bool) (Filter, error) {
	key, value, ok := strings.Cut(text, "=")
	if !ok {
		return nil, errors.New("must be KEY=VALUE")
	}
	switch key {
	case "name":
		return func(n *network.Network) bool { return strings.Contains(n.Name, value) }, nil
	case "id":
		return func(n *network.Network) bool { return strings.Contains(n.ID, value) }, nil
	case "driver":
		return func(n *network.Network) bool { return n.Driver == value }, nil
	case "scope":
		return func(*network.Network) bool { return value == scope }, nil
	case "label":
		return labelFilter(value), nil
	case "until":
		moment, err := cmdline.ParseMoment(value, time.Now())
		if err != nil {
			return nil, err
		}
		return func(n *network.Network) bool { return !n.Created.IsZero() && n.Created.Before(moment) }, nil
	case "type":
		if value != "custom" && value != "builtin" {
			return nil, fmt.Errorf("type %q: must be custom or builtin", value)
		}
		return func(n *network.Network) bool { return network.IsPredefined(n.Name) == (value == "builtin") }, nil
	case "dangling":
		if value != "true" && value != "false" {
			return nil, fmt.Errorf("dangling %q: must be true or false", value)
		}
		return func(n *network.Network) bool {
			return (!network.IsPredefined(n.Name) && !isUsed(n)) == (value == "true")
		}, nil
	}
	return nil, fmt.Errorf("unknown key %q: must be name, id, driver, scope, label, type, dangling or until", key)
}

func labelFilter(value string) Filter {
	name, want, hasValue := strings.Cut(value, "=")
	return func(n *network.Network) bool {
		got, ok := n.Labels[name]
		return ok && (!hasValue || got == want)
	}
}

// scope is docker's word for networks of one host.
const scope = "local"

var headers = map[string]string{"ID": "NETWORK ID", "Name": "NAME", "Driver": "DRIVER", "Scope": "SCOPE",
	"IPv6": "IPV6", "Internal": "INTERNAL", "Labels": "LABELS", "CreatedAt": "CREATED AT", "Subnet": "SUBNET"}

// Write writes networks in a format: table, json or a template.
func Write(w io.Writer, networks []*network.Network, format string) error {
	t := formatter.Table{Headers: headers}
	for _, n := range networks {
		t.Rows = append(t.Rows, row(n))
	}
	switch format {
	case "", "table":
		format = "table {{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Subnet}}"
	case "json":
		format = "{{json .}}"
	}
	return t.Write(w, format)
}

func row(n *network.Network) formatter.Row {
	var labels, subnets []string
	for name, value := range n.Labels {
		labels = append(labels, name+"="+value)
	}
	slices.Sort(labels)
	for _, s := range n.Subnets {
		subnets = append(subnets, s.Subnet.String())
	}
	created := ""
	if !n.Created.IsZero() {
		created = n.Created.Format(time.RFC3339)
	}
	return formatter.Row{"ID": n.ID, "Name": n.Name, "Driver": n.Driver, "Scope": scope,
		"IPv6": fmt.Sprint(n.HasIPv6()), "Internal": fmt.Sprint(n.Internal), "Labels": strings.Join(labels, ","),
		"CreatedAt": created, "Subnet": strings.Join(subnets, ", ")}
}

// Inspected has docker's names for what is known about a network.
type Inspected struct {
	Name       string
	ID         string `json:"Id"`
	Created    time.Time
	Scope      string
	Driver     string
	EnableIPv6 bool
	IPAM       struct {
		Driver string
		Config []subnet
	}
	Internal   bool
	Containers map[string]container
	Options    map[string]string
	Labels     map[string]string
}

type subnet struct {
	Subnet  string
	IPRange string `json:",omitempty"`
	Gateway string
}

type container struct {
	Name        string
	EndpointID  string
	MacAddress  string
	IPv4Address string
	IPv6Address string
}

// Describe returns what inspect shows.
func Describe(n *network.Network, members []network.Member) Inspected {
	out := Inspected{Name: n.Name, ID: n.ID, Created: n.Created, Scope: scope, Driver: n.Driver, EnableIPv6: n.HasIPv6(),
		Internal: n.Internal, Containers: map[string]container{}, Options: n.Options(), Labels: n.Labels}
	out.IPAM.Driver, out.IPAM.Config = "default", []subnet{}
	for _, s := range n.Subnets {
		one := subnet{Subnet: s.Subnet.String()}
		if s.Range.IsValid() {
			one.IPRange = s.Range.String()
		}
		if !n.Internal {
			one.Gateway = s.Gateway.String()
		}
		out.IPAM.Config = append(out.IPAM.Config, one)
	}
	for _, m := range members {
		c := container{Name: m.Container, EndpointID: m.Connection.Device, MacAddress: m.Connection.MAC}
		for _, a := range m.Connection.Addresses {
			if a.Addr().Is4() {
				c.IPv4Address = a.String()
			} else {
				c.IPv6Address = a.String()
			}
		}
		out.Containers[m.Container] = c
	}
	return out
}

// WriteInspected writes what Describe returned: as a list, or each with a template.
func WriteInspected(w io.Writer, all []Inspected, format string) error {
	if format == "" || format == "json" {
		text, err := json.MarshalIndent(all, "", "    ")
		if err != nil {
			return err
		}
		termtext.Fprintf(w, "%s\n", termtext.Multiline(string(text)))
		return nil
	}
	t := formatter.Table{}
	for _, i := range all {
		t.Rows = append(t.Rows, formatter.Row{"Name": i.Name, "Id": i.ID, "ID": i.ID, "Created": i.Created, "Scope": i.Scope,
			"Driver": i.Driver, "EnableIPv6": i.EnableIPv6, "IPAM": i.IPAM, "Internal": i.Internal,
			"Containers": i.Containers, "Options": i.Options, "Labels": i.Labels})
	}
	return t.Write(w, format)
}
